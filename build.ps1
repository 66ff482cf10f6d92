#!/usr/bin/env pwsh
<#
.SYNOPSIS
Builds, packs, tests or cleans PsVm.

.DESCRIPTION
Build    publishes the module to output/PsVm/<version>, help included (the default). What is there is replaced last, when all went well.
Package  builds, and makes output/PsVm.<version>.nupkg of the module, which Install-PSResource takes from a folder.
Test     runs dotnet test, then the Pester suite in a fresh pwsh against the built module.
Clean    removes what the others made.

The version stands in Directory.Build.props; the release notes are of the section of that version in CHANGELOG.md, or of what is unreleased.
#>
[CmdletBinding()]
param(
    [Parameter(Position = 0)]
    [ValidateSet('Build', 'Package', 'Test', 'Clean')]
    [string[]] $Task = 'Build',

    [ValidateSet('Debug', 'Release')]
    [string] $Configuration = 'Release',

    # Where the module goes, in a folder of its version; the package goes beside it.
    [string] $OutputPath = [IO.Path]::Combine($PSScriptRoot, 'output', 'PsVm'),

    # Publishes what has already been compiled in this configuration, and nothing compiled ahead.
    [switch] $NoBuild
)

$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $true
$OutputPath = $PSCmdlet.GetUnresolvedProviderPathFromPSPath($OutputPath)
$pwsh = "$PSScriptRoot/tests/Pester/Invoke-Pwsh.ps1"
$properties = [xml][IO.File]::ReadAllText("$PSScriptRoot/Directory.Build.props")
$version = $properties.SelectSingleNode('//Version').InnerText
$repository = $properties.SelectSingleNode('//RepositoryUrl').InnerText.TrimEnd('/')

# What is new in this version, as the changelog says it: of each entry the first sentence. NuGet takes 35,000 characters, and each import reads them.
function Get-ReleaseNote {
    $changes = [IO.File]::ReadAllText("$PSScriptRoot/CHANGELOG.md")
    foreach ($heading in $version, 'Unreleased') {
        if ($changes -match "(?ms)^## \[$([regex]::Escape($heading))\][^\n]*\n(?<notes>.*?)(?=^## \[|\z)") {
            return [regex]::Replace(
                $Matches.notes.Trim(), '(?ms)^- (?<first>.*?\.)(?=\s|\z).*?(?=^- |^#|\z)', { param($entry) "- $($entry.Groups['first'].Value -replace '\s+', ' ')`n" })
        }
    }

    throw "CHANGELOG.md has neither a section [$version] nor one [Unreleased]."
}

# Writes what is known only when the module is built.
function Set-ManifestText([string] $manifest, [string] $placeholder, [string[]] $values) {
    $text = [IO.File]::ReadAllText($manifest)
    $literal = $values.ForEach{ "'$([Management.Automation.Language.CodeGeneration]::EscapeSingleQuotedStringContent($_))'" } -join ', '
    [IO.File]::WriteAllText($manifest, $text.Replace("'$placeholder'", ($values.Count -eq 1 ? $literal : "@($literal)")))
}

# What guests run on, compiled ahead for an architecture: a guest's first start in a process takes a quarter less CPU time.
function Add-Compiled([string] $module, [string] $runtime, [string] $scratch) {
    $flags = '-p:PublishReadyToRun=true', '--self-contained', 'false'
    dotnet publish "$PSScriptRoot/src/PsVm.Machine" --nologo --verbosity quiet -c $Configuration -r $runtime -o $scratch $flags
    $null = [IO.Directory]::CreateDirectory([IO.Path]::Combine($module, $runtime))
    foreach ($name in 'Machine', 'Riscv', 'Memory') {
        [IO.File]::Move([IO.Path]::Combine($scratch, "PsVm.$name.dll"), [IO.Path]::Combine($module, $runtime, "PsVm.$name.dll"))
    }
}

function Build {
    # Beside the target, so that the last step is a rename; of the names that the folders of a module must have.
    $scratch = "$OutputPath.$PID"
    $module = [IO.Path]::Combine($scratch, 'PsVm')
    $fresh = [IO.Path]::Combine($module, $version)
    try {
        $noBuildFlag = $NoBuild ? '--no-build' : @()
        dotnet publish "$PSScriptRoot/src/PsVm.Module" --nologo --verbosity quiet -c $Configuration -o $fresh $noBuildFlag
        if ($Configuration -eq 'Release' -and -not $NoBuild) {
            try {
                Add-Compiled $fresh linux-x64 ([IO.Path]::Combine($scratch, 'compiled'))
            }
            catch {
                Write-Warning "Nothing is compiled ahead, so the first guest of a process starts later: $_"
            }
        }

        $env:PSVM_BUILT_MODULE = [IO.Path]::Combine($fresh, 'PsVm.psd1')
        Set-ManifestText $env:PSVM_BUILT_MODULE '0.0.0' $version
        Set-ManifestText ([IO.Path]::Combine($fresh, 'PsVm.Views.psd1')) '0.0.0' $version
        Set-ManifestText $env:PSVM_BUILT_MODULE 'PsVm.Import.0.0.0.dll' "PsVm.Import.$version.dll"
        Set-ManifestText $env:PSVM_BUILT_MODULE 'ReleaseNotes' (Get-ReleaseNote)
        # In a process of its own: the module's assemblies must not stay loaded in the operator's session.
        & $pwsh -NoProfile -File "$PSScriptRoot/docs/Export-ModuleHelp.ps1" -ModulePath $fresh -PagesUri ($repository ? "$repository/blob/v$version/docs/en-US" : '')
        $names = & $pwsh -NoProfile -Command @'
            Import-Module ([WildcardPattern]::Escape($env:PSVM_BUILT_MODULE))
            (Get-Command -Module PsVm).Name | Sort-Object
'@
        Set-ManifestText $env:PSVM_BUILT_MODULE '*' $names
        if (Test-Path -LiteralPath $OutputPath) {
            [IO.Directory]::Move($OutputPath, [IO.Path]::Combine($scratch, 'old'))
        }

        [IO.Directory]::Move($module, $OutputPath)
    }
    finally {
        Remove-Item -LiteralPath $scratch -Recurse -Force -ErrorAction Ignore
    }

    "Built $([IO.Path]::Combine($OutputPath, $version))"
}

function Package {
    Build
    $folder = [IO.Path]::GetDirectoryName($OutputPath)
    $package = [IO.Path]::Combine($folder, "PsVm.$version.nupkg")
    [IO.File]::Delete($package)
    # Its manifest by name: it has another one for its views.
    Compress-PSResource -Path ([IO.Path]::Combine($OutputPath, $version, 'PsVm.psd1')) -DestinationPath $folder
    "Packed $package"
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
