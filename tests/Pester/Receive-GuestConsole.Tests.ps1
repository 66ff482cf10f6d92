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
        $lines = Receive-GuestConsole web -Follow
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

    It 'still knows -Wait, as -Follow was called' {
        Receive-GuestConsole web -Wait | Select-Object -First 1 | Should -Not -BeNullOrEmpty
    }

    It 'gives strings that know their guest and their time' {
        $line = Receive-GuestConsole web | Select-Object -Last 1
        $line | Should -BeOfType string
        $line.Guest | Should -Be web
        $line.Time | Should -BeOfType DateTimeOffset
        $line.Time | Should -BeLessOrEqual ([DateTimeOffset]::UtcNow)
        $line | Out-String | Should -Be "$line$([Environment]::NewLine)"
    }

    It 'gives objects when asked' {
        $null = Suspend-Guest web
        $line = Receive-GuestConsole web -AsObject | Where-Object Text -EQ 'GUEST-UP'
        $line | Should -BeOfType PsVm.GuestConsoleLine
        "$line" | Should -Be 'GUEST-UP'
        ($line | ConvertTo-Json | ConvertFrom-Json).Guest | Should -Be web
        $line | Out-String | Should -Match 'web +\d\d:\d\d:\d\d\.\d{3} GUEST-UP'
    }

    It 'gives the last lines, received before or not' {
        $null = Suspend-Guest web
        $all = Receive-GuestConsole web
        Receive-GuestConsole web -Tail 2 | Should -Be $all[-2..-1]
        Receive-GuestConsole web -Tail 0 | Should -BeNullOrEmpty
        Receive-GuestConsole web | Should -BeNullOrEmpty
    }

    It 'gives the lines since a time, however it is said' {
        $null = Suspend-Guest web
        $all = Receive-GuestConsole web
        $up = Receive-GuestConsole web -All -AsObject | Where-Object Text -EQ 'GUEST-UP'
        Receive-GuestConsole web -Since ([timespan]::FromHours(1)) | Should -Be $all
        Receive-GuestConsole web -Since 3600 | Should -Be $all
        Receive-GuestConsole web -Since (Get-Date).AddHours(-1) | Should -Be $all
        Receive-GuestConsole web -Since $up.Time | Should -Contain 'GUEST-UP'
        Receive-GuestConsole web -Since (Get-Date).AddHours(1) | Should -BeNullOrEmpty
        { Receive-GuestConsole web -Since yesterday } | Should -Throw
    }

    It 'says which of several guests spoke' {
        $null = Start-Guest -Name db -Memory 32MB | Wait-Guest -ForText 'GUEST-UP' -Timeout 60
        $null = Get-Guest | Suspend-Guest
        $lines = Get-Guest | Receive-GuestConsole
        ($lines | Group-Object Guest).Name | Should -Be db, web
        $lines | Should -Contain 'GUEST-UP'
        $lines | Out-String | Should -Match '(?m)^web \| GUEST-UP\r?$'
        $lines | Out-String | Should -Match '(?m)^db \| GUEST-UP\r?$'
    }

    It 'follows several guests at once' {
        $db = Start-Guest -Name db -Memory 32MB | Wait-Guest -ForText 'GUEST-UP' -Timeout 60
        $guests = $guest, $db
        $lines = $guests | Receive-GuestConsole -Follow | ForEach-Object {
            if ($_ -eq 'GUEST-UP' -and $_.Guest -eq 'db') { Send-GuestConsole db 'touch 1' }
            if ($_ -like 'touch: pages=1*' -and $_.Guest -eq 'db') { Send-GuestConsole web 'touch 2' }
            if ($_ -like 'touch: pages=2*' -and $_.Guest -eq 'web') { $null = Stop-Guest web, db -Force }
            $_
        }
        $lines | Where-Object Guest -EQ web | Should -Contain 'touch 2'
        $lines | Where-Object Guest -EQ db | Should -Contain 'touch 1'
    }

    It 'shows what a hostile guest prints, whatever way it takes' {
        # The embedded guest echoes what it is sent, and says it again in its error.
        $hostile = "`e[6n`e]0;x`a`e[2J`u{9b}6n`u{202e}a`u{7f}b"
        Send-GuestConsole web $hostile
        $null = Wait-Guest web -ForText "unknown command `e[6n" -Timeout 60
        $null = Suspend-Guest web
        $db = Start-Guest -Name db -Memory 32MB
        $all = @(
            Receive-GuestConsole web -All
            Receive-GuestConsole web, db -All
            Receive-GuestConsole web -All -AsObject
            Receive-GuestConsole web -Tail 5
            Get-ErrorOf { Wait-Guest web -ForText 'no such text' -Timeout 0.01 }
            Get-ErrorOf { Wait-Guest web -ForText "`e[6n no" -Timeout 0.01 }
            Get-ErrorOf { Wait-Guest web -ForPattern "`e(" -Timeout 0.01 }
            Wait-Guest web -ForText "`e[6n no" -Timeout 0.01 -ErrorAction Continue 2>&1
            Get-Guest web
            Get-Guest web | Format-List *
            Get-Guest web | ConvertTo-Json -Depth 4
        ) | Out-String -Width 4096
        $all | Should -Match 'x1b\[6n'
        $all | Should -Not -Match '[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f\u202e]'
        # Colours of the tables are PowerShell's own.
        $all -replace '\x1b\[[0-9;]*m' | Should -Not -Match '\x1b'
    }

    It 'says that there is no such guest' {
        (Get-ErrorOf { Receive-GuestConsole nope }).Id | Should -Be GuestNotFound
    }
}
