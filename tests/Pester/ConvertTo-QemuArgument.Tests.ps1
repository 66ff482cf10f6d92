BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'ConvertTo-QemuArgument' {
    BeforeEach { Push-Location $TestDrive }

    AfterEach {
        Pop-Location
        Clear-PsVm
    }

    It 'says what a backend is, as arguments to splat and as a line for a shell' {
        $ram = New-MemoryBackend './my, ram.img' 2MB -Share -Id a -PreallocThreads 2
        $found = $ram | ConvertTo-QemuArgument
        $found | Should -BeOfType PsVm.QemuArgument
        $found.Arguments.GetType() | Should -Be ([string[]])
        $found.Arguments[0] | Should -Be '-object'
        $found.Arguments[1] | Should -BeExactly ('memory-backend-file,id=a,size=2M,mem-path={0},share=on,readonly=off,rom=off,prealloc-threads=2,merge=off,dump=on' -f
            "$TestDrive/my,, ram.img")
        "$found" | Should -BeExactly "-object '$($found.Arguments[1])'"
        $arguments = $found.Arguments
        & printf '%s\n' @arguments | Should -Be $found.Arguments
        ($found | Out-String -Width 400) | Should -Match "CommandLine : -object 'memory-backend-file,id=a,"
        & sh -c "printf '%s\n' $found" | Should -Be $found.Arguments
    }

    It 'takes backends by object, id, pattern, array and position' {
        $a, $b = 'a', 'b' | ForEach-Object { New-MemoryBackend -Size 1MB -Id $_ }
        (ConvertTo-QemuArgument a).Id | Should -Be a
        (ConvertTo-QemuArgument *).Id | Should -Be a, b
        (ConvertTo-QemuArgument $a, b).Id | Should -Be a, b
        ('a', 'b' | ConvertTo-QemuArgument).Id | Should -Be a, b
        (ConvertTo-QemuArgument -MemoryBackend $b).Id | Should -Be b
        ConvertTo-QemuArgument z* | Should -BeNullOrEmpty
        (Get-ErrorOf { ConvertTo-QemuArgument nope }).Id | Should -Be BackendNotFound
        (Get-ErrorOf { Get-Item / | ConvertTo-QemuArgument }).Id | Should -Be InputNotConvertible
    }

    It 'keeps file and memory apart: a report of private memory is readonly=on,rom=off' {
        $null = New-Item ./ram.img
        [IO.File]::WriteAllBytes("$TestDrive/ram.img", [byte[]]::new(1MB))
        $report = Test-BackendOptions ./ram.img 1MB -Detailed
        ($report | ConvertTo-QemuArgument).Arguments[1] | Should -BeLike '*,share=off,readonly=on,rom=off,*'
        (Test-BackendOptions ./ram.img 1MB -ReadOnly -Detailed | ConvertTo-QemuArgument).Arguments[1] |
            Should -BeLike '*,share=off,readonly=on,rom=on,*'
        (New-MemoryBackend ./ram.img 1MB -FileAccessMode ReadWrite | ForEach-Object Outcome | ConvertTo-QemuArgument).Arguments[1] |
            Should -BeLike '*,share=off,readonly=off,rom=off,*'
    }

    It 'explains what a version lacks, and leaves out what it need not have' {
        [IO.File]::WriteAllBytes("$TestDrive/ram.img", [byte[]]::new(1MB))
        foreach ($version in '7.2', 'v7.2.22', '7', 8.1) {
            $problem = Get-ErrorOf { Test-BackendOptions ./ram.img 1MB -Detailed | ConvertTo-QemuArgument -QemuVersion $version }
            $problem.Id | Should -Be QemuVersionTooOld
            $problem.Message | Should -BeLike "Expected QEMU 8.2 or newer*no property 'rom'*"
        }

        (Test-BackendOptions ./ram.img 1MB -Share -Detailed | ConvertTo-QemuArgument -QemuVersion 7.2).Arguments[1] |
            Should -BeLike '*,share=on,readonly=off,merge=off,dump=on'
        (Test-BackendOptions ./ram.img 1MB -ReadOnly -Detailed | ConvertTo-QemuArgument -QemuVersion 7.2).Arguments[1] |
            Should -BeLike '*,share=off,readonly=on,merge=off,dump=on'
        (Get-ErrorOf { ConvertTo-QemuArgument * -QemuVersion new }).Id | Should -Be QemuVersionInvalid
    }

    It 'refuses by name what QEMU has no word for, and warns of what is wrong here alone' {
        $problem = Get-ErrorOf { New-MemoryBackend -Size 1MB -DiscardPolicy Deny | ConvertTo-QemuArgument }
        $problem.Id | Should -Be QemuCannotExpress
        $problem.Message | Should -BeLike 'DiscardPolicy Deny*'
        $options = [PsVm.MemoryBackendOptions]@{ Path = './none.img'; Size = 1MB }
        ($options | ConvertTo-QemuArgument -WarningVariable warned -WarningAction SilentlyContinue).Arguments[1] |
            Should -BeLike "memory-backend-file,id=ram0,size=1M,mem-path=$TestDrive/none.img,*"
        $warned | Should -BeLike '`[FileNotFound`]*'
        $options = [PsVm.MemoryBackendOptions]@{ Path = './none.img'; Size = 1MB; Share = $true; FileAccessMode = 'ReadOnly' }
        (Get-ErrorOf { $options | ConvertTo-QemuArgument }).Id | Should -Be SharedWritableNeedsWritableFile
    }

    It 'names the devices that it leaves out' {
        [IO.File]::WriteAllBytes("$TestDrive/disk.img", [byte[]]::new(1MB))
        $null = Start-Guest full -Memory 32MB -Disk @{ Path = './disk.img'; Overlay = 'Memory' } -Network Hub:lan -SharedFolder "${TestDrive}:code" -Balloon -ConsolePort com.example.0
        $null = ConvertTo-QemuArgument -Guest full -WarningVariable warned -WarningAction SilentlyContinue
        "$warned" | Should -BeLike "*``[QemuDevicesLeftOut``] Guest 'full'*: disk 'disk0', shared folder 'code', network adapter 'net0', balloon, console port 'com.example.0'.*"
        $null = Start-Guest none -Memory 32MB | ConvertTo-QemuArgument -WarningVariable warned -WarningAction SilentlyContinue
        $warned | Should -Not -BeLike '*QemuDevicesLeftOut*'
    }

    It 'gives a guest its machine, RAM and harts, and says that QEMU has no embedded guest' {
        $guest = Start-Guest web -Memory 32MB -Harts 2
        $found = $guest | ConvertTo-QemuArgument -WarningVariable warned -WarningAction SilentlyContinue
        $found.Arguments | Should -Be '-object', 'memory-backend-ram,id=ram.default,size=32M,share=off,merge=off,dump=on',
            '-machine', 'virt,memory-backend=ram.default', '-m', '32M', '-smp', '2'
        $warned | Should -BeLike '`[QemuBootsNothing`]*'
        (ConvertTo-QemuArgument -Guest w* -WarningAction SilentlyContinue).Arguments | Should -Be $found.Arguments
        (ConvertTo-QemuArgument WEB -WarningAction SilentlyContinue).Arguments | Should -Be $found.Arguments -Because 'no backend has that id'
        (Get-ErrorOf { ConvertTo-QemuArgument nope }).Id | Should -Be BackendNotFound
        $a, $b = 'a', 'b' | ForEach-Object { New-MemoryBackend -Size 16MB -Id $_ }
        (Get-ErrorOf { Start-Guest two -MemoryBackend $a, $b | ConvertTo-QemuArgument }).Id | Should -Be QemuCannotExpress
    }
}
