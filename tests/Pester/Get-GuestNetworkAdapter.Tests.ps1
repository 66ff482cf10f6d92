BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Get-GuestNetworkAdapter' {
    BeforeAll {
        $web = Start-Guest web -Memory 32MB -Network Hub:lan, @{ Backend = 'Hub'; Name = 'back'; Mac = '52:54:00:ab:cd:ef'; Mtu = 9000 }
        $null = Start-Guest bare -Memory 32MB
    }

    AfterAll { Clear-PsVm }

    It 'gives adapters by guest and name, with what they lead to and their counts' {
        (Get-GuestNetworkAdapter).Name | Should -Be net0, back
        (Get-GuestNetworkAdapter web back).Mac | Should -Be 52:54:00:ab:cd:ef
        ($web | Get-GuestNetworkAdapter -AdapterName b*k).Name | Should -Be back
        Get-GuestNetworkAdapter bare | Should -BeNullOrEmpty
        $first, $second = Get-GuestNetworkAdapter web
        $first.Guest, $first.Backend, $first.Network, $first.Mtu, $first.Connected | Should -Be web, Hub, lan, 1500, $true
        $second.Network, $second.Mtu, $second.LastFailure | Should -Be default, 9000, $null
        $second.ReceivedPackets, $second.SentBytes, $second.SentDropped | Should -Be 0, 0, 0
    }

    It 'shows them as a table' {
        (Get-GuestNetworkAdapter web | Out-String -Width 200) | Should -Match '(?m)^web +net0 +Hub +lan +[0-9a-f:]{17} +1500 +True +0 B +0 B'
    }

    It 'says that there is no such guest' {
        (Get-ErrorOf { Get-GuestNetworkAdapter wbe }).Id | Should -Be GuestNotFound
    }
}
