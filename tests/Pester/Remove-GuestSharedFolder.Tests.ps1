BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Remove-GuestSharedFolder' {
    BeforeEach {
        $folder = (New-Item "$TestDrive/$([guid]::NewGuid())" -ItemType Directory).FullName
        $null = Start-Guest web -Memory 32MB -SharedFolder "${folder}:a", "${folder}:b"
    }

    AfterEach { Clear-PsVm }

    It 'takes folders from a guest that runs, whose slots stay' {
        Remove-GuestSharedFolder web a | Should -BeNullOrEmpty
        (Get-GuestSharedFolder web).Path | Should -Be $null, $folder
        Stop-Guest web -Force
        $null = Start-Guest web | Wait-Guest -ForText GUEST-UP -Timeout 60
        (Get-GuestSharedFolder web).Path | Should -Be $null, $folder
    }

    It 'takes them and their slots from one that is off' {
        Stop-Guest web -Force
        Remove-GuestSharedFolder web a
        (Get-GuestSharedFolder web).Tag | Should -Be b
        Remove-GuestSharedFolder web *
        Get-GuestSharedFolder web | Should -BeNullOrEmpty
        $null = Start-Guest web
    }

    It 'refuses a folder that the guest has not' {
        (Get-ErrorOf { Remove-GuestSharedFolder web c }).Id | Should -Be GuestSharedFolderNotFound
        Remove-GuestSharedFolder web c*
        Remove-GuestSharedFolder web * -WhatIf
        (Get-GuestSharedFolder web).Path | Should -Be $folder, $folder
    }
}
