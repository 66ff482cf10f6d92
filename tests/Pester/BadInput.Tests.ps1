# What operators mistype, and what is piped in that was meant for another cmdlet.
BeforeAll {
    . "$PSScriptRoot/Common.ps1"
    $template = New-TestTemplate "$TestDrive/web"
    $long = 'x' * 4096
}

Describe 'Objects of the wrong type' {
    # Named alike, so that a Name or Path that binds would do harm.
    BeforeEach {
        Push-Location $TestDrive
        $guest = Start-Guest -Name web -Memory 32MB
        $ram = New-MemoryBackend -Id web -Size 1MB
        $thing = [System.Management.Automation.PSVariable]::new('web', 1)
        $item = Get-Item "$TestDrive/web"
    }

    AfterEach {
        Pop-Location
        Clear-PsVm
    }

    It '<From> | <Cmdlet> does nothing and is an error' -ForEach @(
        foreach ($cmdlet in 'Stop-Guest', 'Suspend-Guest', 'Remove-Guest', 'Get-Guest', 'Measure-Guest', 'Wait-Guest', 'Receive-GuestConsole') {
            foreach ($from in 'template', 'thing', 'item', 'ram') { @{ From = $from; Cmdlet = $cmdlet; With = @{} } }
        }
        foreach ($from in 'template', 'thing', 'item', 'ram') { @{ From = $from; Cmdlet = 'Checkpoint-Guest'; With = @{ Path = './made' } } }
        foreach ($cmdlet in 'Remove-MemoryBackend', 'Get-MemoryBackend', 'Measure-MemoryBackend') {
            foreach ($from in 'template', 'thing', 'item', 'guest') { @{ From = $from; Cmdlet = $cmdlet; With = @{} } }
        }
        foreach ($cmdlet in 'Get-GuestTemplate', 'Test-GuestTemplate', 'Restore-Guest') {
            foreach ($from in 'guest', 'thing', 'ram') { @{ From = $from; Cmdlet = $cmdlet; With = @{} } }
        }
        foreach ($from in 'guest', 'thing', 'ram') { @{ From = $from; Cmdlet = 'Remove-GuestTemplate'; With = @{ Confirm = $false } } }
        foreach ($cmdlet in 'Copy-GuestTemplate', 'Move-GuestTemplate', 'Import-GuestTemplate') {
            foreach ($from in 'guest', 'thing', 'ram') { @{ From = $from; Cmdlet = $cmdlet; With = @{ Destination = './made' } } }
        }
        foreach ($from in 'guest', 'thing', 'ram') { @{ From = $from; Cmdlet = 'Export-GuestTemplate'; With = @{ Path = './made' } } }
        @{ From = 'thing'; Cmdlet = 'New-MemoryBackend'; With = @{} }
        @{ From = 'thing'; Cmdlet = 'Start-Guest'; With = @{} }
    ) {
        $before = "$(Get-Guest | ForEach-Object { $_.Name, $_.State })"
        $found = Get-ErrorOf { Get-Variable $From -ValueOnly | & $Cmdlet @With }
        $found.Id | Should -Match 'InputObjectNotBound|InputObjectMissingMandatory|StartInputInvalid|ArgumentMissing|ParameterArgumentTransformationError'
        "$(Get-Guest | ForEach-Object { $_.Name, $_.State })" | Should -Be $before
        (Get-MemoryBackend web).Id | Should -Be web
        Test-GuestTemplate $template | Should -BeTrue
        './made' | Should -Not -Exist
    }

    It 'and rows of a table, objects of a job and selected properties are right' {
        ($guest | Select-Object Name | Get-Guest).Id | Should -Be $guest.Id
        ([pscustomobject]@{ Name = 'WEB' } | Get-Guest).Id | Should -Be $guest.Id
        ('"web"' | ConvertFrom-Csv -Header Name | Get-Guest).Id | Should -Be $guest.Id
        ([System.Management.Automation.PSSerializer]::Deserialize([System.Management.Automation.PSSerializer]::Serialize($guest)) | Get-Guest).Id |
            Should -Be $guest.Id
        ([pscustomobject]@{ Path = './web' } | Get-GuestTemplate).Id | Should -Be $template.Id
        ($item | Get-GuestTemplate).Id | Should -Be $template.Id
    }
}

