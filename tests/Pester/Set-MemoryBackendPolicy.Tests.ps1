BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Set-MemoryBackendPolicy' {
    AfterEach { Clear-PsVm }

    It 'sets and lifts DenyPrivateDiscard' {
        Set-MemoryBackendPolicy -DenyPrivateDiscard
        Get-MemoryBackendPolicy | Select-Object DenyPrivateDiscard, Source | Should -BeLike '*True*Cmdlet*'
        Set-MemoryBackendPolicy -DenyPrivateDiscard:$false
        (Get-MemoryBackendPolicy).DenyPrivateDiscard | Should -BeFalse
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
        (New-MemoryBackend @private -DenyPrivateDiscard:$false).Outcome.EffectiveMode | Should -Be ReadWrite
    }
}
