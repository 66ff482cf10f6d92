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

    It 'leaves a new guest alone that has the name of the one meant' {
        $old = $guest
        $old | Remove-Guest -Force
        $new = Start-Guest -Name web -Memory 32MB

        foreach ($name in 'Stop-Guest', 'Suspend-Guest', 'Resume-Guest', 'Measure-Guest', 'Receive-GuestConsole', 'Get-Guest') {
            (Get-ErrorOf { $old | & $name }).Id | Should -Be GuestNotFound -Because $name
            (Get-ErrorOf { & $name $old.Info }).Id | Should -Be GuestNotFound -Because $name
        }

        (Get-ErrorOf { $old | Remove-Guest -Force }).Id | Should -Be GuestNotFound
        (Get-ErrorOf { $old | Select-Object Name, Id | Stop-Guest }).Id | Should -Be GuestNotFound
        (Get-ErrorOf { $old | Send-GuestConsole -Text off }).Id | Should -Be GuestNotFound
        (Get-ErrorOf { $old | Checkpoint-Guest -Path "$TestDrive/t" }).Id | Should -Be GuestNotFound
        (Get-ErrorOf { $old | Wait-Guest -Timeout 0.1 }).Id | Should -Be GuestNotFound
        $new.State | Should -Be Running
        $old.State | Should -Be Stopped
        ($new | Stop-Guest).State | Should -Be Stopped
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
