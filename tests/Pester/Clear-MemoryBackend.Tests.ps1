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
