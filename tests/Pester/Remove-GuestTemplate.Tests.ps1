BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Remove-GuestTemplate' {
    BeforeEach { $template = New-TestTemplate "$TestDrive/web" }

    AfterEach {
        Clear-PsVm
        Remove-Item "$TestDrive/*" -Recurse -Force
    }

    It 'removes a template' {
        $template | Remove-GuestTemplate | Should -BeNullOrEmpty
        "$TestDrive/web" | Should -Not -Exist
    }

    It 'leaves clones running' {
        $clone = Start-Guest -Template $template
        Remove-GuestTemplate "$TestDrive/web"
        $clone | Wait-Guest -ForText 'TICK' -Timeout 60 | Should -Not -BeNullOrEmpty
    }

    It 'leaves a RAM file that the template took over' {
        $ram = New-MemoryBackend "$TestDrive/shared.img" 32MB -Share
        $guest = $ram | Start-Guest -Name shared | Wait-Guest -ForText 'GUEST-UP' -Timeout 60
        $guest | Checkpoint-Guest -Path "$TestDrive/shared" -UseRamFile | Remove-GuestTemplate
        "$TestDrive/shared" | Should -Not -Exist
        "$TestDrive/shared.img" | Should -Exist
    }

    It 'does nothing under -WhatIf' {
        $template | Remove-GuestTemplate -WhatIf
        Test-GuestTemplate $template | Should -BeTrue
    }

    It 'says what is no template, and leaves it' {
        $null = New-Item -ItemType Directory "$TestDrive/other"
        (Get-ErrorOf { Remove-GuestTemplate "$TestDrive/other" }).Id | Should -Be TemplateIncomplete
        "$TestDrive/other" | Should -Exist
    }
}
