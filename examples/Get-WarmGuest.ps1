#!/usr/bin/env pwsh

<#
.SYNOPSIS
Takes guests out of a pool of clones that wait, which is made when there is none.

.DESCRIPTION
The pool holds clones that are put together and stand before their first instruction. A guest that is taken runs at once and comes down the
pipeline; the pool is filled again beside. It belongs to the process: all of its scripts share the pool of a name. Other guests are left alone.

.EXAMPLE
examples/Get-WarmGuest.ps1 ./templates/web -Count 0 -Size 8

Makes the pool.

.EXAMPLE
examples/Get-WarmGuest.ps1 ./templates/web | Send-GuestConsole 'touch 16' -Pattern 'pages=16'

.EXAMPLE
Remove-GuestPool warm

Ends the pool; guests that were taken go on.
#>
[CmdletBinding()]
param(
    # The template.
    [Parameter(Mandatory, Position = 0)]
    [string] $Template,

    # How many guests to take.
    [ValidateRange(0, 1000)]
    [int] $Count = 1,

    # How many the pool holds, where it is made.
    [ValidateRange(1, 1000)]
    [int] $Size = 4,

    # The pool's name.
    [ValidatePattern('^\w[\w.-]*$')]
    [string] $Pool = 'warm'
)

$ErrorActionPreference = 'Stop'
if (-not (Get-Module PsVm)) {
    Import-Module ([IO.Path]::Combine($PSScriptRoot, '..', 'output', 'PsVm'))
}

if (-not (Get-GuestPool | Where-Object Name -EQ $Pool)) {
    $null = New-GuestPool $Template -Name $Pool -Size $Size -Grow
}

if ($Count -gt 0) {
    Start-Guest -Pool $Pool -Count $Count
}
