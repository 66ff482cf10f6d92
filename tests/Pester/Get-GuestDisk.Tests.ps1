BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Get-GuestDisk' {
    BeforeAll {
        $root = New-TestImage "$TestDrive/root.img"; $data = New-TestImage "$TestDrive/data.img" 2MB
        $web = Start-Guest web -Memory 32MB -Disk $root, @{ Path = $data; Name = 'data'; Overlay = 'memory' }
        $null = Start-Guest bare -Memory 32MB
    }

    AfterAll { Clear-PsVm }

    It 'gives disks by guest and name, each with how its image is open and why' {
        (Get-GuestDisk).Name | Should -Be disk0, data
        (Get-GuestDisk web data).Path | Should -Be $data
        ($web | Get-GuestDisk -DiskName d*a).Name | Should -Be data
        (Get-GuestDisk bare) | Should -BeNullOrEmpty
        $first, $second = Get-GuestDisk web
        $first.EffectiveMode, $first.Overlay, $first.Size | Should -Be ReadWrite, None, 1MB
        $second.EffectiveMode, $second.Overlay, $second.OverlayBytes, $second.TemplateBytes | Should -Be ReadOnly, Memory, 0, 0
        $second.Reason | Should -Match overlay
    }

    It 'shows them as a table' {
        (Get-GuestDisk web | Out-String -Width 200) | Should -Match '(?m)^web +data +2 MiB +False +Memory +0 B +0 '
    }

    It 'says that there is no such guest' {
        (Get-ErrorOf { Get-GuestDisk wbe }).Id | Should -Be GuestNotFound
    }
}

