BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'ConvertFrom-QemuArgument' {
    BeforeEach { Push-Location $TestDrive }

    AfterEach {
        Pop-Location
        Clear-PsVm
    }

    It 'gives options that Test-BackendOptions and New-MemoryBackend take' {
        $options = ConvertFrom-QemuArgument 'memory-backend-file,id=m,size=1M,mem-path=./a,,b.img,share=on'
        $options | Should -BeOfType PsVm.MemoryBackendOptions
        $options.Path | Should -Be './a,b.img'
        $options | Test-BackendOptions | Should -BeTrue
        $ram = $options | New-MemoryBackend
        $ram.Id | Should -Be m
        $ram.Outcome.EffectiveMode | Should -Be ReadWrite
        "$TestDrive/a,b.img" | Should -Exist
    }

    It 'finds backends in a command line, in arguments by position or one by one, and in JSON' {
        $json = '{"qom-type":"memory-backend-memfd","id":"n","size":4096,"share":false,"host-nodes":[0],"policy":"bind"}'
        $line = "qemu-system-riscv64 -M virt,memory-backend=m,mem-merge=off -object 'memory-backend-ram,id=m,size=.5G' --object '$json' -object rng-random,id=r"
        $fromLine = ConvertFrom-QemuArgument $line
        $fromLine.Id | Should -Be m, n
        $fromLine.Size | Should -Be 512MB, 4KB
        $fromLine.Merge | Should -Be $false, $false
        $fromLine[1].HostNodes | Should -Be 0
        $arguments = '-machine', 'virt,mem-merge=off', '-object', 'memory-backend-ram,id=m,size=.5G', '-object', $json
        (ConvertFrom-QemuArgument $arguments).Id | Should -Be m, n
        ($arguments | ConvertFrom-QemuArgument).Merge | Should -Be $false, $false
        (ConvertFrom-QemuArgument 'memory-backend-ram,id=m,size=1M').Merge | Should -BeTrue -Because 'it is so in QEMU'
    }

    It 'is the way back from ConvertTo-QemuArgument' {
        $options = [PsVm.MemoryBackendOptions]@{ Id = 'm'; Size = 1MB; Path = "$TestDrive/it's, here.img"; Share = $true; FileAccessMode = 'ReadWrite'; Kind = 'File' }
        $back = $options | ConvertTo-QemuArgument | ConvertFrom-QemuArgument
        $back | ConvertTo-Json | Should -Be ($options | ConvertTo-Json)
        ("$($options | ConvertTo-QemuArgument)" | ConvertFrom-QemuArgument).Path | Should -Be $options.Path
    }

    It 'leaves contradictions to who refuses them here as QEMU does: <_>' -ForEach 'share=on,readonly=on,rom=off', 'readonly=off,rom=on' {
        $report = ConvertFrom-QemuArgument "memory-backend-file,id=m,size=1M,mem-path=./x.img,$_" | Test-BackendOptions -Detailed
        $report.Errors[0].Id | Should -BeIn SharedWritableNeedsWritableFile, ReadOnlyMemoryNeedsNoWritableFile
    }

    It 'says of each mistake what was expected: <Text>' -ForEach @(
        @{ Text = 'memory-backend-fil,id=m,size=1M'; Id = 'QemuBackendUnknown'; Message = "*Did you mean 'memory-backend-file'?*" }
        @{ Text = 'memory-backend-shm,id=m,size=1M'; Id = 'QemuBackendUnknown'; Message = '*no counterpart*' }
        @{ Text = 'memory-backend-file,id=m,size=1M,mempath=x'; Id = 'QemuPropertyUnknown'; Message = "*Did you mean 'mem-path'?*" }
        @{ Text = 'memory-backend-ram,id=m,size=1M,readonly=on'; Id = 'QemuPropertyUnknown'; Message = '*other memory backends have*' }
        @{ Text = 'memory-backend-file,id=m,size=1M,mem-path=x,pmem=on'; Id = 'QemuPropertyRefused'; Message = "'pmem'*persistent*" }
        @{ Text = 'memory-backend-file,id=m,size=1M,mem-path=x,discard-data=yes'; Id = 'QemuPropertyRefused'; Message = "'discard-data'*" }
        @{ Text = 'memory-backend-ram,id=m,size=1M,prealloc-context=t'; Id = 'QemuPropertyRefused'; Message = "'prealloc-context'*" }
        @{ Text = 'memory-backend-ram,id=m,size=1MiB'; Id = 'QemuValueInvalid'; Message = "Expected a size*'1MiB'*" }
        @{ Text = 'memory-backend-ram,id=m,size=1M,share=ON'; Id = 'QemuValueInvalid'; Message = "Expected on or off*'ON'*" }
        @{ Text = 'memory-backend-ram,id=m'; Id = 'QemuValueInvalid'; Message = "*'size'*" }
        @{ Text = 'memory-backend-ram,size=1M'; Id = 'QemuValueInvalid'; Message = "*'id'*" }
        @{ Text = 'memory-backend-ram,id=1m,size=1M'; Id = 'QemuIdInvalid'; Message = "*'1m'*" }
        @{ Text = '{"qom-type":"memory-backend-ram","id":"m","size":"1M"}'; Id = 'QemuValueInvalid'; Message = "Expected a number of bytes for 'size'*" }
        @{ Text = '{"qom-type":"memory-backend-ram","id":"m","id":"n"}'; Id = 'QemuValueInvalid'; Message = 'Expected JSON*' }
        @{ Text = '{"qom-type":"memory-backend-ram"'; Id = 'QemuValueInvalid'; Message = 'Expected JSON*' }
        @{ Text = "qemu -object 'memory-backend-ram,id=m"; Id = 'QemuValueInvalid'; Message = '*without an end*' }
        @{ Text = 'qemu -m 1G'; Id = 'QemuBackendMissing'; Message = '*found none*' }
    ) {
        $problem = Get-ErrorOf { ConvertFrom-QemuArgument $Text }
        $problem.Id | Should -Be $Id
        $problem.Message | Should -BeLike $Message
    }

    It 'goes on after a backend that is refused' {
        $found = 'memory-backend-ram,id=a,size=1X', 'memory-backend-ram,id=b,size=1M' | ConvertFrom-QemuArgument -ErrorAction SilentlyContinue
        $found.Id | Should -Be b
    }
}
