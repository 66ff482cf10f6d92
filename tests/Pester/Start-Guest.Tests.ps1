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
        @{ Id = 'UnknownMachineType'; Because = 'an unknown machine'; With = @{ MachineType = 'pc' } }
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

Describe 'Start-Guest -Template' {
    BeforeAll { $template = New-TestTemplate "$TestDrive/web" }
    AfterEach { Clear-PsVm }

    It 'starts a clone that goes on where the guest was held' {
        $clone = Start-Guest -Template $template -Name clone
        $clone.Template | Should -Be $template.Path
        $clone.Memory | Should -Be 32MB
        $clone.Backends[0].EffectiveMode | Should -Be ReadOnly
        $clone | Wait-Guest -ForText 'TICK' -Timeout 60 | Receive-GuestConsole | Should -Not -Contain 'GUEST-UP'
    }

    It 'starts many, each with its name and an identity of its own, and leaves the template as it was' {
        $digest = (Get-FileHash $template.RamBlocks[0].File).Hash
        $fleet = Start-Guest -Template "$TestDrive/web" -Count 20 -NameFormat 'web-{0:d3}'
        $fleet | Should -HaveCount 20
        $fleet[0].Name, $fleet[-1].Name | Should -Be web-001, web-020
        $fleet.Uuid | Select-Object -Unique | Should -HaveCount 20
        $fleet | Send-GuestConsole -Text 'touch 512'
        $null = $fleet | Wait-Guest -ForText 'generation=2' -Timeout 60
        ($fleet | Measure-Guest | Measure-Object OwnBytes -Minimum).Minimum | Should -BeGreaterOrEqual 2MB
        ($fleet | Select-Object Name, StartLatency, @{ n = 'Mode'; e = { $_.Backends[0].EffectiveMode } }).Mode |
            Select-Object -Unique | Should -Be ReadOnly
        $fleet | Stop-Guest -Force | Remove-Guest
        Get-Guest | Should -BeNullOrEmpty
        (Get-FileHash $template.RamBlocks[0].File).Hash | Should -Be $digest
    }

    It 'reports the clone whose name is taken, and starts the others' {
        $null = Start-Guest -Name web-2 -Memory 32MB
        $fleet = Start-Guest -Template $template -Count 3 -NameFormat 'web-{0}' -ErrorVariable problems -ErrorAction SilentlyContinue
        $fleet.Name | Should -Be web-1, web-3
        $fleet.State | Should -Be Running, Running
        $problems | Should -HaveCount 1
        $problems[0].FullyQualifiedErrorId | Should -BeLike 'GuestNameInUse,*'
        $problems[0].TargetObject | Should -Be web-2
    }

    It 'stops starting when it is stopped, and those that run go on' {
        $state = Stop-Running ([scriptblock]::Create(
                "Import-Module '$((Get-Module PsVm).ModuleBase)'; Start-Guest -Template '$($template.Path)' -Count 100000")) {
            @(Get-Guest).Count -ge 3
        }
        $state | Should -Be Stopped
        $count = @(Get-Guest).Count
        $count | Should -BeLessThan 100000
        @(Get-Guest | Where-Object State -EQ Running).Count | Should -Be $count
    }

    It 'gives each clone its identity, unless told to keep it' {
        $kept = Start-Guest -Template $template -Count 2 -KeepIdentity
        $kept[0].Uuid | Should -Be $kept[1].Uuid
        (Start-Guest -Template $template).Uuid | Should -Not -Be $kept[0].Uuid
    }

    It 'says once what is wrong with the template' {
        $null = Start-Guest -Template "$TestDrive/none" -Count 10 -ErrorVariable problems -ErrorAction SilentlyContinue
        $problems.FullyQualifiedErrorId -replace ',.*' | Should -Be TemplateNotFound
    }

    It 'verifies a fleet' {
        Start-Guest -Template $template -Count 2 -Verify | Should -HaveCount 2
    }

    It 'takes a verified copy of the RAM file' {
        Copy-Item $template.RamBlocks[0].File "$TestDrive/copy.img"
        (Start-Guest -Template $template -MemPath "$TestDrive/copy.img" -Verify).Backends[0].Path | Should -BeLike '*copy.img'
    }

    It 'says <Id> for <Because>' -ForEach @(
        @{ Id = 'TemplateNotFound'; Because = 'a missing template'; With = @{ Template = './none' } }
        @{ Id = 'GuestNamesConflict'; Because = 'one name for two'; With = @{ Template = './none'; Name = 'web'; Count = 2 } }
        @{ Id = 'GuestNamesConflict'; Because = 'a format without number'; With = @{ Template = './none'; NameFormat = 'web'; Count = 2 } }
        @{ Id = 'NameFormatInvalid'; Because = 'a format that is none'; With = @{ Template = './none'; NameFormat = '{' } }
        @{ Id = 'PathNotFileSystem'; Because = 'a path of another provider'; With = @{ Template = 'Env:/PATH' } }
    ) {
        (Get-ErrorOf { Start-Guest @With }).Id | Should -Be $Id
        Get-Guest | Should -BeNullOrEmpty
    }

    It 'says <Id> when asked for another machine' -ForEach @(
        @{ Id = 'TemplateHartsMismatch'; With = @{ Harts = 2 } }
        @{ Id = 'TemplateMemoryMismatch'; With = @{ Memory = 64MB } }
        @{ Id = 'TemplateDiscardPolicy'; With = @{ DiscardPolicy = 'PunchHole' } }
        @{ Id = 'TemplateOptionConflict'; With = @{ MemPath = '/ram.img' } }
    ) {
        (Get-ErrorOf { Start-Guest -Template $template @With }).Id | Should -Be $Id
    }

    It 'starts nothing under -WhatIf' {
        Start-Guest -Template $template -Count 3 -WhatIf | Should -BeNullOrEmpty
        Get-Guest | Should -BeNullOrEmpty
    }
}
