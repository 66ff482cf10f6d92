# The module's assemblies live in a load context of their own, so that their dependencies never meet another module's.
# PsVm.Abstractions goes to the default context: the types that operators name are there.
$isLoaded = $null -ne ('PsVm.Loading.LoadContext' -as [type])
if (-not $isLoaded) {
    Add-Type -Path ([System.IO.Path]::Combine($PSScriptRoot, 'bin', 'PsVm.Abstractions.dll'))
}

$assembly = [PsVm.Loading.LoadContext]::LoadModule()
$module = Import-Module -Assembly $assembly -PassThru
if ($isLoaded) {
    # pwsh may have found the assembly in its cache, and then exports none of its cmdlets (PowerShell issue 20710).
    Remove-Module $module
    Import-Module -Assembly $assembly
}
