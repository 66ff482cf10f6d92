# How guests, backends and templates are named: alike in all cmdlets.
BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Guests' {
    BeforeAll { $template = New-TestTemplate "$TestDrive/t" }
    BeforeEach { $a1, $a2, $b1 = 'a1', 'a2', 'b1' | ForEach-Object { Start-Guest -Name $_ -Template $template } }
    AfterEach { Clear-PsVm }

    It '<Command> takes a pattern, and one that matches none is no error' -ForEach @(
        'Get-Guest', 'Suspend-Guest', 'Resume-Guest', 'Stop-Guest', 'Measure-Guest' | ForEach-Object { @{ Command = $_ } }
    ) {
        (& $Command a*).Name | Should -Be a1, a2
        (& $Command 'a[2-9]').Name | Should -Be a2
        (& $Command '?1', a1).Name | Should -Be a1, b1 -Because 'each is meant once'
        (& $Command nope*).Name | Should -BeNullOrEmpty
    }

    It '<Verb> tells the nearest name of one that no guest has, also under -WhatIf' -ForEach @(
        'Suspend-Guest', 'Stop-Guest', 'Remove-Guest' | ForEach-Object { @{ Verb = $_ } }
    ) {
        $found = Get-ErrorOf { & $Verb a11 -WhatIf }
        $found.Id | Should -Be GuestNotFound
        $found.Message | Should -Match "Did you mean 'a1'\?"
    }

    It 'that run are no guests to remove, also under -WhatIf' {
        (Get-ErrorOf { Remove-Guest a1 -WhatIf }).Id | Should -Be GuestNotStopped
        (Get-ErrorOf { Remove-Guest a1 -WhatIf -Force }).Id | Should -BeNullOrEmpty
        (Get-ErrorOf { Remove-MemoryBackend a1/ram* -WhatIf }).Id | Should -Be BackendInUse
        Get-Guest | Should -HaveCount 3
    }

    It 'are all meant by <_> without a name' -ForEach 'Get-Guest', 'Measure-Guest' {
        (& $_).Name | Should -Be a1, a2, b1
        @() | & $_ | Should -BeNullOrEmpty -Because 'nothing was piped in'
    }

    It 'are all waited for without a name' {
        (Wait-Guest -State Running -Timeout 60).Name | Should -Be a1, a2, b1
        @(Wait-Guest -Timeout 0.01 -ErrorAction SilentlyContinue -ErrorVariable problems).Count | Should -Be 0
        $problems.Count | Should -Be 3
    }

    It 'are equal when they are one guest' {
        (Get-Guest a1) -eq $a1 | Should -BeTrue
        (Get-Guest a1) -eq $a2 | Should -BeFalse
        @($a1, $a2) -contains (Get-Guest a2) | Should -BeTrue
        Compare-Object $a1 (Get-Guest a1) | Should -BeNullOrEmpty
        @($a1, (Get-Guest a1), $a2 | Select-Object -Unique).Count | Should -Be 2
    }

    It 'come through the pipeline while the path stands first' {
        ($a1 | Checkpoint-Guest "$TestDrive/piped").Guest | Should -Be a1
        ('a2' | Checkpoint-Guest "$TestDrive/named").Guest | Should -Be a2
        (Checkpoint-Guest b1 "$TestDrive/positional").Guest | Should -Be b1
        $a1 | Export-MemoryMap "$TestDrive/map.svg"
        "$TestDrive/map.svg" | Should -Exist
    }

    It 'and their path are needed: <Case>' -ForEach @(
        @{ Case = 'no path'; Command = { $a1 | Checkpoint-Guest }; Id = 'ArgumentMissing' }
        @{ Case = 'no path by name'; Command = { Checkpoint-Guest a1 }; Id = 'ArgumentMissing' }
        @{ Case = 'nothing'; Command = { Checkpoint-Guest }; Id = 'ArgumentMissing' }
        @{ Case = 'piped and named'; Command = { $a1 | Checkpoint-Guest a2 "$TestDrive/x" }; Id = 'GuestGivenTwice' }
        @{ Case = 'a pattern of several'; Command = { Checkpoint-Guest a* "$TestDrive/x" }; Id = 'CheckpointPathRepeated' }
    ) {
        (Get-ErrorOf $Command).Id | Should -Be $Id
        "$TestDrive/x" | Should -Not -Exist
    }

    It 'says that the path or the name is missing: <Case>' -ForEach @(
        @{ Case = 'of a checkpoint'; Command = { Checkpoint-Guest web }; Message = "*-Path*Checkpoint-Guest*'web'*"; Action = '*Checkpoint-Guest NAME PATH*' }
        @{ Case = 'of a piped guest'; Command = { 'web' | Checkpoint-Guest }; Message = "*-Path*Checkpoint-Guest*'web'*"; Action = '*| Checkpoint-Guest PATH*' }
        @{ Case = 'of a copy'; Command = { Copy-GuestTemplate "$TestDrive/t" }; Message = '*-Destination*/t*'; Action = '*Copy-GuestTemplate PATH DESTINATION*' }
        @{ Case = 'of the guest'; Command = { Checkpoint-Guest }; Message = '*a guest*-Name*'; Action = '*Checkpoint-Guest NAME PATH*pipe guests*' }
    ) {
        $found = Get-ErrorOf $Command
        $found.Id | Should -Be ArgumentMissing
        $found.Message | Should -BeLike $Message
        $found.Action | Should -BeLike $Action
    }
}

