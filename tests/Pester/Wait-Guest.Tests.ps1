BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Wait-Guest' {
    BeforeEach { $guest = Start-Guest -Name web -Memory 32MB }
    AfterEach { Clear-PsVm }

    It 'waits for a text and passes the guest on' {
        ($guest | Wait-Guest -ForText 'GUEST-UP' -Timeout 60).Name | Should -Be web
    }

    It 'waits for a pattern' {
        ($guest | Wait-Guest -ForPattern '^GUEST-\w+$' -Timeout 60).Name | Should -Be web
        (Get-ErrorOf { $guest | Wait-Guest -ForPattern '(open' }).Id | Should -Be ConsolePatternInvalid
    }

    It 'looks only at what is new when asked' {
        $null = $guest | Wait-Guest -ForText 'GUEST-UP' -Timeout 60
        (Get-ErrorOf { $guest | Wait-Guest -ForText 'GUEST-UP' -New -Timeout 0.01 }).Id | Should -Be GuestWaitTimeout
        (Get-ErrorOf { $guest | Wait-Guest -ForPattern 'GUEST' -New -Timeout 0.01 }).Id | Should -Be GuestWaitTimeout
        ($guest | Wait-Guest -ForText 'GUEST-UP' -Timeout 60).Name | Should -Be web
    }

    It 'does not take the echo of what was sent for what is new' {
        $null = $guest | Wait-Guest -ForText 'GUEST-UP' -Timeout 60
        Send-GuestConsole web 'touch 3'
        $null = $guest | Wait-Guest -ForText 'touch' -New -Timeout 60
        $rest = (Receive-GuestConsole web -All -Raw) -split 'touch 3\r?\n', 2
        $rest[1] | Should -BeLike 'touch*'

        # Only its echo and the error have it.
        Send-GuestConsole web 'echo done'
        (Get-ErrorOf { $guest | Wait-Guest -ForPattern '^echo done' -New -Timeout 0.5 }).Id | Should -Be GuestWaitTimeout
    }

    It 'finds what was written between the sending and the wait' {
        $null = $guest | Wait-Guest -ForText 'GUEST-UP' -Timeout 60
        Send-GuestConsole web 'touch 3'
        $null = $guest | Wait-Guest -ForText 'pages=3' -Timeout 60
        Send-GuestConsole web 'touch 4'
        $null = $guest | Wait-Guest -ForText 'pages=4' -Timeout 60
        (Get-ErrorOf { $guest | Wait-Guest -ForText 'pages=4' -New -Timeout 0.01 }).Id | Should -Be GuestWaitTimeout
        Send-GuestConsole web 'touch 5'
        Start-Sleep -Milliseconds 200
        ($guest | Wait-Guest -ForText 'pages=5' -New -Timeout 60).Name | Should -Be web
    }

    It 'waits for the end when nothing else is said' {
        $null = $guest | Wait-Guest -ForText 'GUEST-UP' -Timeout 60
        Send-GuestConsole web off
        (Wait-Guest web -Timeout 60).State | Should -Be Stopped
    }

    It 'waits for a state' {
        $null = Suspend-Guest web
        (Wait-Guest web -State Suspended -Timeout 60).State | Should -Be Suspended
    }

    It 'waits for <what> where the board has a port for an agent' -ForEach @(
        @{ What = 'an agent that answers'; For = @{ ForAgent = $true }; Name = 'newer' }
        @{ What = 'an address'; For = @{ ForIPAddress = $true }; Name = 'addressless' }
    ) {
        (Get-ErrorOf { $guest | Wait-Guest @For -Timeout 1 }).Id | Should -Be GuestAgentMissing
        $null = Start-Guest $name -Memory 32MB -MachineType virt-1.3
        $found = Get-ErrorOf { Wait-Guest $name @For -Timeout 0.2 }
        $found.Id | Should -Be GuestWaitTimeout
        $found.Message | Should -Match "to have $what"
        $null = Stop-Guest $name -Force
        (Get-ErrorOf { Wait-Guest $name @For -Timeout 60 }).Id | Should -Be GuestStoppedFirst
    }

    It 'says that the time ran out, and what was found' {
        $null = $guest | Wait-Guest -ForText 'GUEST-UP' -Timeout 60
        $found = Get-ErrorOf { $guest | Wait-Guest -ForText 'no such text' -Timeout 0.01 }
        $found.Id | Should -Be GuestWaitTimeout
        $found.Category | Should -Be OperationTimeout
        $found.Message | Should -BeLike "*'no such text' within 0.01 s, but it is Running; its last line is '*'."
        $found.Action | Should -Not -BeNullOrEmpty
    }

    It 'says that the guest ended first' {
        $null = Stop-Guest web -Force
        (Get-ErrorOf { Wait-Guest web -ForText 'no such text' }).Id | Should -Be GuestStoppedFirst
        (Get-ErrorOf { Wait-Guest web -State Suspended }).Id | Should -Be GuestStoppedFirst
    }

    It 'ends at Ctrl+C' {
        # It shows progress after a second of waiting.
        Stop-Running 'Wait-Guest web -ForText nothing' {
            param($powershell) $powershell.Streams.Progress.Count -gt 0
        } | Should -Be Stopped
        $guest.State | Should -Be Running
    }
}
