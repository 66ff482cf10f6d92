<#
.SYNOPSIS
A Pester suite in which each test has a guest of its own, as it was when the template was made.

.DESCRIPTION
Boots once, for all tests. A clone starts in milliseconds and ends with its test, so that no test sees what another has done to its guest,
in whichever order they run. Other guests are left alone.

.EXAMPLE
Invoke-Pester ./examples/Fleet.Tests.ps1 -Output Detailed

.EXAMPLE
Invoke-Pester -Container (New-PesterContainer ./examples/Fleet.Tests.ps1 -Data @{ Template = './templates/web' })

Tests clones of a template that is there.
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

    # Types a command and gives the answer.
    function Ask([string] $command, [string] $pattern) {
        "$($guest | Send-GuestConsole $command -Pattern $pattern -Timeout 60)"
    }
}

Describe 'A guest' {
    BeforeEach { $guest = Start-Guest -Template $Template }
    AfterEach { $guest | Remove-Guest -Force }

    It 'has all pages as they were' {
        Ask 'check' 'check: .*checksum=' | Should -Match 'zero=0 bad=0'
    }

    It 'writes its pages for the first time: <_>' -ForEach 'as one test', 'as the next' {
        Ask 'touch 16' 'generation=\d+' | Should -Match 'pages=16 generation=2'
    }

    It 'costs what it changes' {
        $null = Ask 'touch 256' 'pages=256'
        ($guest | Measure-Guest).OwnBytes | Should -BeGreaterOrEqual (256 * 4KB)
    }

    It 'powers off when told' {
        $guest | Send-GuestConsole 'off'
        ($guest | Wait-Guest -Timeout 60).State | Should -Be Stopped
    }
}
