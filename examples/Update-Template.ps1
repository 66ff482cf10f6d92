#!/usr/bin/env pwsh

<#
.SYNOPSIS
Makes tonight's template and lets the name that guests start from mean it.

.DESCRIPTION
Boots a guest, checkpoints it to FOLDER/NAME-DATE, verifies the template, and starts a clone of it once. Only then the symbolic link
FOLDER/NAME is switched to it, by one rename(2): whoever starts guests from FOLDER/NAME gets the old template or the new one, never none.
Of the older ones the newest stay; the others are removed, while clones that run from them go on. When anything fails, the link is as it
was, and the exit code is 1. Two at a time on one folder are refused. Other guests are left alone.

.EXAMPLE
examples/Update-Template.ps1 ./templates -Name web -Keep 3

A template of the small guest that PsVm brings.

.EXAMPLE
0 3 * * *  pwsh -NoProfile -File /opt/psvm/examples/Update-Template.ps1 /srv/templates -Kernel /srv/guest/Image -Initrd
/srv/guest/initramfs.cpio

A line of a crontab: Linux, each night at three.
#>
[CmdletBinding()]
param(
    # The folder of the templates and of the link.
    [Parameter(Mandatory, Position = 0)]
    [string] $Folder,

    # Name of the link, and what the templates' names begin with.
    [ValidatePattern('^[\w.-]+$')]
    [string] $Name = 'web',

    # How many templates stay, the new one included.
    [ValidateRange(1, 1000)]
    [int] $Keep = 3,

    # RAM of the guest.
    [string] $Memory = '128MB',

    # What boots; without a kernel the small guest that PsVm brings.
    [string] $Kernel,

    # The initial RAM disk.
    [string] $Initrd,

    # The kernel's command line.
    [string] $CommandLine = 'console=ttyS0',

    # What the guest writes when it is ready.
    [string] $ForText = 'GUEST-UP',

    # Seconds that it has for that.
    [int] $Timeout = 300
)

$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $true
if (-not (Get-Module PsVm)) {
    Import-Module ([IO.Path]::Combine($PSScriptRoot, '..', 'output', 'PsVm'))
}

$folder = (New-Item -ItemType Directory $Folder -Force).FullName
$link = [IO.FileInfo]::new("$folder/$Name")
if ([IO.Path]::Exists($link.FullName) -and -not $link.LinkTarget) {
    throw "Expected a symbolic link at '$link', found what this script has not made."
}

$lock = [IO.File]::Open("$folder/.$Name.lock", 'OpenOrCreate', 'ReadWrite', 'None')
$own = @{ run = "$([Guid]::NewGuid())" }
try {
    $boot = @{ Memory = $Memory; Label = $own }
    if ($Kernel) {
        $boot += @{ Kernel = $Kernel; CommandLine = $CommandLine }
        if ($Initrd) { $boot.Initrd = $Initrd }
    }

    $path = "$folder/$Name-$([DateTime]::UtcNow.ToString('yyyyMMddTHHmmssfffZ', [cultureinfo]::InvariantCulture))"
    $guest = Start-Guest @boot | Wait-Guest -ForText $ForText -Timeout $Timeout
    $template = $guest | Checkpoint-Guest $path -Digest
    try {
        (Test-GuestTemplate $template -Verify -Detailed).Errors | ForEach-Object { throw "$_" }
        Start-Guest -Template $template -Label $own | Remove-Guest -Force
    }
    catch {
        Remove-GuestTemplate $template -Confirm:$false
        throw
    }

    # A link beside it takes its place; to replace the link itself would leave a moment without one.
    $previous = $link.LinkTarget
    $fresh = "$folder/.$Name.$([Guid]::NewGuid())"
    $null = [IO.Directory]::CreateSymbolicLink($fresh, [IO.Path]::GetFileName($path))
    mv -T -- $fresh $link.FullName

    $old = Get-ChildItem -LiteralPath $folder -Directory |
        Where-Object Name -Match "^$([regex]::Escape($Name))-\d{8}T\d{9}Z$" | Sort-Object Name -Descending | Select-Object -Skip $Keep
    $old | ForEach-Object { Remove-GuestTemplate -Path $_.FullName -Confirm:$false }
    [pscustomobject]@{
        Name     = $Name
        Link     = $link.FullName
        Template = $path
        Previous = $previous
        Removed  = @($old.Name)
    }
}
finally {
    Get-Guest -Label $own | Remove-Guest -Force
    $lock.Dispose()
}
