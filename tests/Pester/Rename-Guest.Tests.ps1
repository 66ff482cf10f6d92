BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Rename-Guest' {
    BeforeEach { $web = Start-Guest -Name web -Memory 32MB; $null = Start-Guest -Name db -Memory 32MB }
    AfterEach { Clear-PsVm }

    It 'gives another name, and handles follow, by <Case>' -ForEach @(
        @{ Case = 'position'; Command = { Rename-Guest web front } }
        @{ Case = 'pipeline'; Command = { $web | Rename-Guest front } }
        @{ Case = 'pipeline of names'; Command = { 'web' | Rename-Guest -NewName front } }
        @{ Case = 'property name'; Command = { [pscustomobject] @{ Name = 'web'; NewName = 'front' } | Rename-Guest } }
    ) {
        (& $Command).Name | Should -Be front
        $web.Name | Should -Be front
        (Get-MemoryBackend front/ram.default).Guest | Should -Be front
        (Get-Guest).Name | Should -Be front, db
        ($web | Suspend-Guest).Name | Should -Be front
    }

    It 'refuses <Case>' -ForEach @(
        @{ Case = 'a name in use'; Command = { Rename-Guest web db }; Id = 'GuestNameInUse' }
        @{ Case = 'no name'; Command = { Rename-Guest web 'a b' }; Id = 'GuestNameInvalid' }
        @{ Case = 'an unknown guest'; Command = { Rename-Guest nope front }; Id = 'GuestNotFound' }
        @{ Case = 'no new name'; Command = { Rename-Guest web }; Id = 'ArgumentMissing' }
    ) {
        (Get-ErrorOf $Command).Id | Should -Be $Id
        (Get-ErrorOf ([scriptblock]::Create("$Command -WhatIf"))).Id | Should -Be $Id
        (Get-Guest).Name | Should -Be web, db
    }

    It 'changes nothing under -WhatIf' {
        Rename-Guest web front -WhatIf
        $web.Name | Should -Be web
    }
}