Describe 'Start-Guest -Disk' {
    BeforeEach { $image = New-TestImage "$TestDrive/$([guid]::NewGuid()).img" }
    AfterEach { Clear-PsVm }

    It 'takes an image as <What>' -ForEach @(
        @{ What = 'a path'; Make = { $image } }
        @{ What = 'a relative path'; Make = { [IO.Path]::GetRelativePath($PWD, $image) } }
        @{ What = 'a file'; Make = { Get-Item $image } }
        @{ What = 'a dictionary'; Make = { @{ path = $image; NAME = 'disk0'; readonly = $false } } }
        @{ What = 'a row'; Make = { [pscustomobject] @{ Path = $image } } }
    ) {
        $null = Start-Guest one -Memory 32MB -Disk (& $Make)
        $disk = Get-GuestDisk one
        $disk.Name, $disk.Path | Should -Be disk0, $image
        (Get-Guest one).MachineType | Should -Be virt-1.4
    }

    It 'refuses <Text>' -ForEach @(
        @{ Text = 'a key that there is not'; Disk = @{ Pfad = 'x' }; Message = "*found 'Pfad'*" }
        @{ Text = 'no path'; Disk = @{ Name = 'x' }; Message = '*the Path of its image*' }
        @{ Text = 'an overlay in a file without one'; Disk = @{ Path = 'x'; Overlay = 'File' }; Message = '*Auto, None, Memory*File*' }
        @{ Text = 'a number'; Disk = 7; Message = "*found '7'*" }
    ) {
        $found = Get-ErrorOf { Start-Guest -Memory 32MB -Disk $Disk }
        $found.Message | Should -BeLike $Message
        Get-Guest | Should -BeNullOrEmpty
    }

    It 'says what is wrong with an image' {
        (Get-ErrorOf { Start-Guest -Memory 32MB -Disk "$TestDrive/none.img" }).Id | Should -Be DiskNotFound
        (Get-ErrorOf { Start-Guest -Memory 32MB -Disk (New-TestImage "$TestDrive/odd.img" 1000) }).Id | Should -Be DiskSizeInvalid
        (Get-ErrorOf { Start-Guest -Memory 32MB -Disk $image -MachineType virt-1.2 }).Id | Should -Be GuestSlotsMissing
        $null = Start-Guest one -Memory 32MB -Disk $image
        (Get-ErrorOf { Start-Guest two -Memory 32MB -Disk $image }).Id | Should -Be DiskInUse
        (Get-ErrorOf { Start-Guest two -Memory 32MB -Disk $image -WhatIf }).Id | Should -Be DiskInUse
    }

    It 'keeps writes in a file that the next guest goes on with, over the same image alone' {
        Push-Location $TestDrive
        try {
            $null = Start-Guest one -Memory 32MB -Disk @{ Path = $image; Overlay = 'one.overlay' }
        } finally {
            Pop-Location
        }
        $disk = Get-GuestDisk one
        $disk.Overlay, $disk.OverlayPath, $disk.OverlayBytes, $disk.EffectiveMode | Should -Be File, (Join-Path $TestDrive one.overlay), 0, ReadOnly
        (Get-ErrorOf { Start-Guest two -Memory 32MB -Disk @{ Path = $image; Overlay = Get-Item "$TestDrive/one.overlay" } }).Id | Should -Be DiskInUse
        Remove-Guest one -Force
        $null = Start-Guest two -Memory 32MB -Disk @{ Path = $image; Overlay = Get-Item "$TestDrive/one.overlay" }
        $other = New-TestImage "$TestDrive/$([guid]::NewGuid()).img"
        (Get-ErrorOf { Start-Guest -Memory 32MB -Disk @{ Path = $other; Overlay = "$TestDrive/two.overlay" } -WhatIf }).Id | Should -BeNullOrEmpty
        Test-Path "$TestDrive/two.overlay" | Should -BeFalse
        Remove-Guest two -Force
        (Get-ErrorOf { Start-Guest -Memory 32MB -Disk @{ Path = $other; Overlay = "$TestDrive/one.overlay" } }).Id | Should -Be DiskOverlayMismatch
        (Get-ErrorOf { Start-Guest -Memory 32MB -Disk @{ Path = $image; Overlay = $other } }).Id | Should -Be DiskOverlayInvalid
        (Get-ErrorOf { Start-Guest -Memory 32MB -Disk @{ Path = $image; Overlay = "$TestDrive/none/x" } }).Id | Should -Be DiskOverlayNotOpened
    }

    It 'takes True and False of a file of rows for what they say, and nothing else for a switch' {
        "Path,ReadOnly`n$image,False" | Set-Content "$TestDrive/disks.csv"
        $null = Start-Guest one -Memory 32MB -Disk (Import-Csv "$TestDrive/disks.csv")
        (Get-GuestDisk one).ReadOnly | Should -BeFalse
        $null = Start-Guest two -Memory 32MB -SharedFolder @{ Path = "$TestDrive"; Tag = 'code'; ReadOnly = 'true' }
        (Get-GuestSharedFolder two).ReadOnly | Should -BeTrue
        $found = Get-ErrorOf { Start-Guest -Memory 32MB -Disk @{ Path = $image; ReadOnly = 'no' } }
        $found.Message | Should -BeLike "*ReadOnly of a disk: Expected True or False, found 'no'*"
        $found = Get-ErrorOf { Start-Guest -Memory 32MB -Disk @{ Path = $image; Overlay = $true } }
        $found.Message | Should -BeLike '*as Overlay of a disk Auto, None, Memory, or the path of a file, found True*'
    }

    It 'gives clones, copies, pools and a restored guest overlays of their own' {
        $null = Start-Guest one -Memory 32MB -Disk @{ Path = $image; Overlay = 'Memory' } | Wait-Guest -ForText GUEST-UP -Timeout 60
        $template = Checkpoint-Guest one -Path "$TestDrive/$([guid]::NewGuid())"
        $template.Disks.Name, $template.Slots | Should -Be disk0, disk:disk0
        (Get-ErrorOf { Start-Guest -Template $template }).Id | Should -Be TemplateDiskMissing
        $other = New-TestImage "$TestDrive/$([guid]::NewGuid()).img"
        (Get-ErrorOf { Start-Guest -Template $template -Disk $other }).Id | Should -Be TemplateDiskMismatch
        $clones = @(Start-Guest -Template $template -Count 2 -Disk $image) + @(Copy-Guest one) + @(Restore-Guest $template other -Disk $image)
        $null = New-GuestPool $template -Name pool -Size 1 -Disk (Get-GuestDisk one)
        $clones += Start-Guest -Pool pool
        ($clones | Get-GuestDisk).Overlay | Should -Be (@('Memory') * 5)
    }
}
