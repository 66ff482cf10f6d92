BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Add-GuestSharedFolder' {
    BeforeEach {
        $folder = (New-Item "$TestDrive/$([guid]::NewGuid())" -ItemType Directory).FullName
        $null = Start-Guest web -Memory 32MB
    }

    AfterEach { Clear-PsVm }

    It 'gives a guest that is off a folder that it has when it starts again' {
        Stop-Guest web -Force
        $shared = Add-GuestSharedFolder web $folder
        $shared.Guest, $shared.Tag, $shared.Path, $shared.ReadOnly | Should -Be web, folder0, $folder, $false
        (Add-GuestSharedFolder web "${folder}:code:ro", @{ Path = $folder; Tag = 'c' }).Tag | Should -Be code, c
        $null = Start-Guest web | Wait-Guest -ForText GUEST-UP -Timeout 60
        (Get-Guest web).MachineType | Should -Be virt-1.4
        (Get-GuestSharedFolder web).ReadOnly | Should -Be $false, $true, $false
    }

    It 'gives one that runs another folder where it has a slot without one' {
        $null = Start-Guest ci -Memory 32MB -SharedFolder "${folder}:work"
        (Get-ErrorOf { Add-GuestSharedFolder ci "${folder}:work" }).Id | Should -Be GuestNotStopped
        Remove-GuestSharedFolder ci work
        (Get-GuestSharedFolder ci).Path | Should -BeNullOrEmpty
        $other = (New-Item "$TestDrive/$([guid]::NewGuid())" -ItemType Directory).FullName
        Add-GuestSharedFolder ci $other -WhatIf
        (Get-GuestSharedFolder ci).Path | Should -BeNullOrEmpty
        $shared = Add-GuestSharedFolder ci @{ Path = $other; ReadOnly = $true }
        $shared.Tag, $shared.Path, $shared.ReadOnly | Should -Be work, $other, $true
    }

    It 'refuses <What>' -ForEach @(
        @{ What = 'a guest that runs'; Id = 'GuestNotStopped'; Do = { Add-GuestSharedFolder web $folder } }
        @{ What = 'a folder that is not there'; Id = 'SharedFolderUnavailable'; Do = { Stop-Guest web -Force; Add-GuestSharedFolder web "$TestDrive/none" } }
        @{
            What = 'a file'; Id = 'SharedFolderUnavailable'
            Do = { Stop-Guest web -Force; Set-Content "$TestDrive/file" x; Add-GuestSharedFolder web "$TestDrive/file" }
        }
        @{ What = 'a tag twice'; Id = 'SharedFolderTagInvalid'; Do = { Stop-Guest web -Force; Add-GuestSharedFolder web "${folder}:a", "${folder}:a" | Out-Null } }
        @{ What = 'a guest that is not there'; Id = 'GuestNotFound'; Do = { Add-GuestSharedFolder wbe $folder } }
        @{
            What = 'a clone'; Id = 'TemplateFolderMissing'
            Do = { New-TestTemplate "$TestDrive/t-$([guid]::NewGuid())" | Set-Variable t; $null = Start-Guest clone -Template $t; Stop-Guest clone -Force; Add-GuestSharedFolder clone $folder }
        }
    ) {
        (Get-ErrorOf $Do).Id | Should -Be $Id
    }

    It 'says under -WhatIf what it would do, and changes nothing' {
        Stop-Guest web -Force
        Add-GuestSharedFolder web $folder -WhatIf | Should -BeNullOrEmpty
        Get-GuestSharedFolder web | Should -BeNullOrEmpty
        (Get-ErrorOf { Add-GuestSharedFolder web "$TestDrive/none" -WhatIf }).Id | Should -Be SharedFolderUnavailable
    }
}
