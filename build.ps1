#!/usr/bin/env pwsh
<#
.SYNOPSIS
Builds, tests or cleans PsVm.

.DESCRIPTION
Build  publishes the module to output/PsVm, help included (the default).
Test   runs dotnet test, then the Pester suite in a fresh pwsh against the built module.
Clean  removes what the others made.
#>
[CmdletBinding()]
param(
    [Parameter(Position = 0)]
    [ValidateSet('Build', 'Test', 'Clean')]
    [string[]] $Task = 'Build',

    [ValidateSet('Debug', 'Release')]
    [string] $Configuration = 'Release',

    # Where the module goes.
    [string] $OutputPath = [IO.Path]::Combine($PSScriptRoot, 'output', 'PsVm'),

    # Publishes what has already been compiled in this configuration.
    [switch] $NoBuild
)

$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $true
$pwsh = [Environment]::ProcessPath

function Build {
    if (Test-Path -LiteralPath $OutputPath) {
        Remove-Item -LiteralPath $OutputPath -Recurse -Force
    }

    $noBuildFlag = $NoBuild ? '--no-build' : @()
    dotnet publish "$PSScriptRoot/src/PsVm.Module" --nologo --verbosity quiet -c $Configuration -o $OutputPath $noBuildFlag
    # In a process of its own: the module's assemblies must not stay loaded in the operator's session.
    & $pwsh -NoProfile -File "$PSScriptRoot/docs/Export-ModuleHelp.ps1" -ModulePath $OutputPath
    "Built $OutputPath"
}

function Test {
    Build
    dotnet test "$PSScriptRoot/PsVm.sln" --nologo --filter 'FullyQualifiedName!~PesterSuite'
    & $pwsh -NoProfile -File "$PSScriptRoot/tests/Pester/Invoke-Suite.ps1" -ModulePath $OutputPath
}

function Clean {
    dotnet clean "$PSScriptRoot/PsVm.sln" --nologo --verbosity quiet -c $Configuration
    Remove-Item -LiteralPath "$PSScriptRoot/output", "$PSScriptRoot/TestResults" -Recurse -Force -ErrorAction Ignore
}

foreach ($name in $Task) {
    & (Get-Item -LiteralPath "function:$name")
}
