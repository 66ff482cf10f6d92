#!/usr/bin/env pwsh

<#
.SYNOPSIS
Builds a Debian template and starts a fleet of clones from it.

.DESCRIPTION
Boots Debian's kernel once, checkpoints the guest when it is up and idle, starts clones of the template, and shows what each took and what
all of them cost together. The template stays for the next time; the fleet ends with the script. Other guests are left alone. Debian's
packages come through tests/guests/get-linux.sh, which needs apt, dpkg-deb and cpio.

.EXAMPLE
examples/Start-Fleet.ps1 -Count 200
#>
[CmdletBinding()]
param(
    # Number of clones.
    [int] $Count = 100,

    # Names of the clones: a .NET format with their number.
    [string] $NameFormat = 'fleet-{0:d3}',

    # Where kernel and template go.
    [string] $Folder = [IO.Path]::Combine($PSScriptRoot, '..', 'output', 'fleet'),

    # Seconds that the fleet runs before it is measured.
    [int] $Seconds = 5
)

$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $true
if (-not (Get-Module PsVm)) {
    Import-Module ([IO.Path]::Combine($PSScriptRoot, '..', 'output', 'PsVm'))
}

$linux = Join-Path $Folder 'linux'
$template = Join-Path $Folder 'web'
& ([IO.Path]::Combine($PSScriptRoot, '..', 'tests', 'guests', 'get-linux.sh')) $linux

# What this run starts has its label, so that it finds its own again, whatever happens.
$own = @{ run = "$([Guid]::NewGuid())" }
try {
    if (-not (Test-GuestTemplate $template)) {
        $boot = @{
            Memory      = 256MB
            Kernel      = Join-Path $linux 'Image'
            Initrd      = Join-Path $linux 'initramfs.cpio'
            CommandLine = 'console=ttyS0 panic=-1 quiet tick'
        }
        # A guest that ticks has nothing left of its boot for each clone to do again.
        $guest = Start-Guest @boot -Label $own | Wait-Guest -ForText 'TICK 2' -Timeout 120
        $made = $guest | Checkpoint-Guest -Path $template -Digest -Force
        "Template: $($made.Path)"
        $guest | Remove-Guest -Force
    }

    $clock = [Diagnostics.Stopwatch]::StartNew()
    $fleet = @(Start-Guest -Template $template -Count $Count -NameFormat $NameFormat -Label $own)
    $elapsed = $clock.Elapsed
    Start-Sleep -Seconds $Seconds
    $measured = $fleet | Measure-Guest
    $measured | Select-Object -First 5 | Format-Table

    $ram = $measured | Measure-Object OwnBytes -Sum -Average
    $latency = $fleet.StartLatency.TotalMilliseconds | Sort-Object
    '{0} clones of {1} started in {2:0} ms, the median in {3:0.00} ms.' -f
    $fleet.Count, [PsVm.ByteSize]::ToText($fleet[0].Memory), $elapsed.TotalMilliseconds, $latency[$fleet.Count / 2]
    'Of their RAM they have {0} for themselves, {1} each.' -f [PsVm.ByteSize]::ToText($ram.Sum), [PsVm.ByteSize]::ToText($ram.Average)
    'This process has {0} threads.' -f (Get-Process -Id $PID).Threads.Count
}
finally {
    Get-Guest -Label $own | Remove-Guest -Force
}
