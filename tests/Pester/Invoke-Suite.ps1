<#
.SYNOPSIS
Runs the Pester suite against a built module; in a fresh pwsh, so that what is tested is what ships.

.DESCRIPTION
Prints each failed test with its message, and ends with exit code 1 when there is one, or when no test ran.
#>
[CmdletBinding()]
param(
    # The built module.
    [string] $ModulePath = [IO.Path]::Combine($PSScriptRoot, '..', '..', 'output', 'PsVm'),

    # Test files or folders.
    [string[]] $Path = $PSScriptRoot
)

$ErrorActionPreference = 'Stop'
Import-Module Pester -MinimumVersion 5.0
Import-Module $ModulePath

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
    "SKIPPED $($skipped.ExpandedPath)"
}

'{0} passed, {1} failed, {2} skipped in {3:0} s' -f $result.PassedCount, $result.FailedCount, $result.SkippedCount,
    $result.Duration.TotalSeconds
exit ($result.Result -eq 'Passed' -and $result.PassedCount -gt 0 ? 0 : 1)
