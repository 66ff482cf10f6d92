# The scripts in examples/: each with help and a line in the list, each run beside guests that are not its own.
BeforeDiscovery {
    $folder = [IO.Path]::Combine($PSScriptRoot, '..', '..', 'examples')
    $scripts = Get-ChildItem $folder -Filter *.ps1 | ForEach-Object { @{ Name = $_.Name; Path = $_.FullName } }
}

BeforeAll {
    . "$PSScriptRoot/Common.ps1"
    $script:examples = [IO.Path]::GetFullPath([IO.Path]::Combine($PSScriptRoot, '..', '..', 'examples'))

    # Runs an example as at a terminal of 80 columns, whose last one stays free, and gives what is shown.
    function Show-Example([string] $name, [hashtable] $parameters = @{}) {
        $shown = & "$examples/$name" @parameters | Out-String -Stream -Width 79
        $shown | Where-Object Length -GT 79 | Should -BeNullOrEmpty -Because 'a terminal of 80 columns shows it whole'
        $shown -match '…|\.\.\.' | Should -BeNullOrEmpty -Because 'nothing is cut off'
        $shown -join "`n"
    }
}

Describe 'Example <Name>' -ForEach $scripts {
    It 'has help for itself and each parameter, and a line in the list' {
        $help = Get-Help $Path -Full
        $help.Synopsis | Should -Not -BeLike "*$Name*" -Because 'that is what Get-Help says of scripts without any'
        $help.description | Should -Not -BeNullOrEmpty
        @($help.examples.example).Count | Should -BeGreaterOrEqual 1
        foreach ($parameter in (Get-Command $Path).ScriptBlock.Ast.ParamBlock.Parameters) {
            $variable = $parameter.Name.VariablePath.UserPath
            (Get-Help $Path -Parameter $variable).description | Should -Not -BeNullOrEmpty -Because "it has -$variable"
        }

        [IO.File]::ReadAllText("$examples/README.md") | Should -BeLike "*``[$Name``]($Name)*"
    }
}

