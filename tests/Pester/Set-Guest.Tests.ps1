BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Set-Guest' {
    BeforeEach { $web = Start-Guest -Name web -Memory 32MB -Notes first -Label @{ role = 'web' }; $db = Start-Guest -Name db -Memory 32MB -Label role=db }
    AfterEach { Clear-PsVm }

    It 'changes notes and labels' {
        Set-Guest web -Notes second -Label role=front, stage=test | Should -BeNullOrEmpty
        $web.Notes | Should -Be second
        $web.Labels['stage'] | Should -Be test
        ($web | Set-Guest -Notes '' -PassThru).Notes | Should -BeNullOrEmpty
        $web.Labels.Count | Should -Be 2 -Because 'what is not named stays'
        Set-Guest * -Label @{}
        $db.Labels.Count | Should -Be 0
    }

    It 'is what Get-Guest selects by' {
        (Get-Guest -Label role=web).Name | Should -Be web
        (Get-Guest -Label @{ role = '*' }).Name | Should -Be web, db
        (Get-Guest -Label ROLE=web, stage=test).Name | Should -BeNullOrEmpty
        $null = $db | Suspend-Guest
        (Get-Guest -State Suspended, Stopped).Name | Should -Be db
    }

    It 'is selected by a label of any value' {
        $null = Start-Guest labelled -Memory 32MB -Label kept=yes
        (Get-Guest -Label kept).Name | Should -Be labelled
        (Get-Guest -Label kept, other).Name | Should -BeNullOrEmpty
        (Get-ErrorOf { Set-Guest labelled -Label kept }).Id | Should -Be ParameterArgumentTransformationError
        (Get-ErrorOf { Get-Guest -Label '=' }).Id | Should -Be ParameterArgumentTransformationError
        Remove-Guest labelled -Force
    }

    It 'refuses labels that are none' {
        { Set-Guest web -Label nonsense } | Should -Throw -ExpectedMessage '*role=web*'
    }

    It 'keeps them through a restart' {
        $null = $web | Restart-Guest
        $web.Notes | Should -Be first
        $web.Labels['role'] | Should -Be web
    }

    It 'gives a guest that is <State> another share of the CPU, which stays through a restart and another name' -ForEach @(
        @{ State = 'Running'; Ready = { } }
        @{ State = 'Suspended'; Ready = { $null = Suspend-Guest web } }
        @{ State = 'Stopped'; Ready = { $null = Stop-Guest web -Force } }
    ) {
        & $Ready
        $web.CpuWeight, $web.CpuLimit | Should -Be 100, $null
        (Set-Guest web -CpuWeight 300 -CpuLimit 0.5 -PassThru).CpuWeight | Should -Be 300
        $web.State | Should -Be $State
        $null = Restart-Guest web -Force
        $null = Rename-Guest web front
        $web.CpuWeight, $web.CpuLimit | Should -Be 300, 0.5
        Set-Guest front -CpuLimit '2'
        $web.CpuWeight, $web.CpuLimit | Should -Be 300, 2
        ($web | Format-List | Out-String) -replace ' +' | Should -Match '(?s)CpuWeight:300\s+CpuLimit:2\s'
        $db.CpuWeight, $db.CpuLimit | Should -Be 100, $null
    }

    It 'lifts a limit by <Limit>' -ForEach @{ Limit = 0 }, @{ Limit = $null } {
        Set-Guest * -CpuLimit 0.25
        Set-Guest * -CpuLimit $Limit
        $web.CpuLimit, $db.CpuLimit | Should -Be $null, $null
        $web.CpuWeight | Should -Be 100 -Because 'what is not named stays'
        $web | Format-List | Out-String | Should -Not -Match CpuLimit
    }

    It 'holds a guest to its limit and says how often' {
        $null = $web | Wait-Guest -ForText GUEST-UP -Timeout 60
        (Measure-Guest web).Exits.Throttled | Should -Be 0
        Set-Guest web -CpuLimit 0.05
        $web | Send-GuestConsole 'spin 1000000'
        $until = [datetime]::UtcNow.AddMinutes(1)
        while ((Measure-Guest web).Exits.Throttled -lt 3 -and [datetime]::UtcNow -lt $until) { Start-Sleep -Milliseconds 50 }
        (Measure-Guest web).Exits.Throttled | Should -BeGreaterOrEqual 3
        Measure-Guest web | Format-List | Out-String | Should -Match 'throttled [1-9]'
    }

    It 'refuses <Name> <Value> and changes nothing, in <Culture>' -ForEach @(
        @{ Name = 'CpuWeight'; Value = 0; Id = 'CpuWeightInvalid'; Culture = 'en-US' }
        @{ Name = 'CpuWeight'; Value = 10001; Id = 'CpuWeightInvalid'; Culture = 'en-US' }
        @{ Name = 'OwnMemoryLimit'; Value = -1; Id = 'OwnMemoryLimitInvalid'; Culture = 'en-US' }
        @{ Name = 'OwnMemoryLimit'; Value = 4; Id = 'OwnMemoryLimitInvalid'; Culture = 'de-DE' }
        @{ Name = 'OwnMemoryLimit'; Value = '64 parsecs'; Id = 'ParameterArgumentTransformationError'; Culture = 'en-US' }
        @{ Name = 'OwnMemoryAction'; Value = 'Kill'; Id = 'CannotConvertArgumentNoMessage'; Culture = 'en-US' }
        @{ Name = 'CpuLimit'; Value = -1; Id = 'CpuLimitInvalid'; Culture = 'en-US' }
        @{ Name = 'CpuLimit'; Value = 0.001; Id = 'CpuLimitInvalid'; Culture = 'de-DE' }
        @{ Name = 'CpuLimit'; Value = [double]::NaN; Id = 'CpuLimitInvalid'; Culture = 'en-US' }
        @{ Name = 'CpuLimit'; Value = '0,5'; Id = 'ParameterArgumentTransformationError'; Culture = 'en-US' }
        @{ Name = 'CpuLimit'; Value = '0,5'; Id = 'ParameterArgumentTransformationError'; Culture = 'de-DE' }
    ) {
        $before = [cultureinfo]::CurrentCulture
        try {
            [cultureinfo]::CurrentCulture = $Culture
            $parameters = @{ $Name = $Value }
            (Get-ErrorOf { Set-Guest web @parameters -Notes other }).Id | Should -Be $Id
            (Get-ErrorOf { Set-Guest web @parameters -WhatIf }).Id | Should -Be $Id
        }
        finally {
            [cultureinfo]::CurrentCulture = $before
        }

        $web.CpuWeight, $web.CpuLimit, $web.Notes | Should -Be 100, $null, first
    }

    It 'suspends a guest that takes more memory than its limit, says so with the next cmdlet, and lets it go on with a higher one' {
        $null = $web, $db | Wait-Guest -ForText GUEST-UP -Timeout 60
        Set-Guest * -OwnMemoryLimit '8 MiB'
        $web | Send-GuestConsole 'touch 100000'
        $warnings = & { $web | Wait-Guest -State Suspended -Timeout 60; Get-Guest -State Suspended } 3>&1 | Where-Object { $_ -is [Management.Automation.WarningRecord] }
        "$warnings" | Should -BeLike '*`[OwnMemoryLimitPassed`] Guest web is suspended: its own memory of * passed its limit of 8 MiB*'
        $web.SuspendReason | Should -BeLike 'its own memory of * passed its limit of 8 MiB'
        $web | Format-Table | Out-String -Width 200 | Should -BeLike '*web*Suspended*its own memory of*'
        ($web | Format-List | Out-String) -replace ' +' | Should -Match '(?s)SuspendReason:itsown.*OwnMemoryLimit:8MiB,thenSuspend'
        (Measure-Guest web).OwnMemoryLimit | Should -Be 8MB
        $db.State | Should -Be Running

        foreach ($whatIf in $true, $false) {
            $refusal = Get-ErrorOf { Resume-Guest web -WhatIf:$whatIf }
            $refusal.Id | Should -Be OwnMemoryLimitPassed
            $refusal.Message | Should -BeLike "Expected guest 'web' to have at most 8 MiB of own memory, found *"
        }

        Set-Guest web -OwnMemoryLimit 64MB
        $null = Resume-Guest web
        $null = $web | Wait-Guest -ForText 'touch: pages=' -Timeout 60
        $web.State, $web.SuspendReason | Should -Be Running, $null
    }

    It 'stops a guest that takes too much, when that is wanted' {
        $null = $web | Wait-Guest -ForText GUEST-UP -Timeout 60
        Set-Guest web -OwnMemoryLimit 8MB -OwnMemoryAction stop
        $web | Send-GuestConsole 'touch 100000'
        $null = $web | Wait-Guest -State Stopped -Timeout 60
        $web.StopReason | Should -BeLike 'stopped by the host: its own memory of * passed its limit of 8 MiB'
    }

    It 'lifts a limit of memory by <Limit>' -ForEach @{ Limit = 0 }, @{ Limit = $null }, @{ Limit = '' } {
        Set-Guest * -OwnMemoryLimit 1GB
        $web.OwnMemoryLimit | Should -Be 1GB
        Set-Guest * -OwnMemoryLimit $Limit
        $web.OwnMemoryLimit, $db.OwnMemoryLimit | Should -Be $null, $null
        $web | Format-List | Out-String | Should -Not -Match OwnMemory
    }

    It 'changes nothing under -WhatIf' {
        Set-Guest web -Notes second -CpuWeight 7 -WhatIf
        $web.Notes, $web.CpuWeight | Should -Be first, 100
    }
}
