BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Get-Guest' {
    BeforeAll {
        'web-1', 'web-2', 'db' | ForEach-Object { $null = Start-Guest -Name $_ -Memory 32MB }
    }

    AfterAll { Clear-PsVm }

    It 'gives all, in the order of their start' {
        (Get-Guest).Name | Should -Be web-1, web-2, db
    }

    It 'gives those of a name or a pattern' {
        (Get-Guest db, WEB*).Name | Should -Be db, web-1, web-2
        Get-Guest nothing* | Should -BeNullOrEmpty
    }

    It 'takes names from the pipeline' {
        ('db', 'web-1' | Get-Guest).Name | Should -Be db, web-1
        ([pscustomobject]@{ Name = 'db' } | Get-Guest).Name | Should -Be db
    }

    It 'gives handles that live' {
        $guest = Get-Guest db
        $null = Stop-Guest db -Force
        $guest.State | Should -Be Stopped
    }

    It 'says that a name is unknown, and goes on' {
        $found = Get-Guest nope, web-1 -ErrorVariable problems -ErrorAction SilentlyContinue
        $found.Name | Should -Be web-1
        $problems[0].FullyQualifiedErrorId | Should -BeLike 'GuestNotFound,*'
    }

    It 'completes names' {
        (TabExpansion2 'Get-Guest WEB').CompletionMatches.CompletionText | Should -Be web-1, web-2
    }

    It 'tells whoever looks next of a guest that failed while nobody did: once in each session' {
        # Machine mode at the start of RAM: lui a0, 0x100; lui a1, 0x73; addi a1, a1, 0x333; sw a1, 0(a0); j .
        $program = 0x00100537, 0x000735b7, 0x33358593, 0x00b52023, 0x0000006f
        [IO.File]::WriteAllBytes("$TestDrive/fail.bin", [byte[]] $program.ForEach{ [BitConverter]::GetBytes([int] $_) }.ForEach{ $_ })
        $began = [DateTimeOffset]::UtcNow
        $guest = Start-Guest -Name failing -Memory 32MB -Firmware "$TestDrive/fail.bin"
        while ($guest.State -eq 'Running' -and [DateTimeOffset]::UtcNow - $began -lt '0:1') { Start-Sleep -Milliseconds 20 }

        $seen = Get-Guest failing -WarningVariable warnings -WarningAction SilentlyContinue
        $null = $guest | Measure-Guest -WarningVariable again
        $seen.StopReason | Should -Be 'the guest reported a failure, code 7'
        $seen.EndedAt | Should -BeGreaterThan $began
        $seen.Failure.Id | Should -Be GuestReportedFailure
        $warnings | Should -HaveCount 1
        "$warnings" | Should -BeLike '`[GuestReportedFailure`] Guest ''failing'' failed at *: the guest reported a failure, code 7'
        $again | Should -BeNullOrEmpty

        $other = [powershell]::Create().AddScript("Import-Module '$((Get-Module PsVm).ModuleBase)/PsVm.psd1'; Measure-Guest failing")
        try {
            $other.Invoke().Count | Should -Be 1
            "$($other.Streams.Warning)" | Should -Be "$warnings"
        }
        finally {
            $other.Dispose()
        }
    }

    It 'has what happened between two cmdlets in its log' {
        $guest = Start-Guest -Name logged -Memory 32MB | Wait-Guest -ForText 'GUEST-UP' -Timeout 60
        $log = @($guest | Send-GuestConsole -Text off -Verbose 4>&1)
        while ($guest.State -eq 'Running') { Start-Sleep -Milliseconds 20 }

        # Whichever of the two was the first to look after the end.
        $log += @(Get-MemoryBackend -Verbose 4>&1)
        "$($log.Message)" | Should -Match 'Guest logged stopped: powered off by the guest'
    }
}