Describe 'Examples' {
    BeforeEach {
        # Not theirs; with the names that they could come upon.
        $others = 'source', 'clone', 'web', 'web-001' | ForEach-Object { Start-Guest $_ -Memory 32MB }
        $theirs = New-MemoryBackend -Id other -Size 1MB -Prealloc
    }

    AfterEach {
        try {
            (Get-Guest).Name | Should -Be $others.Name -Because 'an example touches only what is its own, and takes that away'
            (Get-Guest).State | Should -Be Running, Running, Running, Running
            ($theirs | Measure-MemoryBackend).Resident | Should -Be 1MB
        }
        finally {
            Clear-PsVm
        }
    }

    It 'Compare-AccessModes shows each mode whole' {
        $shown = Show-Example Compare-AccessModes.ps1
        $shown | Should -Match '(?m)^Auto +ReadOnly +\S+ MiB +ZeroOverlay .* 448 +64$'
        $shown | Should -Match '(?m)^RestoreTemplate +ReadOnly +\S+ MiB +RestoreTemplate '
        $shown | Should -Match '(?m)^DenyPrivateDiscard +ReadOnly +\S+ MiB +DiscardDenied .* 512 +0$'
        $shown | Should -Match '(?m)^PunchHole +refused: \w+$'
        $shown | Should -Match 'The template is what it was: True'
    }

    It 'Start-Fleet starts a fleet of Debian, and ends it' {
        if (-not ($env:PSVM_LINUX_GUEST -and (Test-Path "$env:PSVM_LINUX_GUEST/Image"))) {
            Set-ItResult -Skipped -Because 'PSVM_LINUX_GUEST names no folder with a Linux guest'
        }

        $null = New-Item -ItemType Directory "$TestDrive/fleet"
        Copy-Item -Recurse $env:PSVM_LINUX_GUEST "$TestDrive/fleet/linux"
        $shown = Show-Example Start-Fleet.ps1 @{ Count = 5; Folder = "$TestDrive/fleet"; Seconds = 0 }
        $shown | Should -Match '(?s)Template: .*fleet/web.*5 clones of 256 MiB started in \d+ ms'
    }

    It 'Update-Template makes, verifies and switches, and keeps the newest' {
        $names = 1..3 | ForEach-Object {
            $made = & "$examples/Update-Template.ps1" "$TestDrive/nightly" -Name web -Keep 2 -Memory 32MB
            $made.Link | Should -Be "$TestDrive/nightly/web"
            [IO.FileInfo]::new($made.Link).LinkTarget | Should -Be ([IO.Path]::GetFileName($made.Template))
            $made.Template
        }
        (Get-GuestTemplate -Folder "$TestDrive/nightly" | Where-Object Name -NE web).Path | Should -Be $names[1, 2]
        Start-Guest -Template "$TestDrive/nightly/web" -Verify | Remove-Guest -Force
        $shown = Show-Example Update-Template.ps1 @{ Folder = "$TestDrive/nightly"; Keep = 2; Memory = '32MB' }
        $shown | Should -Match 'Removed +: \{?web-\d{8}T\d{9}Z'
    }

    It 'Update-Template leaves the name as it was when <Case>' -ForEach @(
        @{ Case = 'the guest does not come up'; With = @{ ForText = 'never'; Timeout = 1 }; Message = '*never*' }
        @{ Case = 'another refresh is under way'; Lock = $true; With = @{}; Message = '*being used by another process*' }
    ) {
        $folder = "$TestDrive/$([Guid]::NewGuid())"
        $made = & "$examples/Update-Template.ps1" $folder -Memory 32MB
        $busy = $Lock ? [IO.File]::Open("$folder/.web.lock", 'OpenOrCreate', 'ReadWrite', 'None') : $null
        try {
            { & "$examples/Update-Template.ps1" $folder -Memory 32MB @With } | Should -Throw $Message
        }
        finally {
            ${busy}?.Dispose()
        }

        [IO.FileInfo]::new("$folder/web").LinkTarget | Should -Be ([IO.Path]::GetFileName($made.Template))
        @(Get-ChildItem $folder -Directory).Count | Should -Be 2 -Because 'it holds the template and the link'
    }

    It 'Update-Template takes the place of no folder' {
        $null = New-Item -ItemType Directory "$TestDrive/taken/web"
        { & "$examples/Update-Template.ps1" "$TestDrive/taken" } | Should -Throw '*symbolic link*'
    }

    It 'Get-AccessAudit says how each file would be opened and who uses it, for a table and CSV' {
        $null = New-Item -ItemType Directory "$TestDrive/images"
        New-MemoryBackend "$TestDrive/images/free.img" 1MB -Share | Remove-MemoryBackend
        'not RAM' | Set-Content "$TestDrive/images/notes.txt"
        $used = New-MemoryBackend "$TestDrive/images/used.img" 1MB -Share -Id used
        $rows = & "$examples/Get-AccessAudit.ps1" "$TestDrive/images"
        $used | Remove-MemoryBackend

        $rows.Count | Should -Be 36
        $free = $rows | Where-Object File -Like *free.img
        $free | ForEach-Object { '{0:d}{1:d} {2}: {3}{4}' -f [int]$_.Share, [int]$_.ReadOnly, $_.FileAccessMode, $_.Opened, $_.Errors } | Should -Be @(
            '00 Auto: ReadOnly', '00 ReadOnly: ReadOnly', '00 ReadWrite: ReadWrite'
            '01 Auto: ReadOnly', '01 ReadOnly: ReadOnly', '01 ReadWrite: ReadOnlyMemoryNeedsNoWritableFile'
            '10 Auto: ReadWrite', '10 ReadOnly: SharedWritableNeedsWritableFile', '10 ReadWrite: ReadWrite'
            '11 Auto: ReadOnly', '11 ReadOnly: ReadOnly', '11 ReadWrite: ReadOnlyMemoryNeedsNoWritableFile')
        $free.UsedBy | Should -Be (@('') * 12)
        $usedRows = $rows | Where-Object File -Like *used.img
        $usedRows.UsedBy | Sort-Object -Unique | Should -Match "^\S.* \($PID\), used$"
        ($usedRows | Where-Object { -not $_.Share -and $_.FileAccessMode -eq 'Auto' }).Errors | Should -Contain RamFileInUse
        ($rows | Where-Object File -Like *notes.txt | Where-Object Opened) | Should -BeNullOrEmpty

        $rows | Export-Csv "$TestDrive/audit.csv"
        (Import-Csv "$TestDrive/audit.csv").Count | Should -Be 36
        Show-Example Get-AccessAudit.ps1 @{ Folder = "$TestDrive/images"; Filter = 'free.img' } | Should -Match 'FileAccessMode : ReadWrite'
    }

    It 'Get-WarmGuest takes guests of the pool, which is filled again' {
        $null = New-TestTemplate "$TestDrive/warm" -Name warming
        & "$examples/Get-WarmGuest.ps1" "$TestDrive/warm" -Count 0 -Size 2 | Should -BeNullOrEmpty
        (Get-GuestPool).Held | Should -Be 2

        $taken = & "$examples/Get-WarmGuest.ps1" "$TestDrive/warm"
        $taken.State | Should -Be Running
        $taken | Send-GuestConsole 'touch 4' -Pattern 'pages=4' -Timeout 60 | Should -Not -BeNullOrEmpty

        $more = & "$examples/Get-WarmGuest.ps1" "$TestDrive/warm" -Count 3
        $more.State | Should -Be Running, Running, Running
        for ($i = 0; $i -lt 3000 -and (Get-GuestPool warm).Held -ne 2; $i++) { Start-Sleep -Milliseconds 20 }
        (Get-GuestPool warm).Held | Should -Be 2
        @($taken) + $more | Remove-Guest -Force
        Remove-GuestPool warm
    }

    It '<Name> passes, <How>' -ForEach @(
        @{ Name = 'Fleet.Tests'; How = 'each test on a guest of its own'; Passed = 5 }
        @{ Name = 'Reset.Tests'; How = 'all tests on one guest'; Passed = 4 }
    ) {
        $module, $pester = (Get-Module PsVm).ModuleBase, (Get-Module Pester).ModuleBase
        $command = "`$ProgressPreference = 'SilentlyContinue'; Import-Module '$pester/Pester.psd1', '$module/PsVm.psd1'; " +
            "`$result = Invoke-Pester '$examples/$Name.ps1' -PassThru -Output None; " +
            "`"`$(`$result.PassedCount) passed, `$(`$result.FailedCount) failed, `$(@(Get-Guest).Count) guests left`""
        & "$PSScriptRoot/Invoke-Pwsh.ps1" -NoProfile -Command $command | Should -Be "$Passed passed, 0 failed, 0 guests left"
    }
}
