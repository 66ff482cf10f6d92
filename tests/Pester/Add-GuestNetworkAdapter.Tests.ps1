BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Add-GuestNetworkAdapter' {
    BeforeEach { $null = Start-Guest web -Memory 32MB }
    AfterEach { Clear-PsVm }

    It 'gives a guest that is off an adapter that it has when it starts again' {
        Stop-Guest web -Force
        $adapter = Add-GuestNetworkAdapter web Hub:lan
        $adapter.Guest, $adapter.Name, $adapter.Backend, $adapter.Network, $adapter.Connected | Should -Be web, net0, Hub, lan, $true
        $null = Start-Guest web | Wait-Guest -ForText GUEST-UP -Timeout 60
        (Get-GuestNetworkAdapter web).Mac | Should -Be $adapter.Mac
        Stop-Guest web -Force
        (Add-GuestNetworkAdapter web @{ Backend = 'Hub'; Name = 'back' }, (Get-GuestNetworkAdapter web net0).Options.Hub.Insert(0, 'Hub:')).Name | Should -Be back, net1
        $null = Start-Guest web
        (Get-GuestNetworkAdapter web).Network | Should -Be lan, default, lan
    }

    It 'refuses <What>' -ForEach @(
        @{ What = 'a guest that runs'; Id = 'GuestNotStopped'; Do = { Add-GuestNetworkAdapter web Hub } }
        @{ What = 'a TAP device that is not there'; Id = 'TapNotFound'; Do = { Stop-Guest web -Force; Add-GuestNetworkAdapter web Tap:psvm-none } }
        @{ What = 'what is no TAP device'; Id = 'TapInvalid'; Do = { Stop-Guest web -Force; Add-GuestNetworkAdapter web Tap:lo } }
        @{ What = 'a forward that is none'; Id = 'NetworkOptionConflict'; Do = { Stop-Guest web -Force; Add-GuestNetworkAdapter web @{ Backend = 'Passt'; Forward = '80' } } }
        @{ What = 'a port of the host twice'; Id = 'NetworkOptionConflict'; Do = { Stop-Guest web -Force; Add-GuestNetworkAdapter web @{ Backend = 'Passt'; Forward = '8080:80', '0.0.0.0:8080:81' } } }
        @{ What = 'a name twice'; Id = 'NetworkNameInvalid'; Do = { Stop-Guest web -Force; $null = Add-GuestNetworkAdapter web @{ Backend = 'Hub'; Name = 'a' }; Add-GuestNetworkAdapter web @{ Backend = 'Hub'; Name = 'a' } } }
        @{ What = 'a guest that is not there'; Id = 'GuestNotFound'; Do = { Add-GuestNetworkAdapter wbe Hub } }
        @{ What = 'more adapters than slots'; Id = 'GuestSlotsMissing'; Do = { Stop-Guest web -Force; Add-GuestNetworkAdapter web (@('Hub') * 9) | Out-Null } }
        @{
            What = 'a clone'; Id = 'TemplateNetworkMismatch'
            Do = { New-TestTemplate "$TestDrive/t-$([guid]::NewGuid())" | Set-Variable t; $null = Start-Guest clone -Template $t; Stop-Guest clone -Force; Add-GuestNetworkAdapter clone Hub }
        }
    ) {
        (Get-ErrorOf $Do).Id | Should -Be $Id
    }

    It 'says under -WhatIf what it would do, and changes nothing' {
        Stop-Guest web -Force
        Add-GuestNetworkAdapter web Hub -WhatIf | Should -BeNullOrEmpty
        Get-GuestNetworkAdapter web | Should -BeNullOrEmpty
        (Get-ErrorOf { Add-GuestNetworkAdapter web Tap:psvm-none -WhatIf }).Id | Should -Be TapNotFound
    }
}