Describe 'A path' {
    BeforeEach {
        Push-Location $TestDrive
        $guest = Start-Guest -Name web -Memory 32MB
    }

    AfterEach {
        Pop-Location
        Clear-PsVm
    }

    It '<Path> is an error of each cmdlet, <Id>' -ForEach @(
        @{ Path = 'Env:/HOME'; Id = 'PathNotFileSystem' }
        @{ Path = 'nope:/x'; Id = 'PathNotFileSystem' }
        @{ Path = 'Nope::/x'; Id = 'PathNotFileSystem' }
        @{ Path = "a`0b"; Id = 'PathInvalid' }
    ) {
        foreach ($command in { Get-GuestTemplate $Path }, { Test-GuestTemplate $Path }, { Remove-GuestTemplate $Path -Confirm:$false },
            { Restore-Guest $Path }, { Start-Guest -Template $Path }, { Start-Guest -Kernel $Path }, { Start-Guest -MemPath $Path },
            { Checkpoint-Guest web $Path }, { Export-MemoryMap web $Path }, { New-MemoryBackend $Path 1MB }, { Test-BackendOptions $Path 1MB },
            { Get-GuestTemplate -Folder $Path }, { Copy-GuestTemplate $Path ./made }, { Move-GuestTemplate web $Path }, { Export-GuestTemplate $Path ./made },
            { Export-GuestTemplate web $Path }, { Import-GuestTemplate $Path ./made }, { Import-GuestTemplate web $Path }) {
            (Get-ErrorOf $command).Id | Should -Be $Id -Because $command
        }
    }

    It 'that is wrong ends only its own item' {
        (Get-GuestTemplate 'nope:/x', "$TestDrive/web" -ErrorAction Ignore).Id | Should -BeNullOrEmpty -Because 'the two are one argument'
        ('nope:/x', "$TestDrive/web" | Get-GuestTemplate -ErrorAction Ignore).Id | Should -Be $template.Id
    }

    It 'of 4,096 characters is an error that can be read' {
        foreach ($command in { Get-GuestTemplate $long }, { Remove-GuestTemplate $long -Confirm:$false }, { Restore-Guest $long },
            { Start-Guest -Template $long }, { Start-Guest -Kernel $long }, { Checkpoint-Guest web $long }, { Export-MemoryMap web $long },
            { Copy-GuestTemplate $long ./made }, { Move-GuestTemplate web $long }, { Export-GuestTemplate web $long }, { Import-GuestTemplate $long ./made },
            { New-MemoryBackend $long 1MB }, { New-MemoryBackend "$TestDrive/$long/x" 1MB -Share }) {
            $problem = $null
            try { & $command -ErrorAction Stop } catch { $problem = $_ }
            $problem ??= & $command 2>&1
            "$problem".Length | Should -BeLessThan 700 -Because $command
            "$problem" | Should -Match '4,\d{3} characters' -Because $command
        }
    }

    It 'with a name that no file system takes says what to do' {
        $name = "$TestDrive/" + 'n' * 300
        foreach ($command in { New-MemoryBackend $name 1MB -Share }, { Checkpoint-Guest web $name }, { Copy-GuestTemplate "$TestDrive/web" $name }) {
            $problem = Get-ErrorOf $command
            $problem.Message | Should -Match 'too long' -Because $command
            $problem.Action | Should -Match '^Choose a shorter path' -Because $command
        }
    }

    It '<Path> is taken as it is' -ForEach @(
        @{ Path = '[x] y' }, @{ Path = 'ünï-日本' }, @{ Path = "it's" }, @{ Path = 'a*b?' }, @{ Path = '-dash' } | ForEach-Object { $_ }
    ) {
        $made = $guest | Checkpoint-Guest -Path $Path
        $made.Name | Should -Be $Path
        (Get-GuestTemplate -Path $Path).Id | Should -Be $made.Id
        Test-GuestTemplate -Path $Path | Should -BeTrue
        Start-Guest -Template $Path -Name clone | Remove-Guest -Force
        ("./$Path" | Start-Guest).Template | Should -Be (Join-Path $TestDrive $Path)
        $ram = New-MemoryBackend -Path "./$Path.img" -Size 1MB -Share
        $ram.Path | Should -Be (Join-Path $TestDrive "$Path.img")
        Remove-GuestTemplate -Path $Path -Confirm:$false
        Test-Path -LiteralPath $Path | Should -BeFalse
        Test-GuestTemplate $template | Should -BeTrue
    }

    It 'with a provider, a drive or a home before it is the same path' {
        $null = New-PSDrive -Name PsVmDrive -PSProvider FileSystem -Root $TestDrive -Scope Script
        foreach ($path in "FileSystem::$TestDrive/web", "Microsoft.PowerShell.Core\FileSystem::$TestDrive/web", 'PsVmDrive:/web', 'PsVmDrive:/w[e]b',
            "$TestDrive/./web//", "$TestDrive/web/../web") {
            (Get-GuestTemplate $path).Id | Should -Be $template.Id -Because $path
        }

        (Get-Item PsVmDrive:/web | Get-GuestTemplate).Id | Should -Be $template.Id
        (New-MemoryBackend PsVmDrive:/drive.img 1MB -Share).Path | Should -Be (Join-Path $TestDrive drive.img)
        (Get-ErrorOf { Get-GuestTemplate ~/psvm-none }).Message | Should -BeLike "*'$HOME/psvm-none'*"
        Remove-PSDrive PsVmDrive
    }

    It 'is relative to where the session is, if that is a folder' {
        Set-Location Env:
        (Get-ErrorOf { Get-GuestTemplate }).Id | Should -Be PathNotFileSystem
        (Get-ErrorOf { New-MemoryBackend x.img 1MB }).Id | Should -Be PathNotFileSystem
        (Get-GuestTemplate "$TestDrive/web").Id | Should -Be $template.Id
    }
}

