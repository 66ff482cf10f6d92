BeforeAll {
    . "$PSScriptRoot/Common.ps1"
    $web = New-TestTemplate "$TestDrive/templates/web"
    $clone = Start-Guest clone -Template $web | Wait-Guest -ForText 'TICK' -Timeout 60
    $child = $clone | Checkpoint-Guest "$TestDrive/templates/child" -Differential
    Clear-PsVm
}

Describe 'Export-GuestTemplate' {
    BeforeEach { $out = New-Item "$TestDrive/$([guid]::NewGuid())" -ItemType Directory }

    It 'writes one file that tar lists' {
        $archive = Export-GuestTemplate $web "$out/web.psvm"
        $archive | Should -BeOfType PsVm.TemplateArchive
        $archive.Templates.Id | Should -Be $web.Id
        $archive.Length | Should -Be (Get-Item "$out/web.psvm").Length
        tar --zstd -tf "$out/web.psvm" | Should -Be archive.json, web/template.json, web/state.bin, web/ram0.bin
    }

    It 'takes the templates along that one needs, or leaves them out' {
        ($child | Export-GuestTemplate "$out/child.psvm").Templates.Name | Should -Be child, web
        (Export-GuestTemplate -Template $child -Path "$out/alone.psvm" -NoParents).Templates.Name | Should -Be child
    }

    It 'makes an archive of each in a folder, one that is there or one with a slash' {
        (Get-GuestTemplate -Folder "$TestDrive/templates" | Export-GuestTemplate -Path $out).Name | Should -Be child.psvm, web.psvm
        (Export-GuestTemplate "$TestDrive/templates/*" "$out/new/").Path | Should -Be "$out/new/child.psvm", "$out/new/web.psvm"
        (Export-GuestTemplate $web "$out/newer/").Path | Should -Be "$out/newer/web.psvm"
    }

    It 'makes smaller archives at a higher level' {
        $fast = Export-GuestTemplate $web "$out/fast.psvm" -CompressionLevel 1
        $small = Export-GuestTemplate $web "$out/small.psvm" -CompressionLevel 19
        $small.Length | Should -BeLessThan $fast.Length
        (Get-ErrorOf { Export-GuestTemplate $web "$out/none.psvm" -CompressionLevel 99 }).Id | Should -Be CompressionLevelInvalid
    }

    It 'replaces a file only with -Force' {
        Set-Content "$out/mine" mine
        $found = Get-ErrorOf { Export-GuestTemplate $web "$out/mine" }
        $found.Id | Should -Be ArchivePathInUse
        $found.Target | Should -Be "$out/mine"
        Get-Content "$out/mine" | Should -Be mine
        $null = Export-GuestTemplate $web "$out/mine" -Force
        (Import-GuestTemplate "$out/mine" $out).Id | Should -Be $web.Id
        (Get-ErrorOf { Export-GuestTemplate $web $TestDrive -Force -WhatIf }).Id | Should -BeNullOrEmpty
    }

    It 'says under -WhatIf what it would do, and what is wrong' {
        Export-GuestTemplate $web $out -WhatIf | Should -BeNullOrEmpty
        Get-ChildItem $out -Force | Should -BeNullOrEmpty
        (Get-ErrorOf { Export-GuestTemplate "$TestDrive/none" $out -WhatIf }).Id | Should -Be TemplateNotFound
    }

    It 'says what is missing or said twice: <Id>' -ForEach @(
        @{ Command = { Export-GuestTemplate }; Id = 'ArgumentMissing' }
        @{ Command = { Export-GuestTemplate $web }; Id = 'ArgumentMissing' }
        @{ Command = { $web | Export-GuestTemplate $child "$out/x" }; Id = 'TemplateGivenTwice' }
        @{ Command = { Export-GuestTemplate $web, (Copy-GuestTemplate $web "$out/other/") $out }; Id = 'TemplatePathRepeated' }
    ) {
        $found = Get-ErrorOf $Command
        $found.Id | Should -Be $Id
        $found.Action | Should -Not -BeNullOrEmpty
    }

    It 'goes on after one that cannot be' {
        $made = Export-GuestTemplate "$TestDrive/none", $web $out -ErrorAction SilentlyContinue -ErrorVariable problems
        $made.Name | Should -Be web.psvm
        $problems.FullyQualifiedErrorId -replace ',.*' | Should -Be TemplateNotFound
    }
}
