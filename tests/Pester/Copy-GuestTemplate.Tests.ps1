BeforeAll {
    . "$PSScriptRoot/Common.ps1"
    $web = New-TestTemplate "$TestDrive/templates/web"
    $db = New-TestTemplate "$TestDrive/templates/db"
}

Describe 'Copy-GuestTemplate' {
    BeforeEach { $out = New-Item "$TestDrive/$([guid]::NewGuid())" -ItemType Directory }
    AfterEach { Clear-PsVm }

    It 'makes a copy that starts, whatever becomes of the original' {
        $original = Copy-GuestTemplate $web "$out/original"
        $copy = Copy-GuestTemplate $original "$out/copy"
        $copy | Should -BeOfType PsVm.GuestTemplate
        $copy.Path | Should -Be "$out/copy"
        $copy.Id | Should -Be $web.Id -Because 'it says the same'
        Remove-GuestTemplate $original -Confirm:$false
        Test-GuestTemplate $copy -Verify | Should -BeTrue
        $copy | Start-Guest | Wait-Guest -ForText 'TICK' -Timeout 60 | Should -Not -BeNullOrEmpty
    }

    It 'copies several to a folder' {
        (Copy-GuestTemplate "$TestDrive/templates/*" $out).Path | Should -Be "$out/db", "$out/web"
        ($web, $db | Copy-GuestTemplate "$out/new").Path | Should -Be "$out/new/web", "$out/new/db"
        ($web | Copy-GuestTemplate "$out/newer/").Path | Should -Be "$out/newer/web"
    }

    It 'replaces a template only with -Force, and nothing else' {
        $null = Copy-GuestTemplate $web "$out/t"
        (Get-ErrorOf { Copy-GuestTemplate $db "$out/t" }).Id | Should -Be CheckpointPathInUse
        (Copy-GuestTemplate $db "$out/t" -Force).Id | Should -Be $db.Id
        Set-Content "$out/file" mine
        (Get-ErrorOf { Copy-GuestTemplate $db "$out/file" -Force }).Id | Should -Be CheckpointPathInUse
        (Get-ErrorOf { Copy-GuestTemplate "$out/t" "$out/t" -Force }).Id | Should -Be CheckpointPathInUse
        Get-Content "$out/file" | Should -Be mine
    }

    It 'does nothing under -WhatIf, and says what is wrong' {
        Copy-GuestTemplate $web $out -WhatIf | Should -BeNullOrEmpty
        Get-ChildItem $out -Force | Should -BeNullOrEmpty
        (Get-ErrorOf { Copy-GuestTemplate "$TestDrive/none" $out -WhatIf }).Id | Should -Be TemplateNotFound
        (Get-ErrorOf { Copy-GuestTemplate $web "$TestDrive/templates/db" -WhatIf }).Id | Should -Be CheckpointPathInUse
    }

    It 'says what is missing or said twice: <Id>' -ForEach @(
        @{ Command = { Copy-GuestTemplate }; Id = 'ArgumentMissing' }
        @{ Command = { $web | Copy-GuestTemplate }; Id = 'ArgumentMissing' }
        @{ Command = { $web | Copy-GuestTemplate $db "$out/x" }; Id = 'TemplateGivenTwice' }
        @{ Command = { Copy-GuestTemplate $web, (Copy-GuestTemplate $web "$out/other/") "$out/both/" }; Id = 'TemplatePathRepeated' }
    ) {
        (Get-ErrorOf $Command).Id | Should -Be $Id
    }
}
