BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Restart-Guest' {
    AfterEach { Clear-PsVm }

    It 'starts a guest again as the same guest, and its console goes on' {
        $guest = Start-Guest -Name web -Memory 32MB | Wait-Guest -ForText GUEST-UP -Timeout 60
        $again = $guest | Restart-Guest -Timeout 60
        $guest | Receive-GuestConsole -All | Should -Contain 'off: powering off' -Because 'it was asked'
        $again | Should -Be $guest
        $again.State | Should -Be Running
        while (([regex]::Matches(($again | Receive-GuestConsole -All) -join "`n", 'GUEST-UP')).Count -lt 2) { Start-Sleep -Milliseconds 20 }
        $guest.Uptime | Should -BeLessThan 0:0:50 -Because 'the handle shows the new life'
    }

    It 'starts one that has stopped, by name, pattern and object' {
        $guests = 'a', 'b' | ForEach-Object { Start-Guest -Name $_ -Memory 32MB }
        $null = $guests | Stop-Guest -Force
        (Restart-Guest a).State | Should -Be Running
        $null = Get-Guest | Stop-Guest -Force
        (Restart-Guest *).Name | Should -Be a, b
    }

    It 'changes nothing under -WhatIf' {
        $guest = Start-Guest -Name web -Memory 32MB
        $began = $guest.StartedAt
        Restart-Guest web -WhatIf
        $guest.StartedAt | Should -Be $began
    }

    It 'foretells under -WhatIf that a guest which <Case> would not start again' -ForEach @(
        @{ Case = 'runs'; Stop = { } }
        @{ Case = 'has stopped'; Stop = { $null = Stop-Guest web -Force } }
    ) {
        $null = New-TestTemplate "$TestDrive/t"
        $web, $db = 'web', 'db' | ForEach-Object { Start-Guest -Name $_ -Template "$TestDrive/t" }
        $null = New-MemoryBackend -Id own -Size 32MB | Start-Guest -Name fine
        & $Stop
        (Get-ErrorOf { Restart-Guest * -WhatIf }).Id | Should -BeNullOrEmpty -Because 'what a guest has it has again'
        Remove-GuestTemplate "$TestDrive/t" -Confirm:$false
        foreach ($force in $false, $true) {
            $problems = $null
            Restart-Guest * -WhatIf -Force:$force -ErrorAction SilentlyContinue -ErrorVariable problems
            ($problems.FullyQualifiedErrorId -split ',')[0, 2] | Should -Be TemplateNotFound, TemplateNotFound -Because "-Force:$force"
            $problems | Should -HaveCount 2
        }

        $db.State | Should -Be Running
    }

    It 'says that there is no such guest' {
        (Get-ErrorOf { Restart-Guest nope }).Id | Should -Be GuestNotFound
    }
}

Describe 'Start-Guest of a guest that has stopped' {
    BeforeEach { $guest = Start-Guest -Name web -Memory 32MB; $null = $guest | Stop-Guest -Force }
    AfterEach { Clear-PsVm }

    It 'starts it again, by <Case>' -ForEach @(
        @{ Case = 'name'; Command = { Start-Guest web } }
        @{ Case = 'object'; Command = { $guest | Start-Guest } }
        @{ Case = 'pattern'; Command = { Start-Guest w* } }
        @{ Case = 'Get-Guest'; Command = { Get-Guest -State Stopped | Start-Guest } }
    ) {
        $again = & $Command
        $again | Should -Be $guest
        $again.Memory | Should -Be 32MB
        $guest.State | Should -Be Running
    }

    It 'is refused while it runs' {
        $null = Start-Guest web
        (Get-ErrorOf { Start-Guest web }).Id | Should -Be GuestNameInUse
        (Get-ErrorOf { $guest | Start-Guest }).Id | Should -Be GuestNotStopped
    }

    It 'is no start again with options' {
        (Get-ErrorOf { Start-Guest web -Memory 64MB }).Id | Should -Be GuestNameInUse
        $guest.State | Should -Be Stopped
    }
}
