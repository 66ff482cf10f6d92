BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Get-MemoryBackendPolicy' {
    It 'names the environment when it decides' {
        $module = (Get-Module PsVm).ModuleBase
        $env:PSVM_DENY_PRIVATE_DISCARD = '1'
        try {
            $policy = & "$PSScriptRoot/Invoke-Pwsh.ps1" -NoProfile -Command "Import-Module '$module'; Get-MemoryBackendPolicy | ConvertTo-Json"
            $policy | ConvertFrom-Json | Select-Object DenyPrivateDiscard, Source | Should -BeLike '*True*Environment*'
        }
        finally {
            $env:PSVM_DENY_PRIVATE_DISCARD = $null
        }
    }

    It 'gives a typed object' {
        Get-MemoryBackendPolicy | Should -BeOfType PsVm.MemoryBackendPolicy
    }
}
