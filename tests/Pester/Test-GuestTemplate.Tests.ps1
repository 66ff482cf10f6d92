BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Test-GuestTemplate' {
    BeforeEach { $template = New-TestTemplate "$TestDrive/web" }

    AfterEach {
        Clear-PsVm
        Remove-Item "$TestDrive/*" -Recurse -Force
    }

    It 'is true for a template that is as it was made' {
        Test-GuestTemplate $template | Should -BeTrue
        "$TestDrive/web" | Test-GuestTemplate -Verify | Should -BeTrue
    }

    It 'is false for RAM that was changed, without an error, and says so on the verbose stream' {
        $file = $template.RamBlocks[0].File
        Set-ItemProperty $file IsReadOnly $false
        $stream = [IO.File]::OpenWrite($file)
        $stream.WriteByte(1)
        $stream.Dispose()

        $found, $reason = Test-GuestTemplate $template -ErrorVariable problems -Verbose 4>&1 | Sort-Object { $_ -isnot [bool] }
        $found | Should -BeFalse
        $problems | Should -BeNullOrEmpty
        $reason.Message | Should -BeLike "``[TemplateRamChanged``] '$($template.Path)': *"
        (Test-GuestTemplate $template -Verify -Detailed).Errors.Id | Should -Be TemplateDigestMismatch
    }

    It 'gives the report in detail, and leaves the error stream alone' {
        Remove-Item "$TestDrive/web/state.bin" -Force
        $report = Test-GuestTemplate $template -Detailed -ErrorVariable problems
        $report | Should -BeOfType PsVm.TemplateReport
        $report.IsValid | Should -BeFalse
        $report.Errors.Id | Should -Contain TemplateIncomplete
        $problems | Should -BeNullOrEmpty
    }

    It 'is false where there is none' {
        Test-GuestTemplate "$TestDrive/none" -ErrorAction Stop | Should -BeFalse
        (Test-GuestTemplate "$TestDrive/none" -Detailed).Errors.Id | Should -Be TemplateNotFound
        (Test-GuestTemplate "$TestDrive/none" -Detailed -Verify).Verified | Should -BeFalse -Because 'there was nothing to compare'
        Test-GuestTemplate "$TestDrive/none*" -ErrorAction Stop | Should -BeNullOrEmpty
    }
}
