BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Reset-GuestDisk' {
    BeforeEach {
        $image = New-TestImage "$TestDrive/$([guid]::NewGuid()).img"
        $null = Start-Guest web -Memory 32MB -Disk @{ Path = $image; Name = 'a'; Overlay = 'Memory' }, @{ Path = New-TestImage "$TestDrive/$([guid]::NewGuid()).img"; Name = 'b' }
    }

    AfterEach { Clear-PsVm }

    It 'drops what is over the image of a guest that is off' {
        Stop-Guest web -Force
        $disk = Reset-GuestDisk web a
        $disk.Name, $disk.OverlayBytes | Should -Be a, 0
        $null = Start-Guest web
    }

    It 'refuses a guest that runs, a disk without an overlay, and one that is not there' {
        (Get-ErrorOf { Reset-GuestDisk web a }).Id | Should -Be GuestNotStopped
        Stop-Guest web -Force
        (Get-ErrorOf { Reset-GuestDisk web b }).Id | Should -Be DiskOverlayMissing
        (Get-ErrorOf { Reset-GuestDisk web c }).Id | Should -Be GuestDiskNotFound
        Reset-GuestDisk web a -WhatIf | Should -BeNullOrEmpty
    }
}
