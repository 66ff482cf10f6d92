BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Wait-Guest' {
    BeforeEach { $guest = Start-Guest -Name web -Memory 32MB }
    AfterEach { Clear-PsVm }

    It 'waits for a text and passes the guest on' {
        ($guest | Wait-Guest -ForText 'GUEST-UP' -Timeout 60).Name | Should -Be web
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

    It 'says that the time ran out, and what was found' {
        $null = $guest | Wait-Guest -ForText 'GUEST-UP' -Timeout 60
        $found = Get-ErrorOf { $guest | Wait-Guest -ForText 'no such text' -Timeout 0.01 }
        $found.Id | Should -Be GuestWaitTimeout
        $found.Category | Should -Be OperationTimeout
        $found.Message | Should -BeLike "*'no such text' within 0.01 s, but it is Running; its last line is '*'."
        $found.Action | Should -Not -BeNullOrEmpty
    }

    It 'says that the guest ended first' {
        $null = Stop-Guest web
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
