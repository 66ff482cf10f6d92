@{
    RootModule           = 'PsVm.psm1'
    ModuleVersion        = '0.1.0'
    GUID                 = 'b7a2f0c4-5d0e-4c53-9c1e-0b6d2f6a7e31'
    Author               = 'The PsVm authors'
    CompanyName          = 'The PsVm authors'
    Copyright            = '(c) The PsVm authors. MIT License.'
    Description          = 'Guest RAM in files, and RISC-V guests on it. Who may write the memory, and who the file, is decided and explained.'
    PowerShellVersion    = '7.6'
    CompatiblePSEditions = @('Core')
    TypesToProcess       = @('PsVm.Types.ps1xml')
    FormatsToProcess     = @('PsVm.Format.ps1xml')
    CmdletsToExport      = @(
        'Checkpoint-Guest'
        'Clear-MemoryBackend'
        'Get-Guest'
        'Get-GuestTemplate'
        'Get-MemoryBackend'
        'Get-MemoryBackendPolicy'
        'Measure-Guest'
        'Measure-MemoryBackend'
        'New-MemoryBackend'
        'Receive-GuestConsole'
        'Remove-Guest'
        'Remove-GuestTemplate'
        'Remove-MemoryBackend'
        'Restore-Guest'
        'Resume-Guest'
        'Send-GuestConsole'
        'Set-MemoryBackendPolicy'
        'Start-Guest'
        'Stop-Guest'
        'Suspend-Guest'
        'Test-BackendOptions'
        'Test-GuestTemplate'
        'Wait-Guest'
    )
    FunctionsToExport    = @()
    AliasesToExport      = @()
    VariablesToExport    = @()
    PrivateData          = @{
        PSData = @{
            Tags = @('Linux', 'RISC-V', 'emulator', 'virtualization', 'memory', 'template')
        }
    }
}