Describe 'Start-Guest' {
    BeforeAll { $template = New-TestTemplate "$TestDrive/t" }
    AfterEach { Clear-PsVm }

    It 'starts from <Case>' -ForEach @(
        @{ Case = 'a template object'; Command = { Get-GuestTemplate "$TestDrive/t" | Start-Guest }; Count = 1 }
        @{ Case = 'the path of a template'; Command = { "$TestDrive/t" | Start-Guest }; Count = 1 }
        @{ Case = 'a path in the first position'; Command = { Start-Guest "$TestDrive/t" }; Count = 1 }
        @{ Case = 'a folder'; Command = { Get-Item "$TestDrive/t" | Start-Guest -Count 2 }; Count = 2 }
    ) {
        $guests = & $Command
        @($guests).Count | Should -Be $Count
        $guests.Template | Select-Object -Unique | Should -Be $template.Path
    }

    It 'does not take a template''s name for the guest''s' {
        ($template | Start-Guest).Name | Should -Not -Be $template.Name
        ($template | Start-Guest -Name mine).Name | Should -Be mine
    }

    It 'starts the guests of a table' {
        $rows = "Name,Template,Count`na,$TestDrive/t,1`nb,$TestDrive/t,1" | ConvertFrom-Csv
        $guests = $rows | Start-Guest
        $guests.Name | Should -Be a, b
        $guests.Template | Should -Be $template.Path, $template.Path
        ("Name,Memory`nc,32MB`nd,48 MiB" | ConvertFrom-Csv | Start-Guest).Memory | Should -Be 32MB, 48MB

        # A blank cell says nothing.
        $blank = ("Name,Memory,Harts,Count,NameFormat,Template,Kernel,Initrd,Firmware,CommandLine,MachineType,CpuWeight,CpuLimit", 'e,,,,,,,,,,,,', ',32MB,2,1,,,,,,,,,' |
                ConvertFrom-Csv | Start-Guest)
        $blank.Memory | Should -Be 128MB, 32MB
        $blank.Harts | Should -Be 1, 2
        $blank[0].Name | Should -Be e
        $blank[0].GetInfo().CommandLine | Should -Be (Start-Guest f -Memory 32MB).GetInfo().CommandLine
    }

    It 'says what it can start from when <Case> is piped in' -ForEach @(
        @{ Case = 'a number'; Value = 5 }
        @{ Case = 'a process'; Value = Get-Process -Id $PID }
        @{ Case = 'a dictionary'; Value = @{ Name = 'web' } }
        @{ Case = 'an object without any of the properties'; Value = [pscustomobject] @{ Colour = 'red' } }
    ) {
        (Get-ErrorOf { $Value | Start-Guest }).Id | Should -Be StartInputInvalid
        Get-Guest | Should -BeNullOrEmpty
    }
}

Describe 'Backends' {
    BeforeEach { $null = 'web', 'db' | ForEach-Object { Start-Guest -Name $_ -Memory 32MB } }
    AfterEach { Clear-PsVm }

    It 'of a guest are named with it' {
        (Get-MemoryBackend web/ram.default).Guest | Should -Be web
        (Measure-MemoryBackend DB/RAM.default).Size | Should -Be 32MB
        (Get-MemoryBackend 'w*/*').Guest | Should -Be web
        (Get-MemoryBackend ram*).Guest | Should -Be web, db
    }

    It 'that several guests have are told apart in the error' {
        $found = Get-ErrorOf { Get-MemoryBackend ram.default }
        $found.Id | Should -Be AmbiguousId
        $found.Message | Should -Match 'web/ram.default, db/ram.default'
    }

    It 'are all measured without an id, and each once' {
        $null = New-MemoryBackend -Id other -Size 1MB
        (Measure-MemoryBackend).BackendId | Should -Be (Get-MemoryBackend).Id
        (Measure-MemoryBackend oth*, other, o?her).BackendId | Should -Be other
        @() | Measure-MemoryBackend | Should -BeNullOrEmpty
    }

    It 'are their id as a text' {
        $ram = New-MemoryBackend -Size 32MB -Id spare
        "$ram" | Should -Be spare
        (Get-ErrorOf { Measure-MemoryBackend spaer }).Message | Should -Match "Did you mean 'spare'\?"
    }
}

Describe 'A size' {
    AfterEach { Clear-PsVm }

    It '<Text> is <Bytes> bytes, in <Culture>' -ForEach @(
        foreach ($culture in 'en-US', 'de-DE', 'tr-TR', 'ar-SA') {
            @{ Text = '32 MiB'; Bytes = 32MB; Culture = $culture }
            @{ Text = '32MB'; Bytes = 32MB; Culture = $culture }
            @{ Text = '0.25gib'; Bytes = 256MB; Culture = $culture }
            @{ Text = '33554432'; Bytes = 32MB; Culture = $culture }
        }
    ) {
        $before = [cultureinfo]::CurrentCulture
        try {
            [cultureinfo]::CurrentCulture = $Culture
            (New-MemoryBackend -Size $Text).Size | Should -Be $Bytes
            [PsVm.ByteSize]::ToText($Bytes) | Should -Match '^[0-9.]+ [MG]iB$'
        }
        finally {
            [cultureinfo]::CurrentCulture = $before
        }
    }

    It 'is refused when it is none: <_>' -ForEach 'big', '1,5 GiB', '1.3B', '99999999999 EiB', '12 parsecs' {
        { New-MemoryBackend -Size $_ } | Should -Throw -ExceptionType ([System.Management.Automation.ParameterBindingException])
    }
}
