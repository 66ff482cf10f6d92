BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'New-MemoryBackend' {
    BeforeEach {
        Push-Location $TestDrive
        Get-ChildItem $TestDrive | Remove-Item -Recurse -Force
    }

    AfterEach {
        Pop-Location
        Clear-PsVm
    }

    It 'creates a shared file and says what was done' {
        $ram = New-MemoryBackend -Path ./ram.img -Size 1MB -Share

        (Get-Item ./ram.img).Length | Should -Be 1MB
        $ram.Id | Should -Be (Get-MemoryBackend).Id
        $ram.Outcome.EffectiveMode | Should -Be ReadWrite
        $ram.Outcome.Created | Should -BeTrue
        $ram.Outcome.Reason | Should -Not -BeNullOrEmpty
        $ram.Outcome | Should -BeOfType PsVm.MappingOutcome
    }

    It 'takes <Name> <Value>' -ForEach @(
        @{ Name = 'Id'; Value = 'web ram'; Expected = 'web ram' }
        @{ Name = 'Kind'; Value = 'Memfd'; Expected = 'Memfd' }
        @{ Name = 'Share'; Value = $true; Expected = $true }
        @{ Name = 'DiscardPolicy'; Value = 'Deny'; Expected = 'Deny' }
        @{ Name = 'Prealloc'; Value = $true; Expected = $true }
        @{ Name = 'PreallocThreads'; Value = 2; Expected = 2 }
        @{ Name = 'Reserve'; Value = $false; Expected = $false }
        @{ Name = 'Align'; Value = 2MB; Expected = 2MB }
        @{ Name = 'Merge'; Value = $true; Expected = $true }
        @{ Name = 'Dump'; Value = $false; Expected = $false }
        @{ Name = 'MachineType'; Value = 'virt-1.0'; Expected = 'virt-1.0' }
        @{ Name = 'DenyPrivateDiscard'; Value = $true; Expected = $true }
        @{ Name = 'DenyPrivateDiscard'; Value = $false; Expected = $false }
        @{ Name = 'Size'; Value = '3MB'; Expected = 3MB }
    ) {
        $parameters = @{ Size = 1MB }
        $parameters[$Name] = $Value
        $ram = New-MemoryBackend @parameters -WarningAction SilentlyContinue
        $ram.Options.$Name | Should -Be $Expected
    }

    It 'takes <Name> <Value> for a file' -ForEach @(
        @{ Name = 'ReadOnly'; Value = $true; Expected = $true }
        @{ Name = 'FileAccessMode'; Value = 'ReadWrite'; Expected = 'ReadWrite' }
        @{ Name = 'Offset'; Value = 1MB; Expected = 1MB }
    ) {
        New-MemoryBackend ./ram.img 2MB -Share | Remove-MemoryBackend
        $parameters = @{ Path = './ram.img'; Size = 1MB; $Name = $Value }
        (New-MemoryBackend @parameters).Options.$Name | Should -Be $Expected
    }

    It 'leaves to the defaults what is not given' {
        $options = (New-MemoryBackend -Size 1MB).Options

        $expected = [PsVm.MemoryBackendOptions]@{ Id = $options.Id; Size = 1MB }
        foreach ($property in $expected.PSObject.Properties) {
            $options.($property.Name) | Should -Be $property.Value -Because $property.Name
        }
    }

    It 'forces preallocation of a private file' {
        New-MemoryBackend ./ram.img 1MB -Share | Remove-MemoryBackend
        $parameters = @{ Path = './ram.img'; Size = 1MB; FileAccessMode = 'ReadOnly'; Prealloc = $true }

        (Get-ErrorOf { New-MemoryBackend @parameters }).Id | Should -Be PreallocCopiesFile
        (New-MemoryBackend @parameters -Force | Measure-MemoryBackend).Own | Should -Be 1MB
    }

    It 'resolves a path as PowerShell means it: <Path>' -ForEach @(
        @{ Path = './ram[1].img'; File = 'ram[1].img' }
        @{ Path = 'Ram:/ram.img'; File = 'ram.img' }
        @{ Path = 'Microsoft.PowerShell.Core\FileSystem::{0}/full.img'; File = 'full.img' }
    ) {
        $null = New-PSDrive -Name Ram -PSProvider FileSystem -Root $TestDrive
        $ram = New-MemoryBackend -Path ($Path -f $TestDrive) -Size 1MB -Share
        $ram.Outcome.Path | Should -Be ([IO.Path]::Combine($TestDrive, $File))
        Test-Path -LiteralPath $ram.Outcome.Path | Should -BeTrue
    }

    It 'refuses a path of another provider' {
        $found = Get-ErrorOf { New-MemoryBackend -Path Env:/PATH -Size 1MB }
        $found.Id | Should -Be PathNotFileSystem
        $found.Message | Should -BeLike "*'Environment'*"
    }

    It 'changes nothing under -WhatIf' {
        New-MemoryBackend -Path ./ram.img -Size 1MB -Share -WhatIf | Should -BeNullOrEmpty
        Test-Path ./ram.img | Should -BeFalse
        Get-MemoryBackend | Should -BeNullOrEmpty
    }

    It 'gives errors with id, category, target and recommendation' {
        $found = Get-ErrorOf { New-MemoryBackend -Path ./missing.img -Size 1MB }

        $found.Id | Should -Be FileNotFound
        $found.Category | Should -Be ObjectNotFound
        $found.Target | Should -Be ([IO.Path]::Combine($TestDrive, 'missing.img'))
        $found.Action | Should -Not -BeNullOrEmpty
    }

    It 'says <Id> for <Because>' -ForEach @(
        @{ Id = 'SharedWritableNeedsWritableFile'; Because = 'sharing a file'; With = @{ Share = $true; FileAccessMode = 'ReadOnly' } }
        @{ Id = 'ReadOnlyMemoryNeedsNoWritableFile'; Because = 'ROM'; With = @{ ReadOnly = $true; FileAccessMode = 'ReadWrite' } }
        @{ Id = 'PrivateReadWriteDenied'; Because = 'policy'; With = @{ DenyPrivateDiscard = $true; FileAccessMode = 'ReadWrite' } }
        @{ Id = 'InvalidSize'; Because = 'size 0'; With = @{ Size = 0 } }
        @{ Id = 'SizeMisaligned'; Because = 'half a page'; With = @{ Size = 2KB } }
        @{ Id = 'SizeTooLarge'; Because = 'more than the address space'; With = @{ Size = 1PB } }
        @{ Id = 'FileTooSmall'; Because = 'a short file'; With = @{ Size = 2MB } }
        @{ Id = 'OffsetMisaligned'; Because = 'an odd offset'; With = @{ Offset = 1 } }
        @{ Id = 'AlignMisaligned'; Because = 'an odd alignment'; With = @{ Align = 3 } }
        @{ Id = 'ReservedId'; Because = 'the id of the default RAM'; With = @{ Id = 'ram.default' } }
        @{ Id = 'UnknownMachineType'; Because = 'an unknown machine'; With = @{ MachineType = 'pc' } }
        @{ Id = 'InvalidHostNodes'; Because = 'nodes without a policy'; With = @{ HostNodes = 0 } }
        @{ Id = 'DiscardPolicyNeedsPrivateMapping'; Because = 'overlays'; With = @{ Share = $true; DiscardPolicy = 'ZeroOverlay' } }
    ) {
        New-MemoryBackend ./ram.img 1MB -Share | Remove-MemoryBackend
        $parameters = @{ Path = './ram.img'; Size = 1MB }
        $With.GetEnumerator() | ForEach-Object { $parameters[$_.Key] = $_.Value }
        (Get-ErrorOf { New-MemoryBackend @parameters }).Id | Should -Be $Id
        Get-MemoryBackend | Should -BeNullOrEmpty
    }

    It 'refuses a path that is an unset variable' {
        $unset = $null
        (Get-ErrorOf { New-MemoryBackend -Path $unset -Size 1MB -Share }).Id | Should -Be PathRequired
        (Get-ErrorOf { [PsVm.MemoryBackendOptions]@{ Path = $unset; Size = 1MB } | New-MemoryBackend }).Id | Should -Be PathRequired
        (Get-ErrorOf { [pscustomobject]@{ Path = ''; Size = 1MB } | New-MemoryBackend }).Id | Should -Be PathRequired
        Get-MemoryBackend | Should -BeNullOrEmpty
        ((New-MemoryBackend -Size 1MB).Outcome | New-MemoryBackend -Id second).Outcome.Kind | Should -Be Anonymous
    }

    It 'refuses an id that is taken' {
        $null = New-MemoryBackend -Size 1MB -Id a
        (Get-ErrorOf { New-MemoryBackend -Size 1MB -Id a }).Id | Should -Be DuplicateId
    }

    It 'can be made to stop the script' {
        { New-MemoryBackend -Path ./missing.img -Size 1MB -ErrorAction Stop } | Should -Throw -ErrorId 'FileNotFound,*'
    }

    It 'warns with the id in brackets' {
        $null = New-MemoryBackend ./ram.img 1MB -Share
        $null = New-MemoryBackend ./ram.img 1MB -AllowSharedWriters -WarningVariable warnings -WarningAction SilentlyContinue
        $warnings | Should -HaveCount 2
        "$($warnings[0])" | Should -BeLike '`[SharedWriters`] *'
        "$($warnings[1])" | Should -BeLike '`[PrivateMappingOfSharedFile`] *'
    }

    It 'refuses to write a file that another backend writes, unless AllowSharedWriters' {
        $null = New-MemoryBackend ./ram.img 1MB -Share -Id first
        Test-BackendOptions ./ram.img 1MB -Share | Should -BeFalse
        $failure = Get-ErrorOf { New-MemoryBackend ./ram.img 1MB -Share }
        $failure.Id | Should -Be RamFileInUse
        $warnings = $null
        $second = New-MemoryBackend ./ram.img 1MB -Share -AllowSharedWriters -WarningVariable warnings -WarningAction SilentlyContinue
        $second.Outcome.Share | Should -BeTrue
        "$warnings" | Should -BeLike "``[SharedWriters``] *'first'*"
    }

    It 'does what a report foretold' {
        $report = Test-BackendOptions ./ram.img 1MB -Share -FileAccessMode ReadWrite -DiscardPolicy Deny -MachineType virt-1.0 -Detailed
        $outcome = ($report | New-MemoryBackend).Outcome

        foreach ($name in 'Path', 'Size', 'Share', 'RequestedMode', 'EffectiveMode', 'Reason', 'MachineType', 'EffectiveDiscardPolicy') {
            $outcome.$name | Should -Be $report.$name -Because $name
        }
    }

    It 'takes an outcome for a second mapping' {
        $first = New-MemoryBackend ./ram.img 1MB -Share
        $second = $first.Outcome | New-MemoryBackend -Id second -AllowSharedWriters -WarningAction SilentlyContinue
        $second.Outcome.Path | Should -Be $first.Outcome.Path
        $second.Outcome.Share | Should -BeTrue
    }

    It 'takes all options in one object' {
        $options = @{ Path = './ram.img'; Size = 1MB; Share = $true; Id = 'one'; Align = 2MB; DenyPrivateDiscard = $false }
        $ram = [PsVm.MemoryBackendOptions]$options | New-MemoryBackend
        $ram.Outcome.Path | Should -Be ([IO.Path]::Combine($TestDrive, 'ram.img'))
        $ram.Options.Align | Should -Be 2MB
        $ram.Options.DenyPrivateDiscard | Should -BeFalse
    }

    It 'makes one backend for each item' {
        1..3 | ForEach-Object { [pscustomobject]@{ Id = "clone$_"; Size = 1MB } } | New-MemoryBackend | ForEach-Object Id |
            Should -Be clone1, clone2, clone3
    }

    It 'takes a machine type in any case' {
        (New-MemoryBackend -Size 1MB -MachineType VIRT-1.0).Outcome.MachineType | Should -Be virt-1.0
    }

    It 'completes machine types' {
        (TabExpansion2 'New-MemoryBackend -MachineType virt-').CompletionMatches.CompletionText | Should -Be virt-1.0, virt-1.1, virt-1.2, virt-1.3, virt-1.4
    }
}
