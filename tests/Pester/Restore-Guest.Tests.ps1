BeforeAll {
    . "$PSScriptRoot/Common.ps1"
    $source = Start-Guest -Name web -Memory 32MB | Wait-Guest -ForText 'GUEST-UP' -Timeout 60
    $template = $source | Checkpoint-Guest -Path "$TestDrive/web" -Digest
    $uuid = $source.Uuid
    $source | Remove-Guest -Force
}

Describe 'Restore-Guest' {
    AfterEach { Clear-PsVm }

    It 'lets the guest go on, as the one it was' {
        $guest = Restore-Guest "$TestDrive/web"
        $guest | Should -BeOfType PsVm.Guest
        $guest.Name | Should -Be web
        $guest.Uuid | Should -Be $uuid
        $guest.Template | Should -Be $template.Path
        $guest | Wait-Guest -ForText 'TICK' -Timeout 60 | Should -Not -BeNullOrEmpty
        $guest | Receive-GuestConsole | Should -Not -Contain 'GUEST-UP'
    }

    It 'takes templates from the pipeline and another name' {
        ($template | Restore-Guest).Name | Should -Be web
        ($template | Restore-Guest -Name again -Verify).Name | Should -Be again
    }

    It 'opens the RAM <FileAccessMode> and discards by <DiscardPolicy>' -ForEach @(
        @{ FileAccessMode = 'ReadOnly'; DiscardPolicy = 'Deny' }
        @{ FileAccessMode = 'Auto'; DiscardPolicy = 'RestoreTemplate' }
    ) {
        $outcome = (Restore-Guest $template -FileAccessMode $FileAccessMode -DiscardPolicy $DiscardPolicy).Backends[0]
        $outcome.RequestedMode | Should -Be $FileAccessMode
        $outcome.EffectiveMode | Should -Be ReadOnly
        $outcome.EffectiveDiscardPolicy | Should -Be $DiscardPolicy
    }

    It 'keeps discards from the RAM when told to' {
        (Restore-Guest $template -DenyPrivateDiscard).Backends[0].EffectiveDiscardPolicy | Should -Be Deny
    }

    It 'refuses a name that is taken' {
        $null = Restore-Guest $template
        (Get-ErrorOf { Restore-Guest $template }).Id | Should -Be GuestNameInUse
    }

    It 'says <Id> for <Because>' -ForEach @(
        @{ Id = 'TemplateNotFound'; Because = 'a path without a template'; With = @{ Path = './missing' } }
        @{ Id = 'PathNotFileSystem'; Because = 'a path of another provider'; With = @{ Path = 'Env:/web' } }
    ) {
        (Get-ErrorOf { Restore-Guest @With }).Id | Should -Be $Id
    }

    It 'refuses to punch holes into the template' {
        (Get-ErrorOf { Restore-Guest $template -DiscardPolicy PunchHole }).Id | Should -Be TemplateDiscardPolicy
    }

    It 'starts nothing under -WhatIf' {
        Restore-Guest $template -WhatIf | Should -BeNullOrEmpty
        Get-Guest | Should -BeNullOrEmpty
    }
}
