# The README's PowerShell blocks run as they stand, each in the folder and session of the one before.
BeforeDiscovery {
    $text = [IO.File]::ReadAllText([IO.Path]::Combine($PSScriptRoot, '..', '..', 'README.md'))
    $blocks = foreach ($found in [regex]::Matches($text, '(?s)```powershell\n(.*?)```')) {
        $code = $found.Groups[1].Value
        @{ Code = $code; Title = ($code -split "`n")[0]; NeedsLinux = $code -match '\./guest/' }
    }
}

BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'README' {
    BeforeAll {
        $null = [IO.Directory]::CreateDirectory("$TestDrive/readme")
        if ($env:PSVM_LINUX_GUEST) {
            $null = New-Item -ItemType SymbolicLink -Path "$TestDrive/readme/guest" -Target $env:PSVM_LINUX_GUEST
        }
    }

    AfterEach { Clear-PsVm }

    It 'runs <Title>' -ForEach $blocks {
        if ($NeedsLinux -and -not ($env:PSVM_LINUX_GUEST -and (Test-Path "$env:PSVM_LINUX_GUEST/Image"))) {
            Set-ItResult -Skipped -Because 'PSVM_LINUX_GUEST names no folder with a Linux guest'
        }

        Push-Location "$TestDrive/readme"
        try {
            $output = @(. { $ErrorActionPreference = 'Stop'; . ([scriptblock]::Create($Code)) } 2>&1)
            $output.Where{ $_ -is [Management.Automation.ErrorRecord] } | Should -BeNullOrEmpty
            foreach ($measured in $output.Where{ $_ -is [Microsoft.PowerShell.Commands.GenericMeasureInfo] }) {
                $measured.Sum | Should -BeGreaterThan 0 -Because "$($measured.Property) is what the line is there for"
            }
        }
        finally {
            Pop-Location
        }

        Get-Guest | Should -BeNullOrEmpty -Because 'it cleans up after itself'
    }
}
