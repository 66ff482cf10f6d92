BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Test-BackendOptions' {
    BeforeEach { Push-Location $TestDrive }

    AfterEach {
        Pop-Location
        Clear-PsVm
    }

    It 'is false without an error, and says each reason on the verbose stream' {
        $ErrorActionPreference = 'Stop'
        $found = Test-BackendOptions ./ram.img 1MB -Share -Offset 1 -Align 3 -ErrorVariable problems -Verbose 4>&1
        $found | Where-Object { $_ -is [bool] } | Should -BeFalse
        $reasons = $found | Where-Object { $_ -is [System.Management.Automation.VerboseRecord] }
        $reasons[0].Message | Should -BeLike '`[OffsetMisaligned`]*'
        $reasons[1].Message | Should -BeLike '`[AlignMisaligned`]*'
        $problems | Should -BeNullOrEmpty
    }

    It 'is false where a file is missing, a policy forbids, or options contradict' {
        Test-BackendOptions ./ram.img 256MB -FileAccessMode ReadOnly -Share -ErrorAction Stop | Should -BeFalse
        Test-BackendOptions ./none/ram.img 1MB -Share -ErrorAction Stop | Should -BeFalse
        Test-BackendOptions '' 1MB -ErrorAction Stop | Should -BeFalse
        (Get-ErrorOf { Test-BackendOptions Env:/HOME 1MB }).Id | Should -Be PathNotFileSystem
    }

    It 'is true for what can be done, and does not do it' {
        Test-BackendOptions -Path ./ram.img -Size 256MB -Share | Should -BeTrue
        Test-Path ./ram.img | Should -BeFalse
        Get-MemoryBackend | Should -BeNullOrEmpty
    }

    It 'gives the report in detail, and leaves the error stream alone' {
        $report = Test-BackendOptions -Path ./ram.img -Size 256MB -Detailed -ErrorVariable problems
        $report | Should -BeOfType PsVm.BackendReport
        $report.IsValid | Should -BeFalse
        $report.EffectiveMode | Should -Be ReadOnly
        $report.Errors.Id | Should -Be FileNotFound
        $problems | Should -BeNullOrEmpty
    }

    It 'foretells creation' {
        (Test-BackendOptions -Path ./ram.img -Size 1MB -Share -Detailed).WouldCreate | Should -BeTrue
    }

    It 'takes a file from the pipeline' {
        $null = New-Item ./some.img
        Get-Item ./some.img | Test-BackendOptions -Size 1MB -Share -Detailed | ForEach-Object Path |
            Should -Be ([IO.Path]::Combine($TestDrive, 'some.img'))
    }

    It 'knows the policy' {
        Set-MemoryBackendPolicy -DenyPrivateDiscard
        (Test-BackendOptions -Path ./x.img -Size 1MB -FileAccessMode ReadWrite -Detailed).Errors.Id | Should -Contain PrivateReadWriteDenied
        (Test-BackendOptions -Path ./x.img -Size 1MB -FileAccessMode ReadWrite -AllowPrivateDiscard -Detailed).Errors |
            Should -BeNullOrEmpty
    }
}
