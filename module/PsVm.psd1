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
    # All that the assembly has. build.ps1 writes their names here, by which PowerShell finds them without loading the module.
    CmdletsToExport      = '*'
    FunctionsToExport    = @()
    AliasesToExport      = @()
    VariablesToExport    = @()
    PrivateData          = @{
        PSData = @{
            Tags = @('Linux', 'RISC-V', 'emulator', 'virtualization', 'memory', 'template')
        }
    }
}
