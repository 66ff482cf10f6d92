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

    It 'types nothing under -WhatIf' {
        $guest | Send-GuestConsole -Text off -WhatIf
        Send-GuestConsole web check
        $null = $guest | Wait-Guest -ForText 'check: ok' -Timeout 60
        $guest.State | Should -Be Running
    }

    It 'says that the guest has stopped' {
        $null = Stop-Guest web
        (Get-ErrorOf { Send-GuestConsole web off }).Id | Should -Be GuestStopped
    }
}
