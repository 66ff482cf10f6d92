BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Suspend-Guest' {
    BeforeEach { $guest = Start-Guest -Name web -Memory 32MB }
    AfterEach { Clear-PsVm }

    It 'passes the guest on, Suspended' {
        ($guest | Suspend-Guest).State | Should -Be Suspended
    }

    It 'takes names and objects, by position and from the pipeline' {
        $other = Start-Guest -Name db -Memory 32MB
        (Suspend-Guest web, $other).Name | Should -Be web, db
        (Get-Guest).State | Should -Be Suspended, Suspended
    }

    It 'does nothing under -WhatIf' {
        Suspend-Guest web -WhatIf | Should -BeNullOrEmpty
        $guest.State | Should -Be Running
    }

    It 'says that there is no such guest' {
        (Get-ErrorOf { Suspend-Guest nope }).Id | Should -Be GuestNotFound
    }

    It 'holds the harts' {
        $null = $guest | Wait-Guest -ForText 'GUEST-UP' -Timeout 60 | Suspend-Guest
        $instructions = $guest.Instructions
        Start-Sleep -Milliseconds 50
        $guest.Instructions | Should -Be $instructions
    }

    It 'says that a stopped guest cannot be held' {
        $null = Stop-Guest web -Force
        $found = Get-ErrorOf { Suspend-Guest web }
        $found.Id, $found.Action | Should -Be GuestStopped, "Start it again: Start-Guest 'web'."
        (Get-ErrorOf { Suspend-Guest web -WhatIf }).Id | Should -Be GuestStopped
    }
}
