BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Set-MemoryBackendPolicy' {
    AfterEach { Clear-PsVm }

    It 'sets and lifts DenyPrivateDiscard' {
        Set-MemoryBackendPolicy -DenyPrivateDiscard
        Get-MemoryBackendPolicy | Select-Object DenyPrivateDiscard, Source | Should -BeLike '*True*Cmdlet*'
        Set-MemoryBackendPolicy -DenyPrivateDiscard:$false
        (Get-MemoryBackendPolicy).DenyPrivateDiscard | Should -BeFalse
    }

    It 'sets what memory guests must leave, beside the other policy or alone' {
        $default = (Get-MemoryBackendPolicy).MemoryReserve
        $default | Should -BeGreaterThan 0
        (Get-MemoryBackendPolicy).MemoryReserveSource | Should -Be Default
        Set-MemoryBackendPolicy -MemoryReserve '16 MiB'
        Get-MemoryBackendPolicy | ForEach-Object { $_.MemoryReserve, $_.MemoryReserveSource, $_.DenyPrivateDiscard } | Should -Be 16MB, Cmdlet, $false
        Set-MemoryBackendPolicy -MemoryReserve 0 -DenyPrivateDiscard
        Get-MemoryBackendPolicy | ForEach-Object { $_.MemoryReserve, $_.DenyPrivateDiscard } | Should -Be 0, $true
        Set-MemoryBackendPolicy -MemoryReserve $null
        Get-MemoryBackendPolicy | ForEach-Object { $_.MemoryReserve, $_.MemoryReserveSource, $_.DenyPrivateDiscard } |
            Should -Be $default, Default, $true
        Set-MemoryBackendPolicy -MemoryReserve 32MB -WhatIf
        (Get-MemoryBackendPolicy).MemoryReserve | Should -Be $default
    }

    It 'refuses a reserve of <Value>' -ForEach @(
        @{ Value = -1; Id = 'MemoryReserveInvalid' }
        @{ Value = 1PB; Id = 'MemoryReserveInvalid' }
        @{ Value = 'much'; Id = 'ParameterArgumentTransformationError' }
    ) {
        (Get-ErrorOf { Set-MemoryBackendPolicy -MemoryReserve $Value }).Id | Should -Be $Id
        (Get-ErrorOf { Set-MemoryBackendPolicy -MemoryReserve $Value -WhatIf }).Id | Should -Be $Id
        (Get-MemoryBackendPolicy).MemoryReserveSource | Should -Be Default
    }

    It 'changes nothing under -WhatIf' {
        Set-MemoryBackendPolicy -DenyPrivateDiscard -WhatIf
        (Get-MemoryBackendPolicy).DenyPrivateDiscard | Should -BeFalse
    }

    It 'decides for backends made from then on, unless they say themselves' {
        [IO.File]::WriteAllBytes("$TestDrive/ram.img", [byte[]]::new(1MB))
        Set-MemoryBackendPolicy -DenyPrivateDiscard

        $private = @{ Path = "$TestDrive/ram.img"; Size = 1MB; MachineType = 'virt-1.0' }
        (New-MemoryBackend @private).Outcome.EffectiveMode | Should -Be ReadOnly
        (New-MemoryBackend @private -AllowPrivateDiscard).Outcome.EffectiveMode | Should -Be ReadWrite
    }

    It 'is not lifted by a deny of <Value> that a wrapper passes on' -ForEach @(
        @{ Value = $false }
        @{ Value = $null }
    ) {
        [IO.File]::WriteAllBytes("$TestDrive/ram.img", [byte[]]::new(32MB))
        Set-MemoryBackendPolicy -DenyPrivateDiscard

        $deny = @{ MachineType = 'virt-1.0'; DenyPrivateDiscard = $Value }
        (New-MemoryBackend "$TestDrive/ram.img" 1MB @deny).Outcome.EffectiveMode | Should -Be ReadOnly
        (Test-BackendOptions "$TestDrive/ram.img" 1MB @deny -Detailed).EffectiveMode | Should -Be ReadOnly
        (Start-Guest -MemPath "$TestDrive/ram.img" -Memory 32MB @deny).Backends.EffectiveMode | Should -Be ReadOnly
        ([PsVm.MemoryBackendOptions](@{ Path = "$TestDrive/ram.img"; Size = 1MB } + $deny) | New-MemoryBackend).Outcome.EffectiveMode |
            Should -Be ReadOnly
    }

    It 'is not lifted by an unset variable' {
        Set-MemoryBackendPolicy -DenyPrivateDiscard
        $allow = @{ AllowPrivateDiscard = $null }
        foreach ($call in { New-MemoryBackend -Size 1MB @allow }, { Test-BackendOptions -Size 1MB @allow }, { Start-Guest @allow },
            { Restore-Guest ./none @allow }) {
            $call | Should -Throw -ErrorId 'ParameterArgumentTransformationError,*'
        }

        { Set-MemoryBackendPolicy -DenyPrivateDiscard:$null } | Should -Throw -ErrorId 'ParameterArgumentTransformationError,*'
        $unset = @{ DenyPrivateDiscard = $null }
        { Set-MemoryBackendPolicy @unset } | Should -Throw -ErrorId 'ParameterArgumentTransformationError,*'
        (Get-MemoryBackendPolicy).DenyPrivateDiscard | Should -BeTrue
    }

    It 'stays when the module is imported again' {
        & "$PSScriptRoot/Invoke-Pwsh.ps1" -NoProfile -Command @"
            Import-Module ([WildcardPattern]::Escape('$((Get-Module PsVm).ModuleBase)/PsVm.psd1'))
            Set-MemoryBackendPolicy -DenyPrivateDiscard -MemoryReserve 16MB
            Import-Module ([WildcardPattern]::Escape('$((Get-Module PsVm).ModuleBase)/PsVm.psd1')) -Force
            Get-MemoryBackendPolicy | ForEach-Object { `$_.DenyPrivateDiscard, `$_.Source, `$_.MemoryReserve }
"@ | Should -Be True, Cmdlet, 16777216
    }
}
