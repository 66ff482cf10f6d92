# The module's assemblies live in a load context of their own, so that their dependencies never meet another module's.
# PsVm.Abstractions goes to the default context: the types that operators name are there.
# Runspaces may import at the same time: each call gives what the process has already, however often it is made.
$context = 'PsVm.Loading.LoadContext' -as [type]
$isLoaded = $null -ne $context
if (-not $isLoaded) {
    $path = [System.IO.Path]::Combine($PSScriptRoot, 'bin', 'PsVm.Abstractions.dll')
    $context = [System.Runtime.Loader.AssemblyLoadContext]::Default.LoadFromAssemblyPath($path).GetType('PsVm.Loading.LoadContext')
}

$assembly = $context::LoadModule()
$module = Import-Module -Assembly $assembly -PassThru
if ($isLoaded) {
    # pwsh may have found the assembly in its cache, and then exports none of its cmdlets (PowerShell issue 20710).
    Remove-Module $module
    Import-Module -Assembly $assembly
}
