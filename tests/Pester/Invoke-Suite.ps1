<#
.SYNOPSIS
Runs the Pester suite against a built module; in a fresh pwsh, so that what is tested is what ships.

.DESCRIPTION
Prints each failed test with its message and each skipped one with its reason, and ends with exit code 1 when one failed, or when no
test ran.
#>
[CmdletBinding()]
param(
    # The built module: the folder with its manifest, or with folders of its versions, of which the highest is taken.
    [string] $ModulePath = [IO.Path]::Combine($PSScriptRoot, '..', '..', 'output', 'PsVm'),

    # Test files or folders; also what stands behind all parameters, since -File gives a script no lists.
    [Parameter(ValueFromRemainingArguments)]
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
    $versions = Get-ChildItem -LiteralPath $folder -Directory | Where-Object Name -Match '^\d+(\.\d+){1,3}$' | Sort-Object { [version] $_.Name }
    $base = [IO.File]::Exists([IO.Path]::Combine($folder, $manifest)) -or -not $versions ? $folder : $versions[-1].FullName
    Import-Module ([WildcardPattern]::Escape([IO.Path]::Combine($base, $manifest))) -Global
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
