BeforeAll {
    . "$PSScriptRoot/Common.ps1"
    $env:TMPDIR = "$(New-Item "$TestDrive/hidden" -ItemType Directory)"
    function Get-Hidden { Get-ChildItem $env:TMPDIR, $TestDrive -Force -Directory -Filter '.*.partial' }
}

AfterAll { $env:TMPDIR = $null }

Describe 'Copy-Guest' {
    BeforeEach {
        $guest = Start-Guest -Name web -Memory 32MB | Wait-Guest -ForText 'GUEST-UP' -Timeout 60
    }

    AfterEach {
        Clear-PsVm
        Get-Hidden | Should -BeNullOrEmpty
    }

    It 'makes copies of a guest that runs on, with identities of their own' {
        $copies = Copy-Guest web -Count 3 -NameFormat 'web-{0:d2}'
        $copies | Should -BeOfType PsVm.Guest
        $copies.Name | Should -Be web-01, web-02, web-03
        ($guest.GetInfo().Uuid, $copies.ForEach({ $_.GetInfo().Uuid }) | ForEach-Object { $_ } | Select-Object -Unique).Count | Should -Be 4
        $copies | Send-GuestConsole -Text check
        $copies | Wait-Guest -ForText 'check: ok' -Timeout 60 | Should -HaveCount 3
        $guest.State | Should -Be Running
        $null = $guest | Send-GuestConsole -Text check
        $guest | Wait-Guest -ForText 'check: ok' -Timeout 60 | Should -Not -BeNullOrEmpty
    }

    It 'gives each copy an identity, and says before it copies what is none: <Identity.HostName>' -ForEach @(
        @{ Identity = @{ HostName = 'a b {0}' }; Id = 'GuestIdentityInvalid' }
        @{ Identity = @{ HostName = '{' }; Id = 'NameFormatInvalid' }
    ) {
        (Get-ErrorOf { Copy-Guest web -Identity $Identity -TemplatePath "$TestDrive/none" }).Id | Should -Be $Id
        (Get-ErrorOf { Copy-Guest web -Identity $Identity -WhatIf }).Id | Should -Be $Id
        Test-Path "$TestDrive/none" | Should -BeFalse
        Get-Guest | Should -HaveCount 1
        $copy = Copy-Guest web -Identity @{ HostName = 'x{0}' } -WarningAction SilentlyContinue
        for ($i = 0; $copy.IdentityState -eq 'Pending' -and $i -lt 500; $i++) { Start-Sleep -Milliseconds 20 }
        $copy.IdentityState | Should -Be Failed -Because 'its machine type has no port for an agent'
    }

    It 'hides the template as long as a copy is there, for restarts and copies of copies' {
        $copies = $guest | Copy-Guest -Count 2
        @(Get-Hidden).Count | Should -Be 1
        Get-GuestTemplate -Folder $env:TMPDIR | Should -BeNullOrEmpty
        $null = $copies[0] | Restart-Guest -Force
        $second = $copies[1] | Copy-Guest -NewName second
        $second.Name | Should -Be second
        @(Get-Hidden).Count | Should -Be 2
        $copies | Remove-Guest -Force
        @(Get-Hidden).Count | Should -Be 1
        (Get-ErrorOf { $second | Checkpoint-Guest "$TestDrive/d" -Differential }).Id | Should -Be TemplateParentNotFound
        $full = $second | Checkpoint-Guest "$TestDrive/full"
        Test-GuestTemplate $full -Verify | Should -BeTrue
        $second | Remove-Guest -Force
    }

    It 'keeps the template at a path' {
        $copy = $guest | Copy-Guest -TemplatePath "$TestDrive/kept" -KeepIdentity
        $copy.GetInfo().Uuid | Should -Be $guest.GetInfo().Uuid
        $copy | Remove-Guest -Force
        (Get-GuestTemplate "$TestDrive/kept").Guest | Should -Be web
        (Get-ErrorOf { $guest | Copy-Guest -TemplatePath "$TestDrive/kept" }).Id | Should -Be CheckpointPathInUse
        (Get-Guest).Name | Should -Be web
    }

    It 'takes the name of the copy by position, and says where the copy is from' {
        $copy = Copy-Guest web other
        $copy.Name | Should -Be other
        $copy.Detail | Should -Be 'copy of web'
        ($guest | Copy-Guest third).Name | Should -Be third
        ('web' | Copy-Guest -NewName fourth).Name | Should -Be fourth
        (Get-ErrorOf { Copy-Guest }).Id | Should -Be ArgumentMissing
        (Get-ErrorOf { $guest | Copy-Guest web fifth }).Id | Should -Be GuestGivenTwice
        $found = Get-ErrorOf { Copy-Guest web six -Count 2 }
        $found.Id | Should -Be GuestNamesConflict
        $found.Message | Should -BeLike "*-NewName 'six' for 2*" -Because 'it is what the parameter is called here'
    }

    It 'says what is wrong before it makes anything: <Id>' -ForEach @(
        @{ Id = 'GuestNotFound'; Command = { Copy-Guest nope } }
        @{ Id = 'GuestNameInUse'; Command = { Copy-Guest web -NewName web } }
        @{ Id = 'GuestNameInUse'; Command = { Copy-Guest web -NewName WEB -WhatIf } }
        @{ Id = 'GuestNameInvalid'; Command = { Copy-Guest web -NewName 'a b' } }
        @{ Id = 'GuestNamesConflict'; Command = { Copy-Guest web -Count 2 -NewName a } }
        @{ Id = 'GuestNamesConflict'; Command = { Copy-Guest web -Count 2 -NameFormat a } }
        @{ Id = 'NameFormatInvalid'; Command = { Copy-Guest web -NameFormat '{' } }
        @{ Id = 'PathNotFileSystem'; Command = { Copy-Guest web -TemplatePath Env:/t } }
        @{ Id = 'GuestStopped'; Command = { $null = Stop-Guest web -Force; Copy-Guest web -WhatIf } }
        @{ Id = 'GuestStopped'; Command = { $null = Stop-Guest web -Force; Copy-Guest web } }
    ) {
        (Get-ErrorOf $Command).Id | Should -Be $Id
        (Get-Guest).Name | Should -Be web
        Get-Hidden | Should -BeNullOrEmpty
    }

    It 'makes nothing under -WhatIf' {
        Copy-Guest web -Count 2 -WhatIf | Should -BeNullOrEmpty
        (Get-Guest).Name | Should -Be web
    }

    It 'removes copies that the pipeline has not taken' {
        $first = Copy-Guest web -Count 20 -NameFormat 'c-{0}' | Select-Object -First 1
        $first.Name | Should -Be c-1
        (Get-Guest).Name | Should -Be web, c-1
    }

    It 'makes names of each guest by a script block' {
        $null = Start-Guest -Name db -Memory 32MB
        (Get-Guest web, db | Copy-Guest -NameFormat { "$($_.Name)-{0}" }).Name | Should -Be web-1, db-1
    }

    It 'tells in a verbose line how long the guest stood still' {
        $lines = Copy-Guest web -Verbose 4>&1 | Out-String
        $lines | Should -Match 'Guest web checkpointed to .*; it stood still for [0-9.]+ ms'
    }
}
