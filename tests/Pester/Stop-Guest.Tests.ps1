BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Stop-Guest' {
    BeforeEach { $guest = Start-Guest -Name web -Memory 32MB }
    AfterEach { Clear-PsVm }

    It 'asks the guest, and passes it on, Stopped' {
        ($guest | Stop-Guest -Timeout 60).State | Should -Be Stopped
        $guest.StopReason | Should -Be 'powered off by the guest'
    }

    It 'asks a suspended guest as well' {
        ($guest | Suspend-Guest | Stop-Guest -Timeout 0:01:00).StopReason | Should -Be 'powered off by the guest'
    }

    It 'cuts the power with -Force' {
        ($guest | Stop-Guest -Force).StopReason | Should -Be 'stopped by the operator'
    }

    Context 'of a guest that does not listen' {
        BeforeAll {
            # A kernel whose one instruction is a jump to itself, behind Linux's header.
            $image = [byte[]]::new(68)
            [BitConverter]::GetBytes(0x0400006f).CopyTo($image, 0)
            [BitConverter]::GetBytes(0x200000l).CopyTo($image, 8)
            [BitConverter]::GetBytes(0x1000l).CopyTo($image, 16)
            [BitConverter]::GetBytes(2).CopyTo($image, 32)
            [Text.Encoding]::ASCII.GetBytes('RISCV').CopyTo($image, 48)
            [Text.Encoding]::ASCII.GetBytes("RSC$([char]5)").CopyTo($image, 56)
            [BitConverter]::GetBytes(0x6f).CopyTo($image, 64)
            [IO.File]::WriteAllBytes("$TestDrive/deaf", $image)
        }

        BeforeEach { $deaf = Start-Guest -Name deaf -Memory 32MB -Kernel "$TestDrive/deaf" }

        It 'says so, and it runs on' {
            $found = Get-ErrorOf { $deaf | Stop-Guest -Timeout 0.3 }
            $found.Id | Should -Be GuestDidNotStop
            $found.Category | Should -Be OperationTimeout
            $found.Message | Should -BeLike "*'deaf'*within 0.3 s, but it is Running."
            $found.Action | Should -BeLike '*-Force*'
            $deaf.State | Should -Be Running
        }

        It 'stops the others, which are asked at the same time' {
            $null = $guest | Wait-Guest -ForText GUEST-UP -Timeout 60
            Stop-Running 'Stop-Guest deaf, web -Timeout 3600' { $guest.State -eq 'Stopped' } | Should -Be Stopped -Because 'it waits for deaf'
            $deaf.State | Should -Be Running
        }

        It 'does not restart it either' {
            (Get-ErrorOf { $deaf | Restart-Guest -Timeout 0.3 }).Id | Should -Be GuestDidNotStop
            $deaf.State | Should -Be Running
            $began = $deaf.StartedAt
            ($deaf | Restart-Guest -Force).State | Should -Be Running
            $deaf.StartedAt | Should -BeGreaterThan $began
        }
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
            (Get-ErrorOf { & $name $old.GetInfo() }).Id | Should -Be GuestNotFound -Because $name
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
