#!/usr/bin/env pwsh
<#
.SYNOPSIS
Builds, tests or cleans PsVm.

.DESCRIPTION
Build  publishes the module to output/PsVm, help included (the default). The module that is there is replaced last, when all went well.
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
$OutputPath = $PSCmdlet.GetUnresolvedProviderPathFromPSPath($OutputPath)
$pwsh = "$PSScriptRoot/tests/Pester/Invoke-Pwsh.ps1"

function Build {
    # Beside the target, so that the last step is a rename; of the module's name, which the folder of a module must have.
    $scratch = "$OutputPath.$PID"
    $fresh = [IO.Path]::Combine($scratch, 'PsVm')
    try {
        $noBuildFlag = $NoBuild ? '--no-build' : @()
        dotnet publish "$PSScriptRoot/src/PsVm.Module" --nologo --verbosity quiet -c $Configuration -o $fresh $noBuildFlag
        # In a process of its own: the module's assemblies must not stay loaded in the operator's session.
        & $pwsh -NoProfile -File "$PSScriptRoot/docs/Export-ModuleHelp.ps1" -ModulePath $fresh
        $env:PSVM_BUILT_MODULE = [IO.Path]::Combine($fresh, 'PsVm.psd1')
        $names = & $pwsh -NoProfile -Command @'
            Import-Module ([WildcardPattern]::Escape($env:PSVM_BUILT_MODULE))
            (Get-Command -Module PsVm).Name | Sort-Object
'@
        $manifest = [IO.File]::ReadAllText($env:PSVM_BUILT_MODULE)
        [IO.File]::WriteAllText($env:PSVM_BUILT_MODULE, $manifest.Replace("'*'", "@('$($names -join "', '")')"))
        if (Test-Path -LiteralPath $OutputPath) {
            [IO.Directory]::Move($OutputPath, [IO.Path]::Combine($scratch, 'old'))
        }

        [IO.Directory]::Move($fresh, $OutputPath)
    }
    finally {
        Remove-Item -LiteralPath $scratch -Recurse -Force -ErrorAction Ignore
    }

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
