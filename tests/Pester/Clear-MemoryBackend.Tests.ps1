BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Clear-MemoryBackend' {
    AfterEach { Clear-PsVm }

    It 'gives memory back and says how much' {
        $outcome = New-MemoryBackend -Size 1MB -Prealloc -Id a | Clear-MemoryBackend -Offset 256KB -Length 512KB

        $outcome | Should -BeOfType PsVm.DiscardOutcome
        $outcome.BackendId | Should -Be a
        $outcome.Offset | Should -Be 256KB
        $outcome.BytesAsked | Should -Be 512KB
        $outcome.BytesFreed | Should -Be 512KB
        $outcome.WhyNotFreed | Should -BeNullOrEmpty
    }

    It 'punches the file of a private mapping when asked by name, and warns' {
        $file = "$TestDrive/ram.img"
        [IO.File]::WriteAllBytes($file, [byte[]]::new(1MB))
        $ram = New-MemoryBackend $file 1MB -FileAccessMode ReadWrite

        $outcome = Clear-MemoryBackend $ram 0 64KB -DiscardPolicy PunchHole -WarningVariable warnings -WarningAction SilentlyContinue

        $outcome.Policy | Should -Be PunchHole
        "$warnings" | Should -BeLike '`[PunchHoleChangesFile`] *'
    }

    It 'does nothing under -WhatIf' {
        $ram = New-MemoryBackend -Size 1MB -Prealloc
        $ram | Clear-MemoryBackend -Offset 0 -Length 1MB -WhatIf | Should -BeNullOrEmpty
        ($ram | Measure-MemoryBackend).Resident | Should -Be 1MB
    }

    It 'says under -WhatIf what is wrong, and discards nothing: <Id>' -ForEach @(
        @{ Id = 'DiscardRangeMisaligned'; Offset = 1; Length = 4096; Policy = 'Auto' }
        @{ Id = 'DiscardRangeOutside'; Offset = 1MB; Length = 4096; Policy = 'Auto' }
        @{ Id = 'RestoreTemplateNeedsFile'; Offset = 0; Length = 4096; Policy = 'RestoreTemplate' }
        @{ Id = 'DiscardDenied'; Offset = 0; Length = 4096; Policy = 'Deny' }
    ) {
        $ram = New-MemoryBackend -Size 1MB -Prealloc
        (Get-ErrorOf { $ram | Clear-MemoryBackend $Offset $Length -DiscardPolicy $Policy -WhatIf }).Id | Should -Be $Id
        ($ram | Measure-MemoryBackend).Resident | Should -Be 1MB
    }

    It 'takes offset and length by position and by name, whether a backend is piped in or not: <Command>' -ForEach @(
        @{ Command = { Clear-MemoryBackend a 64KB 128KB } }
        @{ Command = { Clear-MemoryBackend a '64 KiB' '128KB' } }
        @{ Command = { Clear-MemoryBackend a -Offset 64KB 128KB } }
        @{ Command = { Clear-MemoryBackend a 64KB -Length 128KB } }
        @{ Command = { Clear-MemoryBackend -Id a -Offset 64KB -Length 128KB } }
        @{ Command = { $ram | Clear-MemoryBackend 64KB 128KB } }
        @{ Command = { $ram | Clear-MemoryBackend '64 KiB' '128 KiB' } }
        @{ Command = { $ram | Clear-MemoryBackend -Offset 64KB 128KB } }
        @{ Command = { $ram | Clear-MemoryBackend -Length 128KB 64KB } }
        @{ Command = { 'a' | Clear-MemoryBackend -Range 64KB, 128KB } }
    ) {
        $ram = New-MemoryBackend -Size 1MB -Id a
        $outcome = & $Command
        $outcome.Offset | Should -Be 64KB
        $outcome.BytesAsked | Should -Be 128KB
    }

    It 'discards nothing and says <Id> for <Command>' -ForEach @(
        @{ Id = 'ArgumentMissing'; Command = { $ram | Clear-MemoryBackend 0 } }
        @{ Id = 'ArgumentMissing'; Command = { Clear-MemoryBackend a 0 } }
        @{ Id = 'ArgumentMissing'; Command = { Clear-MemoryBackend -Offset 0 -Length 64KB } }
        @{ Id = 'ArgumentMissing'; Command = { $ram | Clear-MemoryBackend 0 64KB 64KB } }
        @{ Id = 'ArgumentMissing'; Command = { Clear-MemoryBackend a 64KB -Offset 0 -Length 64KB } }
        @{ Id = 'BackendGivenTwice'; Command = { $ram | Clear-MemoryBackend a 0 64KB } }
    ) {
        $ram = New-MemoryBackend -Size 1MB -Prealloc -Id a
        (Get-ErrorOf $Command).Id | Should -Be $Id
        ($ram | Measure-MemoryBackend).Resident | Should -Be 1MB
    }

    It 'says <Id> for offset <Offset> and length <Length>' -ForEach @(
        @{ Id = 'DiscardRangeMisaligned'; Offset = 0; Length = 4097 }
        @{ Id = 'DiscardRangeMisaligned'; Offset = 1; Length = 4096 }
        @{ Id = 'DiscardRangeOutside'; Offset = 1MB; Length = 4096 }
        @{ Id = 'DiscardRangeOutside'; Offset = 0; Length = 2MB }
    ) {
        $ram = New-MemoryBackend -Size 1MB
        (Get-ErrorOf { $ram | Clear-MemoryBackend -Offset $Offset -Length $Length }).Id | Should -Be $Id
    }

    It 'is refused where discards are denied' {
        $ram = New-MemoryBackend -Size 1MB -DiscardPolicy Deny
        $found = Get-ErrorOf { $ram | Clear-MemoryBackend -Offset 0 -Length 1MB }
        $found.Id | Should -Be DiscardDenied
        $found.Category | Should -Be PermissionDenied
    }
}
