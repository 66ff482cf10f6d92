BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Remove-GuestTemplate' {
    BeforeEach { $template = New-TestTemplate "$TestDrive/web" }

    AfterEach {
        Clear-PsVm
        Remove-Item "$TestDrive/*" -Recurse -Force
    }

    It 'removes a template' {
        $template | Remove-GuestTemplate -Confirm:$false | Should -BeNullOrEmpty
        "$TestDrive/web" | Should -Not -Exist
    }

    It 'leaves clones running' {
        $clone = Start-Guest -Template $template
        Remove-GuestTemplate "$TestDrive/web" -Confirm:$false
        $clone | Wait-Guest -ForText 'TICK' -Timeout 60 | Should -Not -BeNullOrEmpty
    }

    It 'leaves a RAM file that the template took over' {
        $ram = New-MemoryBackend "$TestDrive/shared.img" 32MB -Share
        $guest = $ram | Start-Guest -Name shared | Wait-Guest -ForText 'GUEST-UP' -Timeout 60
        $guest | Checkpoint-Guest -Path "$TestDrive/shared" -UseRamFile | Remove-GuestTemplate -Confirm:$false
        "$TestDrive/shared" | Should -Not -Exist
        "$TestDrive/shared.img" | Should -Exist
    }

    It 'asks, where it can' {
        $impact = (Get-Command Get-Guest -Module PsVm).ImplementingType.Assembly.GetExportedTypes().Where{ $_.Name -eq 'RemoveGuestTemplateCommand' }.ForEach{
            $_.GetCustomAttributes([System.Management.Automation.CmdletAttribute], $false).ConfirmImpact
        }
        $impact | Should -Be High
        { & "$PSScriptRoot/Invoke-Pwsh.ps1" -NoProfile -NonInteractive -Command "Import-Module '$((Get-Module PsVm).ModuleBase)/PsVm.psd1'; Remove-GuestTemplate '$TestDrive/web'" 2>&1 } |
            Should -Not -Throw
        "$TestDrive/web" | Should -Exist
    }

    It 'removes a damaged one, and nothing that is not ours' {
        Remove-Item "$TestDrive/web/template.json" -Force
        $null = New-Item -ItemType Directory "$TestDrive/mine"
        Set-Content "$TestDrive/mine/ram0.bin" x
        $problems = Get-ErrorOf { Remove-GuestTemplate "$TestDrive/web", "$TestDrive/mine" -Confirm:$false }
        $problems.Id | Should -Be TemplateIncomplete
        "$TestDrive/web" | Should -Not -Exist
        "$TestDrive/mine/ram0.bin" | Should -Exist
    }

    It 'does nothing under -WhatIf' {
        $template | Remove-GuestTemplate -WhatIf
        (Get-ErrorOf { Remove-GuestTemplate "$TestDrive/none" -WhatIf }).Id | Should -Be TemplateNotFound
        Test-GuestTemplate $template | Should -BeTrue
    }

    It 'says what is no template, and leaves it' {
        $null = New-Item -ItemType Directory "$TestDrive/other"
        (Get-ErrorOf { Remove-GuestTemplate "$TestDrive/other" -Confirm:$false }).Id | Should -Be TemplateIncomplete
        "$TestDrive/other" | Should -Exist
    }
}
