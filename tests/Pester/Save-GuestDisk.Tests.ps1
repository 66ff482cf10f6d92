BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Save-GuestDisk' {
    BeforeEach {
        $image = New-TestImage "$TestDrive/$([guid]::NewGuid()).img"
        $null = Start-Guest web -Memory 32MB -Disk @{ Path = $image; Name = 'a'; Overlay = "$image.overlay" }, @{ Path = New-TestImage "$TestDrive/$([guid]::NewGuid()).img"; Name = 'b' }
    }

    AfterEach { Clear-PsVm }

    It 'writes an overlay into its image, of a guest that runs and of one that is off' {
        $before = (Get-Item $image).LastWriteTimeUtc
        (Save-GuestDisk web a).OverlayBytes | Should -Be 0
        Stop-Guest web -Force
        $disk = Save-GuestDisk web a
        $disk.Name, $disk.Overlay, $disk.OverlayBytes | Should -Be a, File, 0
        Remove-Guest web
        $null = Start-Guest web -Memory 32MB -Disk @{ Path = $image; Overlay = "$image.overlay" }
    }

    It 'refuses <What>' -ForEach @(
        @{ What = 'a disk without an overlay'; Id = 'DiskOverlayMissing'; Do = { Save-GuestDisk web b } }
        @{ What = 'a disk that is not there'; Id = 'GuestDiskNotFound'; Do = { Save-GuestDisk web c } }
        @{ What = 'an image that another guest has'; Id = 'DiskInUse'; Do = { $null = Start-Guest two -Memory 32MB -Disk @{ Path = $image; ReadOnly = $true }; Save-GuestDisk web a } }
    ) {
        (Get-ErrorOf $Do).Id | Should -Be $Id
    }

    It 'tells bytes under -WhatIf' {
        Save-GuestDisk web a -WhatIf | Should -BeNullOrEmpty
        (Get-ErrorOf { Save-GuestDisk web b -WhatIf }).Id | Should -Be DiskOverlayMissing
    }
}
