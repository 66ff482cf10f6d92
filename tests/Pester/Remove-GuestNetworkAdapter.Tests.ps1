BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Remove-GuestNetworkAdapter' {
    BeforeEach {
        $null = Start-Guest web -Memory 32MB -Network @{ Backend = 'Hub'; Name = 'a'; Mac = '52:54:00:00:00:0a' }, @{ Backend = 'Hub'; Name = 'b' }
    }

    AfterEach { Clear-PsVm }

    It 'takes adapters from a guest that is off, and their addresses are free' {
        Stop-Guest web -Force
        (Get-ErrorOf { Start-Guest other -Memory 32MB -Network @{ Backend = 'Hub'; Mac = '52:54:00:00:00:0a' } }).Id | Should -Be NetworkMacInUse
        Remove-GuestNetworkAdapter web a | Should -BeNullOrEmpty
        $null = Start-Guest other -Memory 32MB -Network @{ Backend = 'Hub'; Mac = '52:54:00:00:00:0a' }
        $null = Start-Guest web | Wait-Guest -ForText GUEST-UP -Timeout 60
        (Get-GuestNetworkAdapter web).Name | Should -Be b
        Stop-Guest web -Force
        Remove-GuestNetworkAdapter web *
        Get-GuestNetworkAdapter web | Should -BeNullOrEmpty
        $null = Start-Guest web
    }

    It 'refuses a guest that runs, and an adapter that it has not' {
        (Get-ErrorOf { Remove-GuestNetworkAdapter web a }).Id | Should -Be GuestNotStopped
        Stop-Guest web -Force
        (Get-ErrorOf { Remove-GuestNetworkAdapter web c }).Id | Should -Be GuestNetworkAdapterNotFound
        Remove-GuestNetworkAdapter web c*
        Remove-GuestNetworkAdapter web * -WhatIf
        (Get-GuestNetworkAdapter web).Name | Should -Be a, b
    }
}
