# Apart from PsVm.psd1, and imported into it by the first of its cmdlets that a session runs (SessionViews): reading these is what takes longest.
@{
    ModuleVersion    = '0.0.0'
    TypesToProcess   = @('PsVm.Types.ps1xml')
    FormatsToProcess = @('PsVm.Format.ps1xml')
}
