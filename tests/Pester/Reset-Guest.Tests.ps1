BeforeAll {
    . "$PSScriptRoot/Common.ps1"
    $template = (New-TestTemplate "$TestDrive/web").Path
}

Describe 'Reset-Guest' {
    BeforeEach { $guest = Start-Guest web -Template $template }
    AfterEach { Clear-PsVm }

    It 'puts a clone back to its template, and passes the same guest on' {
        $first = $guest | Send-GuestConsole 'touch 3' -Pattern 'pages=3 generation=\d' -Timeout 60
        $null = $guest | Send-GuestConsole 'touch 4' -Pattern 'pages=4 generation=3' -Timeout 60
        $began = $guest.StartedAt
        $again = $guest | Reset-Guest
        $again | Should -Be $guest
        $again.State | Should -Be Running
        $guest.Resets | Should -Be 1
        $guest.StartedAt | Should -BeGreaterThan $began
        $guest | Send-GuestConsole 'touch 3' -Pattern 'pages=3 generation=\d' -Timeout 60 | Should -Be $first
        $guest | Receive-GuestConsole -All | Should -Not -Contain 'touch: pages=4 generation=3'
    }

    It 'gives a new generation id, or with -KeepIdentity that of the template' {
        $kept = (Restore-Guest $template -Name kept).GetInfo().GenerationId
        $ids = $guest.GetInfo().GenerationId, (Reset-Guest web).GetInfo().GenerationId, (Reset-Guest web -KeepIdentity).GetInfo().GenerationId
        $ids | Select-Object -Unique | Should -HaveCount 3
        $ids[2] | Should -Be $kept
    }

    It 'leaves suspended what is suspended' {
        ($guest | Suspend-Guest | Reset-Guest).State | Should -Be Suspended
    }

    It 'starts one that has stopped again' {
        ($guest | Stop-Guest -Force | Reset-Guest).State | Should -Be Running
    }

    It 'takes names, patterns and objects' {
        $other = Start-Guest db -Template $template
        (Reset-Guest w*, $other).Name | Should -Be web, db
        (Get-Guest).Resets | Should -Be 1, 1
    }

    It 'resets others where one cannot be' {
        $null = Start-Guest booted -Memory 32MB
        (Reset-Guest * -ErrorAction SilentlyContinue -ErrorVariable failed).Name | Should -Be web
        $failed.FullyQualifiedErrorId | Should -BeLike 'ResetNotClone,*'
        $failed.TargetObject | Should -Be booted
        $failed.ErrorDetails.RecommendedAction | Should -BeLike '*Restart-Guest*'
    }

    It 'does nothing under -WhatIf, and says what would be wrong' {
        Reset-Guest web -WhatIf | Should -BeNullOrEmpty
        $guest.Resets | Should -Be 0
        $null = Start-Guest booted -Memory 32MB
        (Get-ErrorOf { Reset-Guest booted -WhatIf }).Id | Should -Be ResetNotClone
        (Get-ErrorOf { Reset-Guest nope }).Id | Should -Be GuestNotFound
    }

    It 'tells who follows the console, who hears the new life and nothing of the old one twice' {
        Send-GuestConsole web 'touch 3'
        $lines = $guest | Receive-GuestConsole -All -Follow -WarningVariable warned -WarningAction SilentlyContinue | ForEach-Object {
            if ($_ -like 'touch: pages=3 *' -and $guest.Resets -eq 0) {
                $null = Reset-Guest web
                Send-GuestConsole web 'touch 5'
            }

            if ($_ -like 'touch: pages=5 *') { $null = Stop-Guest web -Force }
            $_
        }
        $touched = @($lines -like 'touch: *')
        $touched | Should -HaveCount 2
        $touched[0] | Should -BeLike 'touch: pages=3 *'
        $touched[1] | Should -BeLike 'touch: pages=5 *'
        @($warned) | Should -HaveCount 1
        "$warned" | Should -BeLike '`[ConsoleCut`]*web*'
    }

    It 'resets a guest a hundred times' {
        foreach ($turn in 1..100) { $null = Reset-Guest web }
        $guest.Resets | Should -Be 100
        $guest | Send-GuestConsole 'check' -Pattern 'check: ok' -Timeout 60 | Should -Match 'check: ok'
    }
}
