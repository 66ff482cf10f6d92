BeforeAll {
    . "$PSScriptRoot/Common.ps1"

    function Get-LogLine { Get-Content $log | ConvertFrom-Json }
}

Describe '-LogPath' {
    BeforeEach {
        $log = "$TestDrive/psvm.jsonl"
    }

    AfterEach {
        Get-Job | Remove-Job -Force
        Clear-PsVm
        Remove-Item "$TestDrive/*" -Recurse -Force
    }

    It 'has what happens to a guest, from its start on, whoever looks' {
        $guest = Start-Guest web -Memory 32MB -LogPath $log
        $asked, $started = Get-LogLine
        $asked.event, $asked.category, $asked.message | Should -Be Action, Start-Guest, "Start guest 'web': the embedded guest on 32 MiB of anonymous memory"
        $started.event, $started.level, $started.category, $started.guest | Should -Be GuestStarted, Information, PsVm.Guest, web
        $started.guestId | Should -Be "$($guest.Id)"
        $started.values.memoryBytes | Should -Be 32MB
        ($started.time -as [datetime]).ToUniversalTime() | Should -BeGreaterThan ([datetime]::UtcNow.AddMinutes(-5))

        Send-GuestConsole web off
        for ($i = 0; $i -lt 600 -and (Get-LogLine).event -notcontains 'GuestStopped'; $i++) { Start-Sleep -Milliseconds 100 }
        (Get-LogLine).event | Should -Be Action, GuestStarted, GuestStopped
    }

    It 'has the errors and warnings of cmdlets, in one file for many' {
        $null = New-TestTemplate "$TestDrive/t"
        $fleet = Start-Guest -Template "$TestDrive/t" -Count 3 -NameFormat 'web-{0}' -LogPath $log
        $null = Wait-Guest nope, web-1 -ForText TICK -Timeout 60 -LogPath $log -ErrorAction SilentlyContinue
        $null = Checkpoint-Guest web-1 "$TestDrive/t" -LogPath $log -ErrorAction SilentlyContinue
        $lines = Get-LogLine
        ($lines | Where-Object event -EQ GuestStarted).guest | Should -Be $fleet.Name
        $missing = $lines | Where-Object event -EQ GuestNotFound
        $missing.level, $missing.category, $missing.values.target | Should -Be Error, Wait-Guest, nope
        ($lines | Where-Object event -EQ CheckpointPathInUse).category | Should -Be Checkpoint-Guest
    }

    It 'is written by a job, too' {
        $null = Start-Guest web -Memory 32MB -LogPath $log -AsJob | Receive-Job -Wait
        (Get-LogLine).event | Should -Be Action, GuestStarted
    }

    It 'is for all cmdlets of a session by default, when told so as the help says' {
        (Get-Command -Module PsVm).ForEach{ $PSDefaultParameterValues["$($_.Name):LogPath"] = $log }
        try {
            $null = Start-Guest web -Memory 32MB | Wait-Guest -ForText 'GUEST-UP' -Timeout 60
            $null = New-MemoryBackend -Size 1MB -Id ram
            Remove-MemoryBackend ram
            $null = Stop-Guest web -Force
            Remove-Guest web
            Get-GuestTemplate ./none -ErrorAction SilentlyContinue
        }
        finally {
            (Get-Command -Module PsVm).ForEach{ $PSDefaultParameterValues.Remove("$($_.Name):LogPath") }
        }

        Get-LogLine | ForEach-Object { "$($_.category) $($_.event) $($_.guest)".Trim() } | Should -Be @(
            'Start-Guest Action', 'PsVm.Guest GuestStarted web', 'New-MemoryBackend Action', 'Remove-MemoryBackend Action', 'Stop-Guest Action'
            'PsVm.Guest GuestStopped web', 'Remove-Guest Action', 'PsVm.Guest GuestRemoved web', 'Get-GuestTemplate TemplateNotFound')
    }

    It 'has what a guest does that was restored or started again, too' {
        $null = New-TestTemplate "$TestDrive/t"
        $null = Restore-Guest "$TestDrive/t" front -LogPath $log
        $null = Start-Guest back -Memory 32MB | Restart-Guest -Force -LogPath $log
        Stop-Guest front, back -Force | Out-Null
        for ($i = 0; $i -lt 600 -and @((Get-LogLine).event -eq 'GuestStopped').Count -lt 3; $i++) { Start-Sleep -Milliseconds 100 }
        Get-LogLine | Where-Object event -Like Guest* | ForEach-Object { "$($_.event) $($_.guest)" } | Should -Be @(
            'GuestStarted front', 'GuestStopped back', 'GuestStarted back', 'GuestStopped front', 'GuestStopped back')
    }

    It 'ends the cmdlet before it does anything when it cannot be written: <Path>' -ForEach @(
        @{ Path = '.'; Id = 'LogPathInvalid' }
        @{ Path = './none/log'; Id = 'LogPathInvalid' }
        @{ Path = 'Env:/log'; Id = 'PathNotFileSystem' }
    ) {
        Push-Location $TestDrive
        try {
            { Start-Guest web -LogPath $Path -WhatIf } | Should -Throw -ErrorId "$Id*"
            { Start-Guest web -LogPath $Path } | Should -Throw -ErrorId "$Id*"
        }
        finally {
            Pop-Location
        }

        Get-Guest | Should -BeNullOrEmpty
        Get-ChildItem $TestDrive | Should -BeNullOrEmpty
    }

    It 'is not made under -WhatIf' {
        Start-Guest web -LogPath $log -WhatIf
        $log | Should -Not -Exist
    }

    It 'tells -Debug what a guest is made of, in sizes that people read' {
        $DebugPreference = 'Continue'
        $said = Start-Guest web -Memory 32MB 5>&1 | Where-Object { $_ -is [System.Management.Automation.DebugRecord] }
        "$said" | Should -BeLike '*GuestStarted of web: boot embedded guest, memory 32 MiB, harts 1*'
    }
}
