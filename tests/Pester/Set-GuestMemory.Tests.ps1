BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Set-GuestMemory' {
    AfterEach { Clear-PsVm }

    It 'leaves a guest alone that has all its RAM, and passes it on' {
        $null = Start-Guest web -Memory 32MB
        Set-GuestMemory web -Target 32MB | Should -BeNullOrEmpty
        (Get-Guest web | Set-GuestMemory -Target '32 MiB' -PassThru).Name | Should -Be web
        (Set-GuestMemory -Guest web -Target 32MB -PassThru).Balloon | Should -BeNullOrEmpty
    }

    It 'refuses <Because>' -ForEach @(
        @{ Id = 'GuestBalloonMissing'; Because = 'a guest without a balloon'; With = @{}; Target = 24MB }
        @{ Id = 'GuestBalloonUnused'; Because = 'a guest without a driver'; With = @{ Balloon = $true }; Target = 24MB }
        @{ Id = 'GuestMemoryTargetInvalid'; Because = 'a target above its RAM'; With = @{ Balloon = $true }; Target = 33MB }
    ) {
        $null = Start-Guest web -Memory 32MB @With
        foreach ($whatIf in $true, $false) {
            $found = Get-ErrorOf { Set-GuestMemory web -Target $Target -WhatIf:$whatIf }
            $found.Id | Should -Be $Id
            "$($found.Message)" | Should -BeLike '*expected*found*'
        }
    }

    It 'refuses a target that is no size' -ForEach 0, -1, 'much' {
        $null = Start-Guest web -Memory 32MB
        (Get-ErrorOf { Set-GuestMemory web -Target $_ }).Id | Should -BeIn ParameterArgumentValidationError, ParameterArgumentTransformationError
    }

    It 'is shown by the guest, and the guest is refused where its RAM may not be discarded' {
        $web = Start-Guest web -Memory 32MB -Balloon
        "$($web.Balloon)" | Should -Be '0 B'
        $web.MachineType | Should -Be virt-1.4
        ($web | Format-List | Out-String) -replace ' +' | Should -Match 'Balloon:0B,0Bgivenback,nodriver'
        (Measure-Guest web).Balloon.Target | Should -Be 32MB
        $null = New-MemoryBackend $TestDrive/ram.img 32MB -Share | Remove-MemoryBackend
        $refused = Get-ErrorOf { Start-Guest db -MemPath $TestDrive/ram.img -Memory 32MB -DenyPrivateDiscard -Balloon }
        $refused.Id | Should -Be ConsumerNeedsDiscard
        (Get-ErrorOf { Start-Guest db -MemPath $TestDrive/ram.img -Memory 32MB -DenyPrivateDiscard -Balloon -WhatIf }).Id | Should -Be ConsumerNeedsDiscard
    }

    It 'has Linux give RAM up and take it back, and waits for that' {
        if (-not $env:PSVM_LINUX_GUEST -or -not (Test-Path "$env:PSVM_LINUX_GUEST/modules/virtio_balloon.ko.xz")) {
            Set-ItResult -Skipped -Because 'PSVM_LINUX_GUEST names no folder that tests/guests/get-linux.sh has made'
            return
        }

        $boot = @{ Kernel = "$env:PSVM_LINUX_GUEST/Image"; Initrd = "$env:PSVM_LINUX_GUEST/initramfs.cpio"; CommandLine = 'console=ttyS0' }
        $null = Start-Guest linux -Memory 128MB -Balloon @boot | Wait-Guest -ForPattern '^~ # ' -Timeout 120
        $linux = Set-GuestMemory linux -Target 112MB -PassThru
        $linux.Balloon.Size, $linux.Balloon.Target | Should -Be 16MB, 112MB
        (Measure-Guest linux).Available | Should -BeGreaterThan 1MB
        (Get-ErrorOf { Set-GuestMemory linux -Target 20MB }).Id | Should -Be GuestMemoryTargetInvalid
        $null = $linux | Suspend-Guest
        (Get-ErrorOf { Set-GuestMemory linux -Target 120MB -Timeout 0.2 }).Id | Should -Be GuestMemoryTargetNotReached
        $null = $linux | Resume-Guest
        Set-GuestMemory linux -Target 128MB
        $linux.Balloon.Size | Should -Be 0
    }
}
