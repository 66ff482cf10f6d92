BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Add-GuestDisk' {
    BeforeEach {
        $image = New-TestImage "$TestDrive/$([guid]::NewGuid()).img"
        $null = Start-Guest web -Memory 32MB
    }

    AfterEach { Clear-PsVm }

    It 'gives a guest that is off a disk that it has when it starts again' {
        Stop-Guest web -Force
        $disk = Add-GuestDisk web $image
        $disk.Guest, $disk.Name, $disk.Path, $disk.EffectiveMode | Should -Be web, disk0, $image, ReadWrite
        (Get-ErrorOf { Start-Guest other -Memory 32MB -Disk $image }).Id | Should -Be DiskInUse
        $null = Start-Guest web | Wait-Guest -ForText GUEST-UP -Timeout 60
        (Get-Guest web).MachineType | Should -Be virt-1.4
        (Get-GuestDisk web).Name | Should -Be disk0
        Stop-Guest web -Force
        (Add-GuestDisk web @{ Path = New-TestImage "$TestDrive/2.img"; Overlay = "$TestDrive/2.overlay" }, (New-TestImage "$TestDrive/3.img")).Name |
            Should -Be disk1, disk2
        $null = Start-Guest web
        (Get-GuestDisk web).Overlay | Should -Be None, File, None
    }

    It 'refuses <What>' -ForEach @(
        @{ What = 'a guest that runs'; Id = 'GuestNotStopped'; Do = { Add-GuestDisk web $image } }
        @{ What = 'an image that is not there'; Id = 'DiskNotFound'; Do = { Stop-Guest web -Force; Add-GuestDisk web "$TestDrive/none.img" } }
        @{ What = 'a name twice'; Id = 'DiskNameInvalid'; Do = { Stop-Guest web -Force; $null = Add-GuestDisk web @{ Path = $image; Name = 'a' }; Add-GuestDisk web @{ Path = $image; Name = 'a' } } }
        @{ What = 'a guest that is not there'; Id = 'GuestNotFound'; Do = { Add-GuestDisk wbe $image } }
        @{
            What = 'more disks than slots'; Id = 'GuestSlotsMissing'
            Do = { Stop-Guest web -Force; Add-GuestDisk web (1..9 | ForEach-Object { New-TestImage "$TestDrive/$_-$([guid]::NewGuid()).img" }) | Out-Null }
        }
        @{
            What = 'a clone'; Id = 'TemplateDiskMissing'
            Do = { New-TestTemplate "$TestDrive/t-$([guid]::NewGuid())" | Set-Variable t; $null = Start-Guest clone -Template $t; Stop-Guest clone -Force; Add-GuestDisk clone $image }
        }
    ) {
        (Get-ErrorOf $Do).Id | Should -Be $Id
    }

    It 'says under -WhatIf what it would do, and changes nothing' {
        Stop-Guest web -Force
        Add-GuestDisk web @{ Path = $image; Overlay = "$TestDrive/if.overlay" } -WhatIf | Should -BeNullOrEmpty
        Get-GuestDisk web | Should -BeNullOrEmpty
        Test-Path "$TestDrive/if.overlay" | Should -BeFalse
        (Get-ErrorOf { Add-GuestDisk web "$TestDrive/none.img" -WhatIf }).Id | Should -Be DiskNotFound
    }
}
