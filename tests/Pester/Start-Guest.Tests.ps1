BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Start-Guest' {
    BeforeEach { Push-Location $TestDrive }

    AfterEach {
        Pop-Location
        Clear-PsVm
    }

    It 'says by how much the clock of a clone without an agent is behind' {
        $template = New-TestTemplate "$TestDrive/clock"
        $clone = Start-Guest -Template $template
        $clone.ClockBehind | Should -Be ($clone.StartedAt - $template.CreatedAt)
        $clone.ClockBehind | Should -BeGreaterThan ([timespan]::Zero)
        $clone | Format-List | Out-String | Should -Match 'ClockBehind +: 00:'
        (Start-Guest -Memory 32MB).ClockBehind | Should -BeNullOrEmpty
    }

    It 'says what to do when -<Parameter> is given without a template' -ForEach @(
        @{ Parameter = 'Count'; Value = 5 }
        @{ Parameter = 'NameFormat'; Value = 'web-{0}' }
        @{ Parameter = 'Verify'; Value = $true }
        @{ Parameter = 'KeepIdentity'; Value = $true }
        @{ Parameter = 'FileAccessMode'; Value = 'ReadOnly' }
        @{ Parameter = 'DiscardPolicy'; Value = 'Deny' }
        @{ Parameter = 'Lazy'; Value = $true }
        @{ Parameter = 'Destination'; Value = './copy' }
    ) {
        $more = @{ $Parameter = $Value }
        $found = Get-ErrorOf { Start-Guest @more }
        $found.Id | Should -Be TemplateNotGiven
        $found.Message | Should -BeLike "*-$Parameter*"
        $found.Action | Should -BeLike '*-Template*'
        Get-Guest | Should -BeNullOrEmpty
    }

    It 'starts several clones of a template whose path stands where a name could' {
        $null = New-TestTemplate "$TestDrive/by-path"
        @(Start-Guest ./by-path -Count 2 -NameFormat 'by-path-{0}').Name | Should -Be by-path-1, by-path-2
        (Start-Guest ./by-path -Name by-path-3).Name | Should -Be by-path-3
        (Start-Guest by-path-4 ./by-path).Name | Should -Be by-path-4
    }

    It 'takes devices of other processes as texts and dictionaries, and says what they need' {
        $found = Get-ErrorOf { Start-Guest web -Memory 32MB -VhostUser @{ Kind = 'filesystem'; Tag = 'src'; Path = './' } -WhatIf }
        $found.Id, $found.Target | Should -Be ConsumerNeedsSharedFile, ram.default
        $null = New-MemoryBackend -Id shared -Kind Memfd -Share -Size 32MB
        (Get-ErrorOf { Start-Guest web -MemoryBackend shared -VhostUser fs:./none.sock }).Id | Should -Be VhostUserUnavailable
        (Get-ErrorOf { Start-Guest web -MemoryBackend shared -VhostUser block:./none.sock -WhatIf }).Message | Should -BeLike "*'$TestDrive/none.sock'*"
        (Get-ErrorOf { Start-Guest web -MemoryBackend shared -VhostUser @{ Kind = 'Block' } }).Id | Should -Be VhostUserOptionConflict
        (Get-ErrorOf { Start-Guest web -MemoryBackend shared -VhostUser ([pscustomobject]@{ Kind = 'Block'; Tag = 'a b'; Path = './x' }) }).Id | Should -Be VhostUserTagInvalid
        { Start-Guest web -VhostUser ./none.sock } | Should -Throw '*fs:/run/fs.sock*'
        { Start-Guest web -VhostUser @{ Path = './' } } | Should -Throw '*its Kind*'
        { Start-Guest web -VhostUser @{ Kind = 'Blok' } } | Should -Throw '*Block*'
        { Start-Guest web -VhostUser @{ Kind = 'Block'; Pat = './x' } } | Should -Throw '*Path*'
        Get-Guest | Should -BeNullOrEmpty
    }

    It 'takes network adapters as texts, dictionaries, rows and adapters of guests, and says what is wrong with them' {
        $one = Start-Guest one -Memory 32MB -Network Hub
        $two = Start-Guest two -Memory 32MB -Network hub:lan, @{ Backend = 'Hub'; Name = 'back'; Mtu = '9000' }, ([pscustomobject]@{ Backend = 'hub'; Mac = '52-54-00-00-00-01' })
        $two.Networks.Name | Should -Be net0, back, net2
        $two.Networks.Network | Should -Be lan, default, default
        $two.Networks[1].Mtu, $two.Networks[2].Mac | Should -Be 9000, 52:54:00:00:00:01
        $two.Networks.Mac + $one.Networks.Mac | Select-Object -Unique | Should -HaveCount 4
        (Start-Guest three -Memory 32MB -Network $two.Networks[2]).Networks.Mac | Should -Not -Be 52:54:00:00:00:01
        ($two | Format-List | Out-String -Width 300) -replace ' +' | Should -Match 'Networks:net0\(Hublan,'
        (Get-ErrorOf { Start-Guest four -Memory 32MB -Network @{ Backend = 'Hub'; Mac = '52:54:00:00:00:01' } -WhatIf }).Id | Should -Be NetworkMacInUse
        (Get-ErrorOf { Start-Guest four -Memory 32MB -Network @{ Backend = 'Hub'; Device = 'tap0' } }).Id | Should -Be NetworkOptionConflict
        (Get-ErrorOf { Start-Guest four -Memory 32MB -Network @{ Backend = 'Hub'; Name = 'a b' } }).Id | Should -Be NetworkNameInvalid
        { Start-Guest four -Network lan } | Should -Throw "*'Hub:lan'*"
        { Start-Guest four -Network Tap } | Should -Throw "*'Tap:tap0'*"
        { Start-Guest four -Network Passt:x } | Should -Throw "*'Passt'*"
        { Start-Guest four -Network @{ Name = 'x' } } | Should -Throw '*its Backend*'
        { Start-Guest four -Network @{ Backend = 'Hubb' } } | Should -Throw '*Hub*'
        { Start-Guest four -Network @{ Backend = 'Hub'; Mty = 1 } } | Should -Throw '*Mtu*'
        { Start-Guest four -Network @{ Backend = 'Hub'; Mtu = 'many' } } | Should -Throw '*Mtu of a network adapter*'
        Get-Guest four -ErrorAction Ignore | Should -BeNullOrEmpty
        $null = $one | Checkpoint-Guest -Path $TestDrive/networked
        $clone = Start-Guest -Template $TestDrive/networked -Name clone -Network Hub:other
        $clone.Networks.Network | Should -Be other
        (Get-ErrorOf { Restore-Guest $TestDrive/networked -Name again }).Id | Should -Be NetworkMacInUse
        (Get-ErrorOf { Restore-Guest $TestDrive/networked -Network @{ Backend = 'Hub'; Name = 'net7' } }).Id | Should -Be TemplateNetworkMismatch
        (TabExpansion2 'Start-Guest x -Network ' 23).CompletionMatches.CompletionText -replace "'" | Should -Be Hub, Hub:default, Hub:lan, Hub:other, Passt, Tap:
        Get-Guest one, two, three, clone | Remove-Guest -Force
    }

    It 'gives a guest named ports with sockets of their own' {
        $null = New-Item $TestDrive/ports -ItemType Directory
        $web = Start-Guest web -Memory 32MB -ConsolePort com.example.0, @{ Name = 'b'; Path = "$TestDrive/ports/b.sock" }
        $web.ConsolePorts.Name | Should -Be com.example.0, b
        $web.ConsolePorts[1].Path | Should -Be "$TestDrive/ports/b.sock"
        $web.ConsolePorts | ForEach-Object { Test-Path $_.Path | Should -BeTrue }
        ($web | Format-List | Out-String) -replace ' +' | Should -Match 'ConsolePorts:com\.example\.0\('
        (Get-ErrorOf { Start-Guest other -Memory 32MB -ConsolePort 'a b' -WhatIf }).Id | Should -Be ConsolePortNameInvalid
        (Get-ErrorOf { Start-Guest other -Memory 32MB -ConsolePort a -MachineType virt-1.2 -WhatIf }).Id | Should -Be ConsolePortUnavailable
        { Start-Guest other -ConsolePort @{ Path = './x' } } | Should -Throw '*its Name*'
        { Start-Guest other -ConsolePort @{ Nam = 'x' } } | Should -Throw '*Name*'
        $null = $web | Checkpoint-Guest -Path $TestDrive/ported
        $clone = Start-Guest clone -Template $TestDrive/ported
        $clone.ConsolePorts.Name | Should -Be com.example.0, b
        $clone.ConsolePorts.Path | Where-Object { $_ -in $web.ConsolePorts.Path } | Should -BeNullOrEmpty
        (Get-ErrorOf { Start-Guest wrong -Template $TestDrive/ported -ConsolePort c }).Id | Should -Be ConsolePortMismatch
        $web, $clone | Remove-Guest -Force
        Test-Path $web.ConsolePorts[1].Path | Should -BeFalse
    }

    It 'starts virtiofsd for a guest, shows it, and ends it with the guest' {
        $daemon = (Get-Command virtiofsd, /usr/libexec/virtiofsd, /usr/lib/qemu/virtiofsd -ErrorAction Ignore | Select-Object -First 1).Path
        if (-not $daemon) { Set-ItResult -Skipped -Because 'virtiofsd is not installed'; return }
        if ((id -u) -ne 0) { Set-ItResult -Skipped -Because 'virtiofsd of Debian 12 needs root'; return }
        $null = New-Item $TestDrive/src -ItemType Directory
        $null = New-MemoryBackend -Id shared -Kind Memfd -Share -Size 32MB
        $web = Start-Guest web -MemoryBackend shared -VhostUser @{ Kind = 'FileSystem'; Tag = 'src'; Path = './src'; Daemon = $daemon }
        $web.VhostUser.Tag, $web.VhostUser.Path, $web.VhostUser.Connected | Should -Be src, "$TestDrive/src", $true
        ($web | Format-List | Out-String) -replace ' +' | Should -Match 'VhostUser:src\(FileSystem,connected\)'
        $process = $web.VhostUser.ProcessId
        (Get-ErrorOf { Checkpoint-Guest web -Path $TestDrive/external }).Id | Should -Be CheckpointDeviceExternal
        (Get-ErrorOf { Copy-Guest web copy }).Id | Should -Be CheckpointDeviceExternal
        (Checkpoint-Guest web -Path $TestDrive/detached -DetachVhostUser).Slots | Should -Be vhost-user-fs:src
        (Get-Guest web).VhostUser.Connected | Should -BeTrue
        (Start-Guest clone -Template $TestDrive/detached).VhostUser | Should -BeNullOrEmpty
        $null = Stop-Guest web -Force
        Get-Process -Id $process -ErrorAction Ignore | Should -BeNullOrEmpty
    }

    It 'asks which is meant when a name alone is that of a template here: <Case>' -ForEach @(
        @{ Case = 'by position'; Command = { Start-Guest real } }
        @{ Case = 'by name'; Command = { Start-Guest -Name real } }
        @{ Case = 'under -WhatIf'; Command = { Start-Guest real -WhatIf } }
        @{ Case = 'in the background'; Command = { Start-Guest real -AsJob } }
    ) {
        if (-not (Test-Path ./real)) {
            $null = New-TestTemplate "$TestDrive/real"
        }

        $found = Get-ErrorOf $Command
        $found.Id | Should -Be NameOfTemplate
        $found.Target | Should -Be real
        $found.Message | Should -BeLike "*'$TestDrive/real' is a template*"
        # Both ways that it names are there.
        $found.Action | Should -BeLike '*Start-Guest ./real;*Start-Guest real -Memory 128MB*'
        Get-Guest | Should -BeNullOrEmpty
        (Start-Guest ./real).Template | Should -Be "$TestDrive/real"
        (Start-Guest real -Memory 128MB).Template | Should -BeNullOrEmpty
        # A guest of that name that has stopped is meant by it.
        $stopped = Stop-Guest real -Force
        Start-Guest real | Should -Be $stopped
    }

    It 'tells of a template here when several clones of a name are wanted' {
        $null = New-TestTemplate "$TestDrive/fleet"
        $found = Get-ErrorOf { Start-Guest fleet -Count 2 }
        $found.Id | Should -Be TemplateNotGiven
        $found.Action | Should -BeLike '*Start-Guest ./fleet -Count*'
    }

    It 'takes a piped text for a backend''s id, the name of a guest that has stopped, or a template here' {
        $null = New-TestTemplate "$TestDrive/piped"
        ('piped' | Start-Guest).Template | Should -Be "$TestDrive/piped"
        $stopped = Start-Guest -Name piped -Memory 32MB | Stop-Guest -Force
        'piped' | Start-Guest | Should -Be $stopped
        'PIPED', 'nope' | Start-Guest -ErrorVariable problems -ErrorAction SilentlyContinue
        $problems.FullyQualifiedErrorId | ForEach-Object { ($_ -split ',')[0] } | Should -Be BackendNotFound, BackendNotFound -Because 'it runs'
        ($stopped | Stop-Guest -Force).State | Should -Be Stopped
        $null = New-MemoryBackend -Id piped -Size 32MB
        ('piped' | Start-Guest -Name other).Backends.Id | Should -Be piped
    }

    It 'starts a guest for each of several names' {
        $null = New-TestTemplate "$TestDrive/several"
        (Start-Guest a, b -Memory 32MB).Name | Should -Be a, b
        (Start-Guest c, d -Template ./several).Template | Should -Be "$TestDrive/several", "$TestDrive/several"
        (Get-Guest).Name | Should -Be a, b, c, d
        $null = Stop-Guest a, c -Force
        (Start-Guest a, c).State | Should -Be Running, Running
        $null = Stop-Guest a -Force
        $started = Start-Guest nope, a -ErrorVariable problems -ErrorAction SilentlyContinue
        $started.Name | Should -Be a
        $problems[0].FullyQualifiedErrorId | Should -BeLike 'GuestNotFound*' -Because 'who names a guest that has stopped means such ones'
    }

    It 'says what does not go with what: <Case>' -ForEach @(
        @{ Case = 'a template and a kernel'; Command = { Start-Guest one -Template ./conflict -Kernel ./Image }; Id = 'TemplateOptionConflict' }
        @{ Case = 'a template and firmware'; Command = { Start-Guest ./conflict -Firmware ./fw }; Id = 'TemplateOptionConflict' }
        @{ Case = 'a template and a command line'; Command = { Start-Guest -Template ./conflict -CommandLine quiet }; Id = 'TemplateOptionConflict' }
        @{ Case = 'a template and backends'; Command = { Start-Guest -Template ./conflict -MemoryBackend ram }; Id = 'TemplateOptionConflict' }
        @{ Case = 'a pool and a kernel'; Command = { Start-Guest -Pool conflict -Kernel ./Image }; Id = 'GuestPoolOptionConflict' }
        @{ Case = 'a pool and backends'; Command = { Start-Guest -Pool conflict -MemoryBackend ram }; Id = 'GuestPoolOptionConflict' }
    ) {
        if (-not (Test-Path ./conflict)) {
            $null = New-TestTemplate "$TestDrive/conflict"
        }

        $null = New-GuestPool ./conflict -Size 1
        (Get-ErrorOf $Command).Id | Should -Be $Id
        (Get-ErrorOf ([scriptblock]::Create("$Command -WhatIf"))).Id | Should -Be $Id
        Get-Guest | Should -BeNullOrEmpty
    }

    It 'refuses several names where they cannot be: <Case>' -ForEach @(
        @{ Case = 'with a format'; Command = { Start-Guest a, b ./t -NameFormat 'c{0}' }; Id = 'GuestNamesConflict' }
        @{ Case = 'with a count'; Command = { Start-Guest a, b ./t -Count 2 }; Id = 'GuestNamesConflict' }
        @{ Case = 'on one backend'; Command = { Start-Guest a, b -MemoryBackend one }; Id = 'GuestNamesConflict' }
        @{ Case = 'without one'; Command = { Start-Guest a, '' -Memory 32MB }; Id = 'ArgumentMissing' }
    ) {
        (Get-ErrorOf $Command).Id | Should -Be $Id
        Get-Guest | Should -BeNullOrEmpty
    }

    It 'says of a name in use what has it, and what to do: <State>' -ForEach @(
        @{ State = 'running'; Change = { }; Message = "*guest 'web' runs.*"; Action = "*Get-Guest 'web'*" }
        @{ State = 'suspended'; Change = { $null = Suspend-Guest web }; Message = "*guest 'web' is suspended.*"; Action = "*Resume-Guest 'web'*" }
        @{ State = 'stopped'; Change = { $null = Stop-Guest web -Force }; Message = "*guest 'web' has stopped.*"; Action = "*Remove-Guest 'web'*Start-Guest 'web'*" }
    ) {
        $null = Start-Guest -Name web -Memory 32MB
        & $Change
        $found = Get-ErrorOf { Start-Guest web -Memory 32MB }
        $found.Id | Should -Be GuestNameInUse
        $found.Message | Should -BeLike $Message
        $found.Action | Should -BeLike $Action
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
        $null = $guest | Stop-Guest -Force
        (Get-FileHash ./ram.img).Hash | Should -Be $digest
    }

    It 'boots on a shared backend from the pipeline, which the guest writes' {
        $ram = New-MemoryBackend ./shared.img 32MB -Share
        $digest = (Get-FileHash ./shared.img).Hash
        $guest = $ram | Start-Guest -Name web
        $null = $guest | Wait-Guest -ForText 'GUEST-UP' -Timeout 60 | Stop-Guest -Force
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

    It 'interprets, with one warning, where the host gives no memory for code' {
        # A process namespace has this setting of its own, so nothing else of the host sees it.
        $refusing = 'unshare', '--pid', '--fork', '--mount-proc', 'sh', '-c', 'echo 2 > /proc/sys/vm/memfd_noexec && exec "$0" "$@"'
        $null = & $refusing[0] $refusing[1..6] true 2>&1
        if ($LASTEXITCODE -ne 0) {
            Set-ItResult -Skipped -Because 'it needs root, and a kernel with vm.memfd_noexec'
        }

        $script = {
            $null = Get-MemoryBackend -WarningVariable +warnings -WarningAction SilentlyContinue
            $null = Start-Guest -Name web -Memory 32MB -WarningVariable +warnings -WarningAction SilentlyContinue |
                Wait-Guest -ForText GUEST-UP -Timeout 120 -WarningVariable +warnings -WarningAction SilentlyContinue
            $ram = New-MemoryBackend -Kind Memfd -Size 32MB -Share
            $null = $ram | Start-Guest -Name db -WarningVariable +warnings -WarningAction SilentlyContinue |
                Wait-Guest -ForText GUEST-UP -Timeout 120 -WarningVariable +warnings -WarningAction SilentlyContinue
            $warnings.Message
            (Get-Guest).State
            (Measure-Guest web).Translation.Blocks
            Get-Guest | Remove-Guest -Force
        }
        $said = & "$PSScriptRoot/Invoke-Pwsh.ps1" -Through $refusing -NoProfile -Command "Import-Module '$((Get-Module PsVm).ModuleBase)/PsVm.psd1'; $script" 2>&1

        $said | Should -HaveCount 4 -Because ($said -join "`n")
        $said[0] | Should -BeLike '`[TranslationUnavailable`] Guests run on the interpreter alone, *(memfd_create: Permission denied)*'
        $said[1..3] | Should -Be Running, Running, 0
    }

    It 'knows the words of Hyper-V''s cmdlets, sizes as containers have them, and what 64 means' {
        $guest = Start-Guest hyperv -MemoryStartupBytes 64Mi -ProcessorCount 2
        $guest.Memory, $guest.Harts | Should -Be 64MB, 2
        ($guest | Stop-Guest -TurnOff).State | Should -Be Stopped
        (Get-ErrorOf { Start-Guest small -Memory 64 }).Action | Should -Be 'Sizes are in bytes: write 64MB for 64 MiB.'
        $guest | Remove-Guest
    }

    It 'takes <Name> <Value>' -ForEach @(
        @{ Name = 'MachineType'; Value = 'virt-1.0' }
        @{ Name = 'MachineType'; Value = 'VIRT-1.1' }
        @{ Name = 'Harts'; Value = 2 }
    ) {
        $parameters = @{ $Name = $Value }
        (Start-Guest @parameters).$Name | Should -Be $Value
    }

    It 'gives guests a share of the CPU, and clones none of their template''s' {
        $web = Start-Guest web -Memory 32MB -CpuWeight 300 -CpuLimit 0.5
        $web.CpuWeight, $web.CpuLimit | Should -Be 300, 0.5
        $null = $web | Checkpoint-Guest ./shares
        $clone = Start-Guest -Template ./shares
        $clone.CpuWeight, $clone.CpuLimit | Should -Be 100, $null
        $rows = 'Name,Template,CpuWeight,CpuLimit', 'a,./shares,200,0.25', 'b,./shares,,' | ConvertFrom-Csv | Start-Guest
        $rows.CpuWeight | Should -Be 200, 100
        $rows[0].CpuLimit, $rows[1].CpuLimit | Should -Be 0.25, $null
    }

    It 'limits the memory that guests have for themselves, and clones not as their template' {
        $web = Start-Guest web -Memory 32MB -OwnMemoryLimit 16MB -OwnMemoryAction Stop
        $web.OwnMemoryLimit, "$($web.OwnMemoryAction)" | Should -Be 16MB, Stop
        $null = $web | Checkpoint-Guest ./limited
        $clone = Start-Guest -Template ./limited
        $clone.OwnMemoryLimit, "$($clone.OwnMemoryAction)" | Should -Be $null, Suspend
        $rows = 'Name,Template,OwnMemoryLimit', 'a,./limited,8 MiB', 'b,./limited,' | ConvertFrom-Csv | Start-Guest
        $rows[0].OwnMemoryLimit, $rows[1].OwnMemoryLimit | Should -Be 8MB, $null
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
        @{ Id = 'CpuWeightInvalid'; Because = 'a weight that cannot be'; With = @{ CpuWeight = 0 } }
        @{ Id = 'CpuLimitInvalid'; Because = 'a limit that cannot be'; With = @{ CpuLimit = 2000 } }
        @{ Id = 'OwnMemoryLimitInvalid'; Because = 'less memory than a guest can live with'; With = @{ OwnMemoryLimit = 64KB } }
        @{ Id = 'RamTooSmall'; Because = 'too little RAM'; With = @{ Memory = 4KB } }
        @{ Id = 'BackendNotFound'; Because = 'an unknown backend'; With = @{ MemoryBackend = 'nope' } }
        @{ Id = 'PathNotFileSystem'; Because = 'a path of another provider'; With = @{ Kernel = 'Env:/PATH' } }
        @{ Id = 'DefaultRamConflict'; Because = 'backends together with a path'; With = @{ MemoryBackend = 'nope'; MemPath = './ram.img' } }
        @{ Id = 'DefaultRamConflict'; Because = 'backends together with a size'; With = @{ MemoryBackend = 'nope'; Memory = 32MB } }
    ) {
        'no kernel at all' | Set-Content ./text
        (Get-ErrorOf { Start-Guest @With }).Id | Should -Be $Id
        if ($Id -ne 'RamTooSmall') {
            # Which needs the RAM to be found out; all else -WhatIf finds, too.
            (Get-ErrorOf { Start-Guest @With -WhatIf }).Id | Should -Be $Id
        }

        Get-Guest | Should -BeNullOrEmpty
        Get-MemoryBackend | Should -BeNullOrEmpty
    }

    It 'refuses a name that is taken' {
        $null = Start-Guest web
        (Get-ErrorOf { Start-Guest WEB -WhatIf }).Id | Should -Be GuestNameInUse
        $found = Get-ErrorOf { Start-Guest WEB }
        $found.Id | Should -Be GuestNameInUse
        $found.Category | Should -Be ResourceExists
    }

    It 'refuses a backend that another guest has' {
        $ram = New-MemoryBackend -Size 32MB
        $null = $ram | Start-Guest
        (Get-ErrorOf { $ram | Start-Guest -WhatIf }).Id | Should -Be BackendInUse
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
        $null = $guest | Stop-Guest -Force
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

    It 'stops starting when it is stopped, and those that were handed on go on' {
        $state = Stop-Running ([scriptblock]::Create(
                "Import-Module '$((Get-Module PsVm).ModuleBase)/PsVm.psd1'; Start-Guest -Template '$($template.Path)' -Count 100000")) {
            @(Get-Guest).Count -ge 3
        }
        $state | Should -Be Stopped
        $count = @(Get-Guest).Count
        $count | Should -BeLessThan 100000
        @(Get-Guest | Where-Object State -EQ Running).Count | Should -Be $count
    }

    It 'leaves only those clones that were taken when the pipeline needs no more' {
        $first = Start-Guest -Template $template -Count 50 -NameFormat 'web-{0:d2}' | Select-Object -First 2
        $first.Name | Should -Be web-01, web-02
        (Get-Guest).Name | Should -Be web-01, web-02
        (Get-Guest).State | Should -Be Running, Running
    }

    It 'leaves only those that were taken when a cmdlet after it fails' {
        { Start-Guest -Template $template -Count 50 | ForEach-Object { throw 'no more' } } | Should -Throw 'no more'
        @(Get-Guest).Count | Should -Be 1
    }

    It 'hands on each clone at once' {
        Start-Guest -Template $template -Count 3 -NameFormat 'web-{0}' | ForEach-Object { $_.Name; Remove-Guest $_ -Force } | Should -Be web-1, web-2, web-3
        Get-Guest | Should -BeNullOrEmpty
    }

    It 'finds out under -WhatIf what is wrong with the template and the names' {
        $null = Start-Guest -Name web-2 -Memory 32MB
        (Get-ErrorOf { Start-Guest -Template $template -Count 3 -NameFormat 'web-{0}' -WhatIf }).Id | Should -Be GuestNameInUse
        (Get-ErrorOf { Start-Guest -Template "$TestDrive/none" -WhatIf }).Id | Should -Be TemplateNotFound
        (Get-ErrorOf { Start-Guest -Template $template -Harts 7 -WhatIf }).Id | Should -Be TemplateHartsMismatch
        Copy-Item "$TestDrive/web" "$TestDrive/bad" -Recurse
        Add-Content "$TestDrive/bad/ram0.bin" x -Force
        (Get-ErrorOf { Start-Guest -Template "$TestDrive/bad" -Count 2 -WhatIf }).Id | Should -Be TemplateRamChanged
        Remove-GuestTemplate "$TestDrive/bad" -Confirm:$false
        (Get-Guest).Name | Should -Be web-2
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

Describe 'Start-Guest -Lazy' {
    BeforeAll {
        $template = New-TestTemplate "$TestDrive/web"
        function Wait-Fill($guest) {
            $until = [datetime]::UtcNow.AddSeconds(60)
            while ($guest.Fill.State -notin 'Complete', 'Failed' -and [datetime]::UtcNow -lt $until) { Start-Sleep -Milliseconds 20 }
            $guest.Fill
        }
    }

    AfterEach { Clear-PsVm }

    It 'starts clones on a copy that becomes a template, which is used from then on' {
        $fleet = $template | Start-Guest -Lazy -Destination "$TestDrive/copies/" -Count 3 -NameFormat 'lazy-{0}'
        $fleet.Name | Should -Be lazy-1, lazy-2, lazy-3
        $fleet.Template | Select-Object -Unique | Should -Be "$TestDrive/copies/web"
        $fleet | Send-GuestConsole -Text 'touch 5'
        $null = $fleet | Wait-Guest -ForText 'generation=2' -Timeout 60

        $fill = Wait-Fill $fleet[0]
        $fill.State | Should -Be Complete
        $fill.Source, $fill.Destination, $fill.BytesFetched | Should -Be $template.Path, "$TestDrive/copies/web", $fill.Bytes
        (Test-GuestTemplate "$TestDrive/copies/web" -Verify -Detailed).IsValid | Should -BeTrue
        (Get-GuestTemplate "$TestDrive/copies/web").Id | Should -Be $template.Id
        $again = Start-Guest again -Template $template -Lazy -Destination "$TestDrive/copies/web"
        $again.Fill | Should -BeNullOrEmpty
        $null = $again | Wait-Guest -ForText 'TICK' -Timeout 60
    }

    It 'needs no destination' {
        $guest = Start-Guest web -Template $template -Lazy
        (Wait-Fill $guest).State | Should -Be Complete
        $guest | Format-List | Out-String | Should -BeLike '*Fill*: Complete*'
        $guest.Template | Should -Be $template.Path
        $guest | Send-GuestConsole 'touch 5' -Pattern 'generation=2' -Timeout 60 | Should -Not -BeNullOrEmpty
        $guest | Reset-Guest
        $made = $guest | Checkpoint-Guest "$TestDrive/made" -Differential
        $made.Parent.Path | Should -Be $template.Path
    }

    It 'says <Id> for <Because>, and makes nothing' -ForEach @(
        @{ Because = 'DenyPrivateDiscard'; Id = 'ConsumerNeedsDiscard'; More = @{ DenyPrivateDiscard = $true } }
        @{ Because = 'a discard policy that denies'; Id = 'ConsumerNeedsDiscard'; More = @{ DiscardPolicy = 'Deny' } }
        @{ Because = 'MemPath'; Id = 'TemplateOptionConflict'; More = @{ MemPath = './ram.img' } }
        @{ Because = 'a destination alone'; Id = 'TemplateOptionConflict'; More = @{ Lazy = $false } }
        @{ Because = 'a destination in use'; Id = 'CheckpointPathInUse'; More = @{ Destination = $PSCommandPath } }
        @{ Because = 'a differential template'; Id = 'LazyTemplateUnsupported'; More = @{ Template = 'changes' } }
    ) {
        if ($More.Template) {
            $more = @{ Template = "$TestDrive/changes" }
            $null = Start-Guest -Template $template | Checkpoint-Guest "$TestDrive/changes" -Differential
            Clear-PsVm
        }

        $arguments = @{ Template = $template; Lazy = $true; Destination = "$TestDrive/none" }
        $More.GetEnumerator() | ForEach-Object { $arguments[$_.Key] = $_.Value }
        $found = Get-ErrorOf { Start-Guest @arguments }
        $found.Id | Should -Be $Id
        $found.Action | Should -Not -BeNullOrEmpty
        (Get-ErrorOf { Start-Guest @arguments -WhatIf }).Id | Should -Be $Id
        Get-Guest | Should -BeNullOrEmpty
        Get-ChildItem $TestDrive -Force -Filter '*none*' | Should -BeNullOrEmpty
    }

    It 'makes nothing under -WhatIf' {
        Start-Guest -Template $template -Lazy -Destination "$TestDrive/none" -WhatIf
        Get-Guest | Should -BeNullOrEmpty
        Get-ChildItem $TestDrive -Force -Filter '*none*' | Should -BeNullOrEmpty
    }
}
