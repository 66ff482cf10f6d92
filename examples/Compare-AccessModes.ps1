#!/usr/bin/env pwsh

<#
.SYNOPSIS
Compares the ways in which clones can open a template's RAM file, side by side.

.DESCRIPTION
Makes a template of the embedded guest, then starts a clone for each access mode and discard policy. Each clone writes RAM, and some of
its RAM is discarded. The tables show how the file was opened, what the clone had for itself before and after the discard, how many of its
512 pages the guest then finds good or zero, and why. In the end the template is what it was: its digest says so. Other guests are left
alone.

.EXAMPLE
examples/Compare-AccessModes.ps1
#>
[CmdletBinding()]
param()

$ErrorActionPreference = 'Stop'
if (-not (Get-Module PsVm)) {
    Import-Module ([IO.Path]::Combine($PSScriptRoot, '..', 'output', 'PsVm'))
}

$folder = (New-Item -ItemType Directory ([IO.Path]::Combine([IO.Path]::GetTempPath(), "psvm-$([Guid]::NewGuid())"))).FullName
# What this run starts has its label, so that it finds its own again, whatever happens.
$own = @{ run = "$([Guid]::NewGuid())" }
try {
    $guest = Start-Guest -Memory 64MB -Label $own | Wait-Guest -ForText 'GUEST-UP' -Timeout 60
    $template = $guest | Checkpoint-Guest -Path "$folder/template" -Digest
    $guest | Remove-Guest -Force

    $ways = [ordered]@{
        Auto               = @{ FileAccessMode = 'Auto' }
        ReadOnly           = @{ FileAccessMode = 'ReadOnly' }
        ReadWrite          = @{ FileAccessMode = 'ReadWrite' }
        RestoreTemplate    = @{ DiscardPolicy = 'RestoreTemplate' }
        DenyPrivateDiscard = @{ DenyPrivateDiscard = $true }
        PunchHole          = @{ DiscardPolicy = 'PunchHole' }
    }
    $rows = foreach ($way in $ways.Keys) {
        $row = [ordered]@{ Asked = $way }
        $more = $ways[$way]
        try {
            $clone = Start-Guest -Template $template -Label $own @more
            $null = $clone | Send-GuestConsole 'touch 512' -Pattern 'generation=2' -Timeout 60
            $outcome = $clone.Backends[0]
            $row.Opened = $outcome.EffectiveMode
            $row.Own = [PsVm.ByteSize]::ToText(($clone | Measure-Guest).OwnBytes)

            # The page pool begins 3 MiB into the RAM: these are its first 64 pages.
            $row.Discard = try {
                (Get-MemoryBackend "$($clone.Name)/*" | Clear-MemoryBackend 3MB 256KB).Policy
            }
            catch {
                ($_.FullyQualifiedErrorId -split ',')[0]
            }

            $row.OwnThen = [PsVm.ByteSize]::ToText(($clone | Measure-Guest).OwnBytes)
            $answer = $clone | Send-GuestConsole 'check' -Pattern 'check: .*checksum=\w+' -Timeout 60
            $row.Good, $row.Zero = ("$answer" | Select-String 'good=(\d+) zero=(\d+)').Matches.Groups[1, 2].Value
            $row.Reason = $outcome.Reason
            $clone | Remove-Guest -Force
        }
        catch {
            $row.Reason = "refused: $(($_.FullyQualifiedErrorId -split ',')[0])"
        }

        [pscustomobject] $row
    }

    $rows | Format-Table -Property Asked, Opened, Own, Discard, OwnThen, Good, Zero
    $rows | Format-Table -Property Asked, Reason -Wrap
    "The template is what it was: $(Test-GuestTemplate $template -Verify)"
}
finally {
    Get-Guest -Label $own | Remove-Guest -Force
    Remove-Item -LiteralPath $folder -Recurse -Force
}
