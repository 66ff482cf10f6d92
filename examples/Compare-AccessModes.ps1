#!/usr/bin/env pwsh
<#
.SYNOPSIS
Compares the ways in which clones can open a template's RAM file, side by side.

.DESCRIPTION
Makes a template of the embedded guest, then starts a clone for each access mode and discard policy. Each clone writes RAM, and some of its RAM
is discarded. The table shows how the file was opened and why, what the clone had for itself before and after the discard, and how many of
its 512 pages the guest then finds good or zero. In the end the template is what it was: its digest says so.

.EXAMPLE
examples/Compare-AccessModes.ps1
#>
[CmdletBinding()]
param()

$ErrorActionPreference = 'Stop'
Import-Module ([IO.Path]::Combine($PSScriptRoot, '..', 'output', 'PsVm'))

$folder = (New-Item -ItemType Directory ([IO.Path]::Combine([IO.Path]::GetTempPath(), "psvm-$([Guid]::NewGuid())"))).FullName
try {
    $guest = Start-Guest -Name source -Memory 64MB | Wait-Guest -ForText 'GUEST-UP' -Timeout 60
    $template = $guest | Checkpoint-Guest -Path "$folder/template" -Digest
    $guest | Remove-Guest -Force

    $ways = @(
        @{ FileAccessMode = 'Auto' }
        @{ FileAccessMode = 'ReadOnly' }
        @{ FileAccessMode = 'ReadWrite' }
        @{ FileAccessMode = 'Auto'; DiscardPolicy = 'RestoreTemplate' }
        @{ FileAccessMode = 'Auto'; DenyPrivateDiscard = $true }
        @{ FileAccessMode = 'Auto'; DiscardPolicy = 'PunchHole' }
    )
    $rows = foreach ($way in $ways) {
        $row = [ordered]@{ Asked = ($way.Keys | Sort-Object | ForEach-Object { "$_=$($way[$_])" }) -join ', ' }
        try {
            $clone = Start-Guest -Template $template -Name clone @way
            Send-GuestConsole $clone 'touch 512'
            $null = $clone | Wait-Guest -ForText 'generation=2' -Timeout 60
            $outcome = $clone.Backends[0]
            $row.Opened = $outcome.EffectiveMode
            $row.Own = [PsVm.ByteSize]::ToText(($clone | Measure-Guest).OwnBytes)

            # The page pool begins 3 MiB into the RAM: these are its first 64 pages.
            $row.Discard = try {
                (Get-MemoryBackend | Clear-MemoryBackend -Offset 3MB -Length 256KB).Policy
            }
            catch {
                ($_.FullyQualifiedErrorId -split ',')[0]
            }

            $row.OwnThen = [PsVm.ByteSize]::ToText(($clone | Measure-Guest).OwnBytes)
            Send-GuestConsole $clone 'check'
            $null = $clone | Wait-Guest -ForText 'checksum=' -Timeout 60
            $clone | Receive-GuestConsole -All | Where-Object { $_ -match '^check: .*good=(\d+) zero=(\d+)' } |
                ForEach-Object { $row.Good, $row.Zero = $Matches[1, 2] }
            $row.Reason = $outcome.Reason
            $clone | Remove-Guest -Force
        }
        catch {
            $row.Reason = ($_.FullyQualifiedErrorId -split ',')[0]
        }

        [pscustomobject] $row
    }

    $rows | Format-Table -Property Asked, Opened, Own, Discard, OwnThen, Good, Zero, Reason -Wrap
    "The template is what it was: $(Test-GuestTemplate $template -Verify)"
}
finally {
    Get-Guest source, clone -ErrorAction Ignore | Remove-Guest -Force
    Remove-Item -LiteralPath $folder -Recurse -Force
}
