BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Receive-GuestConsole' {
    BeforeEach {
        $guest = Start-Guest -Name web -Memory 32MB
        $null = $guest | Wait-Guest -ForText 'GUEST-UP' -Timeout 60
    }

    AfterEach { Clear-PsVm }

    It 'gives lines, each once' {
        $null = Suspend-Guest web
        $lines = $guest | Receive-GuestConsole
        $lines | Should -Contain 'GUEST-UP'
        $lines -join '' | Should -Not -Match "`r|`n"
        Receive-GuestConsole web | Should -BeNullOrEmpty
    }

    It 'gives all again when asked' {
        $null = Suspend-Guest web
        $first = Receive-GuestConsole web
        Receive-GuestConsole web -All | Should -Be $first
    }

    It 'gives the text as it came' {
        $raw = Receive-GuestConsole web -Raw
        $raw | Should -HaveCount 1
        $raw | Should -Match 'GUEST-UP\r?\n'
    }

    It 'follows until the guest stops' {
        Send-GuestConsole web off
        $lines = Receive-GuestConsole web -Wait
        $lines[-1] | Should -BeLike '*powering off*'
        $guest.State | Should -Be Stopped
    }

    It 'ends when the pipeline wants no more' {
        Receive-GuestConsole web -Wait | Select-Object -First 1 | Should -Not -BeNullOrEmpty
        $guest.State | Should -Be Running
    }

    It 'ends at Ctrl+C' {
        Stop-Running 'Receive-GuestConsole web -All -Wait | Write-Warning' {
            param($powershell) $powershell.Streams.Warning.Count -gt 0
        } | Should -Be Stopped
        $guest.State | Should -Be Running
    }

    It 'says that there is no such guest' {
        (Get-ErrorOf { Receive-GuestConsole nope }).Id | Should -Be GuestNotFound
    }
}
