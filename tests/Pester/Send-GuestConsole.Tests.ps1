BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Send-GuestConsole' {
    BeforeEach {
        $guest = Start-Guest -Name web -Memory 32MB
        $null = $guest | Wait-Guest -ForText 'GUEST-UP' -Timeout 60
    }

    AfterEach { Clear-PsVm }

    It 'types a line that the guest obeys' {
        Send-GuestConsole web 'touch 3' | Should -BeNullOrEmpty
        $guest | Wait-Guest -ForText 'touch: pages=3' -Timeout 60 | Should -Not -BeNullOrEmpty
    }

    It 'takes guests from the pipeline, and text in pieces' {
        $guest | Send-GuestConsole -Text 'tou' -NoNewline
        $guest | Send-GuestConsole -Text 'ch 4'
        $guest | Wait-Guest -ForText 'touch: pages=4' -Timeout 60 | Should -Not -BeNullOrEmpty
    }

    It 'types lines one after the other' {
        Send-GuestConsole web 'touch 5', 'touch 6'
        $null = $guest | Wait-Guest -ForPattern 'touch: pages=5[^$]*touch: pages=6' -Timeout 60
    }

    It 'takes the text in the first position when guests are piped, and both from an object' {
        $guest | Send-GuestConsole 'touch 7'
        'web' | Send-GuestConsole 'touch 8'
        $null = $guest | Wait-Guest -ForText 'touch: pages=8' -Timeout 60
        [pscustomobject]@{ Name = 'web'; Text = 'touch 9' } | Send-GuestConsole
        $null = $guest | Wait-Guest -ForText 'touch: pages=9' -Timeout 60
    }

    It 'gives what the guest answered, behind the echo' {
        $answer = Send-GuestConsole web 'touch 3' -Wait -Pattern '^touch: .*\n' -Timeout 60
        $answer | Should -HaveCount 1
        $answer | Should -Match '^touch: pages=3 '
        $answer.Guest | Should -Be web
    }

    It 'does not take the echo for the answer' {
        (Send-GuestConsole web 'touch 3' -Pattern 'touch' -Timeout 60) | Should -Be 'touch'
        Get-ErrorOf { Send-GuestConsole web 'echo done' -Pattern '^echo done' -Timeout 0.5 } | ForEach-Object Id | Should -Be GuestWaitTimeout
    }

    It 'says what the answer is when several guests give one' {
        $db = Start-Guest -Name db -Memory 32MB | Wait-Guest -ForText 'GUEST-UP' -Timeout 60
        $answers = Send-GuestConsole web, db -Text 'touch 3' -Pattern 'pages=3' -Timeout 60
        $answers.Guest | Should -Be web, db
        $answers | Out-String | Should -Match '(?m)^db \| touch: pages=3'
    }

    It 'shows what a hostile guest answers' {
        # It may tick before.
        Send-GuestConsole web "`e[6n" -Pattern 'unknown command .*\n' -Timeout 60 | Select-Object -Last 2 |
            Should -Be '\x1b[6n', 'error: unknown command \x1b[6n' -Because 'nothing of the echo is to be seen, so it counts'
        Send-GuestConsole web "`e[6n" -WhatIf *>&1 | Out-String | Should -Not -Match '\x1b\[6n'
    }

    It 'says that there is nothing to wait for' {
        foreach ($found in (Get-ErrorOf { Send-GuestConsole web off -Wait }), (Get-ErrorOf { Send-GuestConsole web off -Timeout 3 })) {
            $found.Id | Should -Be PatternMissing
            $found.Action | Should -Not -BeNullOrEmpty
        }

        (Get-ErrorOf { Send-GuestConsole web help -Pattern '(' }).Id | Should -Be ConsolePatternInvalid
        $guest.State | Should -Be Running
    }

    It 'ends at Ctrl+C' {
        Stop-Running 'Send-GuestConsole web help -Pattern nothing' {
            param($powershell) $powershell.Streams.Progress.Count -gt 0
        } | Should -Be Stopped
        $guest.State | Should -Be Running
    }

    It 'types nothing under -WhatIf' {
        $guest | Send-GuestConsole -Text off -WhatIf
        Send-GuestConsole web check
        $null = $guest | Wait-Guest -ForText 'check: ok' -Timeout 60
        $guest.State | Should -Be Running
    }

    It 'says that the guest has stopped' {
        $null = Stop-Guest web -Force
        (Get-ErrorOf { Send-GuestConsole web off }).Id | Should -Be GuestStopped
    }
}
