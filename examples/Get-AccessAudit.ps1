#!/usr/bin/env pwsh

<#
.SYNOPSIS
Says of each RAM file of a folder how it would be opened in each access mode, why, and who uses it now.

.DESCRIPTION
Asks Test-BackendOptions, which opens nothing for writing and changes nothing, for every combination of Share, ReadOnly and
FileAccessMode: an object for each, with the mode in which PsVm would open the file (Opened; empty when it would refuse), the reason, the
errors' ids, and the processes and backends that have the file mapped (UsedBy; of other users' processes only root sees that).

.EXAMPLE
examples/Get-AccessAudit.ps1 ./images | Export-Csv ./audit.csv

.EXAMPLE
examples/Get-AccessAudit.ps1 ./images | Where-Object Opened -EQ ReadWrite | Format-Table File, Share, FileAccessMode, UsedBy

Whose files could be written to.
#>
[CmdletBinding()]
param(
    # The folder.
    [Parameter(Mandatory, Position = 0)]
    [string] $Folder,

    # Which files of it.
    [string] $Filter = '*',

    # Files of folders in it, too.
    [switch] $Recurse
)

$ErrorActionPreference = 'Stop'
if (-not (Get-Module PsVm)) {
    Import-Module ([IO.Path]::Combine($PSScriptRoot, '..', 'output', 'PsVm'))
}

# What each process has mapped, by path; a process may end meanwhile, or not be ours to look at.
$processes = @{}
foreach ($process in Get-Process) {
    try {
        $mapped = [IO.File]::ReadLines("/proc/$($process.Id)/maps") | ForEach-Object { ($_ -split ' +', 6)[5] } | Sort-Object -Unique
        $mapped -like '/*' | ForEach-Object { $processes[$_] += @("$($process.Name) ($($process.Id))") }
    }
    catch [IO.IOException], [UnauthorizedAccessException] {
        Write-Verbose "Process $($process.Id): $($_.Exception.Message)"
    }
}

foreach ($file in Get-ChildItem -LiteralPath $Folder -File -Filter $Filter -Recurse:$Recurse) {
    $backends = Get-MemoryBackend | Where-Object Path -EQ $file.FullName | ForEach-Object QualifiedId
    $users = @($processes[$file.FullName]) + @($backends) | Where-Object { $_ }

    # Whole pages of what is there.
    $size = [Math]::Max($file.Length - $file.Length % [Environment]::SystemPageSize, [Environment]::SystemPageSize)
    foreach ($share in $false, $true) {
        foreach ($readOnly in $false, $true) {
            foreach ($mode in 'Auto', 'ReadOnly', 'ReadWrite') {
                $asked = @{ Path = $file.FullName; Size = $size; Share = $share; ReadOnly = $readOnly; FileAccessMode = $mode }
                $report = Test-BackendOptions @asked -Detailed
                [pscustomobject]@{
                    File           = $file.FullName
                    Size           = $file.Length
                    Share          = $share
                    ReadOnly       = $readOnly
                    FileAccessMode = $mode
                    Opened         = $report.IsValid ? "$($report.EffectiveMode)" : ''
                    Reason         = $report.Reason
                    Errors         = $report.Errors.Id -join ', '
                    UsedBy         = $users -join ', '
                }
            }
        }
    }
}
