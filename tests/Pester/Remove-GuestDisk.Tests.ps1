BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Remove-GuestDisk' {
    BeforeEach {
        $image = New-TestImage "$TestDrive/$([guid]::NewGuid()).img"
        $null = Start-Guest web -Memory 32MB -Disk @{ Path = $image; Name = 'a' }, @{ Path = New-TestImage "$TestDrive/$([guid]::NewGuid()).img"; Name = 'b'; Overlay = 'Memory' }
    }

    AfterEach { Clear-PsVm }

    It 'takes disks from a guest that is off, and their images are free' {
        Stop-Guest web -Force
        Remove-GuestDisk web a | Should -BeNullOrEmpty
        $null = Start-Guest other -Memory 32MB -Disk $image
        $null = Start-Guest web | Wait-Guest -ForText GUEST-UP -Timeout 60
        (Get-GuestDisk web).Name | Should -Be b
        Stop-Guest web -Force
        Remove-GuestDisk web *
        Get-GuestDisk web | Should -BeNullOrEmpty
        $null = Start-Guest web
    }

    It 'refuses a guest that runs, and a disk that it has not' {
        (Get-ErrorOf { Remove-GuestDisk web a }).Id | Should -Be GuestNotStopped
        Stop-Guest web -Force
        (Get-ErrorOf { Remove-GuestDisk web c }).Id | Should -Be GuestDiskNotFound
        Remove-GuestDisk web c*
        Remove-GuestDisk web * -WhatIf
        (Get-GuestDisk web).Name | Should -Be a, b
    }
}
