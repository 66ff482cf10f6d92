BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Start-Guest' {
    BeforeEach { Push-Location $TestDrive }

    AfterEach {
        Pop-Location
        Clear-PsVm
    }

    It 'boots the embedded guest on anonymous memory and returns at once' {
        $guest = Start-Guest
        $guest | Should -BeOfType PsVm.Guest
        $guest.State | Should -Be Running
        $guest.Memory | Should -Be 128MB
        $guest.Boot | Should -Be 'embedded guest'
        $null = $guest | Wait-Guest -ForText 'GUEST-UP' -Timeout 60
        $guest.Instructions | Should -BeGreaterThan 0
    }

    It 'boots on a private mapping of a file, which stays as it is' {
        New-MemoryBackend ./ram.img 64MB -Share | Remove-MemoryBackend
        $digest = (Get-FileHash ./ram.img).Hash

        $guest = Start-Guest -MemPath ./ram.img -Memory 32MB -Name web
        $null = $guest | Wait-Guest -ForText 'GUEST-UP' -Timeout 60

        $guest.Backends.Id | Should -Be ram.default
        $guest.Backends.Path | Should -Be ([IO.Path]::Combine($TestDrive, 'ram.img'))
        $guest.Backends.EffectiveMode | Should -Be ReadOnly
        $null = $guest | Stop-Guest
        (Get-FileHash ./ram.img).Hash | Should -Be $digest
    }

    It 'boots on a shared backend from the pipeline, which the guest writes' {
        $ram = New-MemoryBackend ./shared.img 32MB -Share
        $digest = (Get-FileHash ./shared.img).Hash
        $guest = $ram | Start-Guest -Name web
        $null = $guest | Wait-Guest -ForText 'GUEST-UP' -Timeout 60 | Stop-Guest
        (Get-FileHash ./shared.img).Hash | Should -Not -Be $digest
    }

    It 'makes up the RAM of several backends, given as objects or ids' {
        $low = New-MemoryBackend -Size 32MB -Id low
        $null = New-MemoryBackend -Size 16MB -Id high
        $guest = Start-Guest -MemoryBackend $low, high
        $guest.Memory | Should -Be 48MB
        $guest.Backends.Id | Should -Be low, high
    }

    It 'starts a guest for each item of the pipeline' {
        $guests = 1..2 | ForEach-Object { New-MemoryBackend -Size 32MB } | Start-Guest
        $guests | Should -HaveCount 2
    }

    It 'takes <Name> <Value>' -ForEach @(
        @{ Name = 'MachineType'; Value = 'virt-1.0' }
        @{ Name = 'Harts'; Value = 2 }
    ) {
        $parameters = @{ $Name = $Value }
        (Start-Guest @parameters).$Name | Should -Be $Value
    }

    It 'denies discards for the default RAM when told to' {
        [IO.File]::WriteAllBytes("$TestDrive/ram.img", [byte[]]::new(32MB))
        $parameters = @{ MemPath = './ram.img'; Memory = 32MB; MachineType = 'virt-1.0' }
        (Start-Guest @parameters).Backends.EffectiveMode | Should -Be ReadWrite
        (Start-Guest @parameters -DenyPrivateDiscard).Backends.EffectiveMode | Should -Be ReadOnly
    }

    It 'starts nothing under -WhatIf' {
        Start-Guest -WhatIf | Should -BeNullOrEmpty
        Get-Guest | Should -BeNullOrEmpty
    }

    It 'says <Id> for <Because>, and leaves nothing behind' -ForEach @(
        @{ Id = 'KernelNotFound'; Because = 'a missing kernel'; With = @{ Kernel = './missing' } }
        @{ Id = 'KernelNotRecognised'; Because = 'a kernel that is none'; With = @{ Kernel = './text' } }
        @{ Id = 'FirmwareNotFound'; Because = 'a missing firmware'; With = @{ Firmware = './missing' } }
        @{ Id = 'InitrdNotFound'; Because = 'a missing initrd'; With = @{ Kernel = './text'; Initrd = './missing' } }
        @{ Id = 'InitrdWithoutKernel'; Because = 'an initrd without a kernel'; With = @{ Initrd = './text' } }
        @{ Id = 'FileNotFound'; Because = 'a missing RAM file'; With = @{ MemPath = './missing' } }
        @{ Id = 'MachineTypeUnknown'; Because = 'an unknown machine'; With = @{ MachineType = 'pc' } }
        @{ Id = 'HartCountInvalid'; Because = 'too many harts'; With = @{ Harts = 100000 } }
        @{ Id = 'RamTooSmall'; Because = 'too little RAM'; With = @{ Memory = 4KB } }
        @{ Id = 'BackendNotFound'; Because = 'an unknown backend'; With = @{ MemoryBackend = 'nope' } }
        @{ Id = 'PathNotFileSystem'; Because = 'a path of another provider'; With = @{ Kernel = 'Env:/PATH' } }
        @{ Id = 'DefaultRamConflict'; Because = 'backends together with a path'; With = @{ MemoryBackend = 'nope'; MemPath = './ram.img' } }
        @{ Id = 'DefaultRamConflict'; Because = 'backends together with a size'; With = @{ MemoryBackend = 'nope'; Memory = 32MB } }
    ) {
        'no kernel at all' | Set-Content ./text
        (Get-ErrorOf { Start-Guest @With }).Id | Should -Be $Id
        Get-Guest | Should -BeNullOrEmpty
        Get-MemoryBackend | Should -BeNullOrEmpty
    }

    It 'refuses a name that is taken' {
        $null = Start-Guest web
        $found = Get-ErrorOf { Start-Guest WEB }
        $found.Id | Should -Be GuestNameInUse
        $found.Category | Should -Be ResourceExists
    }

    It 'refuses a backend that another guest has' {
        $ram = New-MemoryBackend -Size 32MB
        $null = $ram | Start-Guest
        (Get-ErrorOf { $ram | Start-Guest }).Id | Should -Be BackendInUse
    }

    It 'boots Linux on a shared RAM file' {
        $linux = $env:PSVM_LINUX_GUEST
        if (-not $linux -or -not (Test-Path "$linux/Image")) {
            Set-ItResult -Skipped -Because 'PSVM_LINUX_GUEST names no folder with a kernel (tests/guests/get-linux.sh makes one)'
            return
        }

        $ram = New-MemoryBackend -Path ./linux.img -Size 256MB -Share
        $guest = $ram | Start-Guest -Name linux -Kernel "$linux/Image" -Initrd "$linux/initramfs.cpio" -CommandLine 'console=ttyS0'
        $guest | Wait-Guest -ForText 'GUEST-UP' -Timeout 120 | Should -Not -BeNullOrEmpty
        $guest | Receive-GuestConsole | Select-String 'Linux version' | Should -Not -BeNullOrEmpty
        $null = $guest | Stop-Guest
        $ram | Remove-MemoryBackend
        Get-MemoryBackend | Should -BeNullOrEmpty
    }
}
