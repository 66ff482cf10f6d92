BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Get-MemoryBackendPolicy' {
    It 'says <Expected> when the environment says <Variable>' -ForEach @(
        @{ Variable = '1'; Expected = 'True Environment' }
        @{ Variable = ' Yes'; Expected = 'True Environment' }
        @{ Variable = 'off'; Expected = 'False Default' }
        @{ Variable = 'enabled'; Expected = 'PolicyVariableInvalid' }
    ) {
        $module = (Get-Module PsVm).ModuleBase
        $env:PSVM_DENY_PRIVATE_DISCARD = $Variable
        try {
            & "$PSScriptRoot/Invoke-Pwsh.ps1" -NoProfile -Command @"
                Import-Module '$module/PsVm.psd1'
                try { Get-MemoryBackendPolicy -ErrorAction Stop | ForEach-Object { "`$(`$_.DenyPrivateDiscard) `$(`$_.Source)" } }
                catch { (`$_.FullyQualifiedErrorId -split ',')[0] }
"@ | Should -Be $Expected
        }
        finally {
            $env:PSVM_DENY_PRIVATE_DISCARD = $null
        }
    }

    It 'gives a typed object' {
        Get-MemoryBackendPolicy | Should -BeOfType PsVm.MemoryBackendPolicy
    }
}
