BeforeAll {
    . "$PSScriptRoot/Common.ps1"
    $web = New-TestTemplate "$TestDrive/templates/web"
    $clone = Start-Guest clone -Template $web | Wait-Guest -ForText 'TICK' -Timeout 60
    $child = $clone | Checkpoint-Guest "$TestDrive/templates/child" -Differential
    Clear-PsVm
    $null = $web, $child | Export-GuestTemplate "$TestDrive/archives/"
}

Describe 'Import-GuestTemplate' {
    BeforeEach {
        $out = New-Item "$TestDrive/$([guid]::NewGuid())" -ItemType Directory
        Push-Location $out
    }

    AfterEach {
        Pop-Location
        Clear-PsVm
    }

    It 'makes a template that runs, here or in another folder' {
        $here = Import-GuestTemplate "$TestDrive/archives/web.psvm"
        $here | Should -BeOfType PsVm.GuestTemplate
        $here.Path | Should -Be "$out/web"
        $there = Import-GuestTemplate "$TestDrive/archives/web.psvm" ./new/folder
        $there.Path | Should -Be "$out/new/folder/web"
        $there.Id | Should -Be $web.Id
        Test-GuestTemplate $there -Verify | Should -BeTrue
        $there | Start-Guest | Wait-Guest -ForText 'TICK' -Timeout 60 | Should -Not -BeNullOrEmpty
    }

    It 'takes <Case> from the pipeline' -ForEach @(
        @{ Case = 'files'; Command = { Get-Item "$TestDrive/archives/*.psvm" | Import-GuestTemplate -Destination ./i } }
        @{ Case = 'files, with the folder first'; Command = { Get-ChildItem "$TestDrive/archives" | Import-GuestTemplate ./i } }
        @{ Case = 'patterns'; Command = { "$TestDrive/archives/*" | Import-GuestTemplate ./i } }
        @{ Case = 'archives'; Command = { Get-GuestTemplate "$TestDrive/templates/child" | Export-GuestTemplate ./child.psvm | Import-GuestTemplate ./i } }
    ) {
        (& $Command).Name | Should -Contain child
        (Get-GuestTemplate -Folder ./i).Name | Should -Be child, web -Because 'what child needs is there once'
        (Start-Guest -Template ./i/child).State | Should -Be Running
    }

    It 'needs the templates that were left out' {
        $alone = Export-GuestTemplate $child ./alone.psvm -NoParents
        (Get-ErrorOf { $alone | Import-GuestTemplate ./i }).Id | Should -Be TemplateParentNotFound
        './i' | Should -Not -Exist
        $null = Import-GuestTemplate "$TestDrive/archives/web.psvm" ./i
        Test-GuestTemplate ($alone | Import-GuestTemplate ./i) | Should -BeTrue
    }

    It 'replaces a template only with -Force' {
        $null = New-TestTemplate ./web
        (Get-ErrorOf { Import-GuestTemplate "$TestDrive/archives/web.psvm" }).Id | Should -Be CheckpointPathInUse
        (Get-GuestTemplate ./web).Id | Should -Not -Be $web.Id
        (Import-GuestTemplate "$TestDrive/archives/web.psvm" -Force).Id | Should -Be $web.Id
        (Get-GuestTemplate ./web).Id | Should -Be $web.Id
    }

    It 'says under -WhatIf what it would do, and what is wrong' {
        Import-GuestTemplate "$TestDrive/archives/child.psvm" ./i -WhatIf | Should -BeNullOrEmpty
        './i' | Should -Not -Exist
        (Get-ErrorOf { Import-GuestTemplate ./none.psvm -WhatIf }).Id | Should -Be ArchiveNotFound
    }

    It 'says <Id> of what is no archive, and leaves nothing' -ForEach @(
        @{ Id = 'ArchiveNotFound'; Make = { './a' } }
        @{ Id = 'ArchiveUnreadable'; Make = { New-Item ./a -ItemType Directory } }
        @{ Id = 'ArchiveInvalid'; Make = { Set-Content ./a 'no archive'; './a' } }
        @{
            Id   = 'ArchiveDamaged'
            Make = { $bytes = [IO.File]::ReadAllBytes("$TestDrive/archives/web.psvm"); [IO.File]::WriteAllBytes("$out/a", $bytes[0..($bytes.Length - 100)]); './a' }
        }
        @{
            Id   = 'ArchiveInvalid'
            Make = {
                $null = New-Item ./web -ItemType Directory
                $null = New-Item ./web/ram0.bin -ItemType SymbolicLink -Target /etc/passwd
                tar --zstd -cf ./a ./web
                Remove-Item ./web -Recurse -Force
                './a'
            }
        }
    ) {
        $path = & $Make
        $found = Get-ErrorOf { Import-GuestTemplate $path ./i }
        $found.Id | Should -Be $Id
        $found.Target | Should -Be "$out/a"
        Get-ChildItem ./i -Force -ErrorAction Ignore | Should -BeNullOrEmpty
    }

    It 'says what is missing or said twice' {
        (Get-ErrorOf { Import-GuestTemplate }).Id | Should -Be ArgumentMissing
        (Get-ErrorOf { './a' | Import-GuestTemplate ./b ./c }).Id | Should -Be TemplateGivenTwice
    }
}
