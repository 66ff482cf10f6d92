<#
.SYNOPSIS
Runs the Pester suite against a built module; in a fresh pwsh, so that what is tested is what ships.

.DESCRIPTION
Prints each failed test with its message and each skipped one with its reason, and ends with exit code 1 when one failed, or when no
test ran.
#>
[CmdletBinding()]
param(
    # The built module.
    [string] $ModulePath = [IO.Path]::Combine($PSScriptRoot, '..', '..', 'output', 'PsVm'),

    # Test files or folders.
    [string[]] $Path = $PSScriptRoot,

    # The folder of Pester; the pinned package of PsVm.Module.Tests when not given.
    [string] $PesterPath
)

$ErrorActionPreference = 'Stop'
if (-not $PesterPath) {
    $tests = [IO.Path]::Combine($PSScriptRoot, '..', 'PsVm.Module.Tests')
    $PesterPath = [IO.Path]::Combine("$(dotnet msbuild $tests -restore -getProperty:PkgPester)", 'tools')
}

# By path, though without a ./ before it; and brackets in it are no pattern.
function Import-Folder([string] $path, [string] $manifest) {
    $folder = $PSCmdlet.GetUnresolvedProviderPathFromPSPath($path)
    Import-Module ([WildcardPattern]::Escape([IO.Path]::Combine($folder, $manifest))) -Global
}

Import-Folder $PesterPath Pester.psd1
Import-Folder $ModulePath PsVm.psd1

$configuration = New-PesterConfiguration
$configuration.Run.Path = $Path
$configuration.Run.PassThru = $true
$configuration.Output.Verbosity = 'None'
$result = Invoke-Pester -Configuration $configuration

foreach ($failed in @($result.Failed) + @($result.FailedBlocks) + @($result.FailedContainers)) {
    "FAILED $($failed.ExpandedPath ?? $failed)"
    $failed.ErrorRecord | ForEach-Object { "       $($_.DisplayErrorMessage)", "       $($_.DisplayStackTrace)" }
}

foreach ($skipped in $result.Skipped) {
    "SKIPPED $($skipped.ExpandedPath): $($skipped.ErrorRecord.Exception.Message ?? 'no reason given')"
}

'{0} passed, {1} failed, {2} skipped in {3:0} s' -f $result.PassedCount, $result.FailedCount, $result.SkippedCount,
    $result.Duration.TotalSeconds
exit ($result.Result -eq 'Passed' -and $result.PassedCount -gt 0 ? 0 : 1)
