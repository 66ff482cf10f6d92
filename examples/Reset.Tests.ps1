<#
.SYNOPSIS
A Pester suite whose tests share one guest, which is put back to its template before each.

.DESCRIPTION
A reset takes less than a millisecond and no memory, and the guest keeps its name and its handle, so that suites of thousands of tests can do
with one. No test sees what another has done, also when that one powered the guest off. Other guests are left alone.

.EXAMPLE
Invoke-Pester ./examples/Reset.Tests.ps1 -Output Detailed

.EXAMPLE
Invoke-Pester -Container (New-PesterContainer ./examples/Reset.Tests.ps1 -Data @{ Template = './templates/web' })

Tests a clone of a template that is there.
#>
[CmdletBinding()]
param(
    # A template of the small guest that PsVm brings; made for the run when not given.
    [string] $Template
)

BeforeAll {
    if (-not (Get-Module PsVm)) {
        Import-Module ([IO.Path]::Combine($PSScriptRoot, '..', 'output', 'PsVm'))
    }

    if (-not $Template) {
        $booted = Start-Guest -Memory 32MB | Wait-Guest -ForText 'GUEST-UP' -Timeout 60
        $Template = ($booted | Checkpoint-Guest "$TestDrive/template").Path
        $booted | Remove-Guest -Force
    }

    $guest = Start-Guest -Template $Template
}

AfterAll { $guest | Remove-Guest -Force }

Describe 'A guest' {
    BeforeEach { $null = $guest | Reset-Guest }

    It 'writes its pages for the first time: <_>' -ForEach 'as one test', 'as the next' {
        $guest | Send-GuestConsole 'touch 16' -Pattern 'generation=\d+' -Timeout 60 | Should -Match 'pages=16 generation=2'
    }

    It 'powers off when told' {
        $guest | Send-GuestConsole 'off'
        ($guest | Wait-Guest -Timeout 60).State | Should -Be Stopped
    }

    It 'has an empty console' {
        $guest | Receive-GuestConsole -All | Should -BeNullOrEmpty
    }
}
