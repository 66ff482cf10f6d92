@{
    # In this order: what says where assemblies are loaded, and the cmdlets. How their output looks is in PsVm.Views.psd1.
    NestedModules        = @('PsVm.Import.0.0.0.dll', 'PsVm.Module.dll')
    # Written by build.ps1, as are the names of the cmdlets and the release notes: the version stands in Directory.Build.props.
    ModuleVersion        = '0.0.0'
    GUID                 = 'b7a2f0c4-5d0e-4c53-9c1e-0b6d2f6a7e31'
    Author               = 'The PsVm authors'
    CompanyName          = 'The PsVm authors'
    Copyright            = '(c) The PsVm authors. MIT License.'
    Description          = 'Guest RAM in files, and RISC-V guests on it. Who may write the memory, and who the file, is decided and explained.'
    PowerShellVersion    = '7.6'
    CompatiblePSEditions = @('Core')
    # All that the assembly has; with their names PowerShell finds them without loading the module.
    CmdletsToExport      = '*'
    FunctionsToExport    = @()
    AliasesToExport      = @()
    VariablesToExport    = @()
    PrivateData          = @{
        PSData = @{
            Tags         = @('Linux', 'RISC-V', 'emulator', 'virtualization', 'memory', 'template')
            ReleaseNotes = 'ReleaseNotes'
        }
    }
}