Describe 'A guest''s name' {
    AfterEach { Clear-PsVm }

    It '<Case> is refused' -ForEach @(
        @{ Case = 'blank'; Name = ' ' }, @{ Case = 'of 64 characters'; Name = 'x' * 64 }
        @{ Case = 'with a space'; Name = 'a b' }, @{ Case = 'with an accent'; Name = 'wéb' }
        @{ Case = 'with a control character'; Name = "a`eb" }, @{ Case = 'with a quote'; Name = "a'b" }
    ) {
        (Get-ErrorOf { Start-Guest -Name $Name }).Id | Should -Be GuestNameInvalid
        (Get-ErrorOf { Start-Guest -Name $Name -WhatIf }).Id | Should -Be GuestNameInvalid
        (Get-ErrorOf { Restore-Guest $template $Name }).Id | Should -Be GuestNameInvalid
        Get-Guest | Should -BeNullOrEmpty
    }

    It 'that is a pattern makes none' {
        Start-Guest 'w*b' -ErrorAction Stop | Should -BeNullOrEmpty -Because 'it means guests that stopped'
        (Get-ErrorOf { Restore-Guest $template 'w[1]' }).Id | Should -Be GuestNameInvalid
        Get-Guest | Should -BeNullOrEmpty
    }

    It 'of 63 letters, digits, dots, dashes and underscores is fine' {
        (Start-Guest -Name ('a.B-9_' + 'x' * 57) -Memory 32MB).State | Should -Be Running
    }
}

Describe 'An error' {
    AfterEach { Clear-PsVm }

    It 'of the default RAM names parameters of Start-Guest, or the cmdlet that has them' {
        $found = Get-ErrorOf { Start-Guest -Memory 5000 }
        $found.Message | Should -Be 'Memory is 5000 bytes (4.88 KiB); expected a multiple of the backing page size, 4 KiB.'
        $found.Action | Should -Be 'Use 8 KiB.'
        $found = Get-ErrorOf { Start-Guest -MemPath "$TestDrive/none.img" }
        $found.Action | Should -Be 'Make the RAM with New-MemoryBackend and pipe it to Start-Guest: Create the file, or use Share or FileAccessMode ReadWrite to have it created.'
        $null = New-MemoryBackend "$TestDrive/used.img" 32MB -Share
        (Get-ErrorOf { Start-Guest -MemPath "$TestDrive/used.img" -Memory 32MB }).Action | Should -BeLike 'Make the RAM with New-MemoryBackend*AllowSharedWriters*'
    }

    It 'has sizes as people write them' {
        Set-Content "$TestDrive/small.img" 'small' -NoNewline
        (Get-ErrorOf { New-MemoryBackend "$TestDrive/small.img" 1GB }).Message | Should -BeLike "*has 5 B; expected Size 1 GiB.*"
        $ram = New-MemoryBackend -Size 1MB
        (Get-ErrorOf { $ram | Clear-MemoryBackend -Offset 0 -Length 1GB }).Message | Should -BeLike '*length 1 GiB; expected a range inside the 1 MiB of*'
        (Get-ErrorOf { $ram | Clear-MemoryBackend -Offset 0 -Length 10001 }).Message | Should -BeLike '*length 10001 bytes (9.77 KiB); expected multiples*, 4 KiB.'
    }

    It 'of -FileAccessMode <Value> says what there is' -ForEach @{ Value = 'Read' }, @{ Value = '' }, @{ Value = '1' }, @{ Value = 'Auto,ReadOnly' } {
        $found = Get-ErrorOf { New-MemoryBackend -Size 1MB -FileAccessMode $Value }
        $found.Id | Should -Be CannotConvertArgumentNoMessage
        $found.Message | Should -BeLike "*Expected one of Auto, ReadOnly, ReadWrite, found '$Value'.*"
    }

    It 'is none for a value of the enumeration or its name in any case' {
        foreach ($mode in 'readonly', 'ReadOnly', [PsVm.FileAccessMode]::ReadOnly) {
            $null = [IO.File]::WriteAllBytes("$TestDrive/mode.img", [byte[]]::new(1MB))
            $ram = New-MemoryBackend "$TestDrive/mode.img" 1MB -FileAccessMode $mode
            $ram.Outcome.RequestedMode | Should -Be ReadOnly
            $ram | Remove-MemoryBackend
        }
    }

    It 'of Prealloc names Force, which the cmdlet has' {
        [IO.File]::WriteAllBytes("$TestDrive/p.img", [byte[]]::new(1MB))
        $found = Get-ErrorOf { New-MemoryBackend "$TestDrive/p.img" 1MB -Prealloc -FileAccessMode ReadWrite }
        $found.Id | Should -Be PreallocCopiesFile
        $found.Action | Should -BeLike '*allow it with Force.'
    }

    It 'has the reason of the very first failure of a process' {
        $script = "Import-Module '$((Get-Module PsVm).ModuleBase)/PsVm.psd1'
            try { Start-Guest -Kernel '$TestDrive/missing' -ErrorAction Stop } catch { `$_.FullyQualifiedErrorId }"
        "$(& "$PSScriptRoot/Invoke-Pwsh.ps1" -NoProfile -Command $script)" | Should -BeLike 'KernelNotFound,*'
    }
}
