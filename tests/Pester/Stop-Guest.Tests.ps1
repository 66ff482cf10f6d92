BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Stop-Guest' {
    BeforeEach { $guest = Start-Guest -Name web -Memory 32MB }
    AfterEach { Clear-PsVm }

    It 'passes the guest on, Stopped' {
        ($guest | Stop-Guest).State | Should -Be Stopped
    }

    It 'takes names and objects, by position and from the pipeline' {
        $other = Start-Guest -Name db -Memory 32MB
        (Stop-Guest web, $other).Name | Should -Be web, db
        (Get-Guest).State | Should -Be Stopped, Stopped
    }

    It 'does nothing under -WhatIf' {
        Stop-Guest web -WhatIf | Should -BeNullOrEmpty
        $guest.State | Should -Be Running
    }

    It 'says that there is no such guest' {
        (Get-ErrorOf { Stop-Guest nope }).Id | Should -Be GuestNotFound
    }

    It 'says who stopped it, and leaves the console' {
        $null = $guest | Wait-Guest -ForText 'GUEST-UP' -Timeout 60 | Stop-Guest -Force
        $guest.StopReason | Should -Be 'stopped by the operator'
        Receive-GuestConsole web | Should -Contain 'GUEST-UP'
    }

    It 'leaves a stopped guest as it is' {
        ($guest | Stop-Guest | Stop-Guest).State | Should -Be Stopped
    }
}
