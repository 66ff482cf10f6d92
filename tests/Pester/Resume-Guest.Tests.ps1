BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Resume-Guest' {
    BeforeEach {
        $guest = Start-Guest -Name web -Memory 32MB | Wait-Guest -ForText 'GUEST-UP' -Timeout 60 | Suspend-Guest
    }

    AfterEach { Clear-PsVm }

    It 'lets the guest go on, and passes it on' {
        $null = $guest | Receive-GuestConsole
        ($guest | Resume-Guest).State | Should -Be Running
        Send-GuestConsole web check
        $guest | Wait-Guest -ForText 'check: ok' -Timeout 60 | Should -Not -BeNullOrEmpty
    }

    It 'does nothing under -WhatIf' {
        Resume-Guest web -WhatIf | Should -BeNullOrEmpty
        $guest.State | Should -Be Suspended
    }

    It 'says that a stopped guest cannot go on' {
        $null = Stop-Guest web -Force
        (Get-ErrorOf { Resume-Guest web }).Id | Should -Be GuestStopped
        (Get-ErrorOf { Resume-Guest web -WhatIf }).Id | Should -Be GuestStopped
    }
}
