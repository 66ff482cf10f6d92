# What Tab offers for each argument, and what it says of it.
BeforeDiscovery {
    . "$PSScriptRoot/Common.ps1"
    # Of all parameters: what is offered without a word before the cursor. Switches have no argument.
    $common = [System.Management.Automation.Cmdlet]::CommonParameters + [System.Management.Automation.Cmdlet]::OptionalCommonParameters
    $parameters = Get-Command -Module PsVm | ForEach-Object {
        $cmdlet = $_.Name
        $_.Parameters.Values | Where-Object { $_.Name -notin $common -and -not $_.SwitchParameter } |
            ForEach-Object { @{ Cmdlet = $cmdlet; Parameter = $_.Name; Key = "$cmdlet $($_.Name)" } }
    }
    $files = 'Checkpoint-Guest Path', 'Copy-Guest TemplatePath', 'Export-MemoryMap Path', 'New-MemoryBackend Path', 'Test-BackendOptions Path', 'Get-GuestTemplate Folder',
        'Compress-GuestTemplate Destination', 'Copy-GuestTemplate Destination', 'Move-GuestTemplate Destination', 'Export-GuestTemplate Path', 'Import-GuestTemplate Path', 'Import-GuestTemplate InputObject',
        'Import-GuestTemplate Destination',
        'Start-Guest Kernel', 'Start-Guest Initrd', 'Start-Guest Firmware', 'Start-Guest MemPath',
        'Start-Guest Destination', 'Copy-GuestItem Path', 'Copy-GuestItem Destination', 'Invoke-GuestCommand FilePath'
    # PowerShell itself names the values of an enumeration, and lets nobody say what they are; of states their names do. Objects are no text.
    $enumerations = , 'State'
    $objects = 'InputObject', 'Options', 'Range'
}

BeforeAll {
    . "$PSScriptRoot/Common.ps1"
    $null = [IO.Directory]::CreateDirectory("$TestDrive/templates/deeper")
    [IO.File]::WriteAllText("$TestDrive/templates/notes.txt", 'no template')
    $null = New-TestTemplate "$TestDrive/templates/web" golden
    $null = New-TestTemplate "$TestDrive/templates/my web" golden
    $null = New-TestTemplate "$TestDrive/templates/bad" golden
    [IO.File]::WriteAllText((Get-ChildItem "$TestDrive/templates/bad" -Filter *.json | Select-Object -First 1).FullName, '{')
    $ram = New-MemoryBackend -Path "$TestDrive/ram.img" -Size 32MB -Share -Id disk
    $null = $ram | Start-Guest -Name web-1 -Label role=web
    $null = Start-Guest -Name web-2 -Template "$TestDrive/templates/web" -Label role=web, tier=front | Suspend-Guest
    $null = Start-Guest -Name old -Memory 32MB | Stop-Guest -Force
    # Were files offered, they would be those of this folder.
    Push-Location "$TestDrive/templates"

    function Complete([string] $line) {
        , @((TabExpansion2 $line $line.Length).CompletionMatches)
    }
}

AfterAll {
    Pop-Location
    Clear-PsVm
}

Describe 'Completion' {
    It 'of -<Parameter> of <Cmdlet> offers files only where files are meant' -ForEach @($parameters.Where{
            $_.Key -notin $files -and $_.Parameter -notin $enumerations + $objects + 'LogPath' + 'SearchPath' + 'Disk' + 'SharedFolder' }) {
        $found = Complete "$Cmdlet -$Parameter "
        $found.Where{ $_.CompletionText -match 'notes\.txt' } | Should -BeNullOrEmpty
        foreach ($choice in $found) {
            $choice.ResultType | Should -Be ParameterValue
            $choice.ToolTip | Should -Not -Be $choice.CompletionText -Because 'it says what the value is'
            $choice.ToolTip.Length | Should -BeGreaterThan 10
        }
    }

    It 'of -<Parameter> of <Cmdlet> offers files' -ForEach @($parameters.Where{ ($_.Key -in $files -or $_.Parameter -eq 'LogPath') -and $_.Parameter -ne 'Folder' }) {
        (Complete "$Cmdlet -$Parameter ./n").CompletionText | Should -Be ./notes.txt
    }

    It 'offers nothing for -<Parameter> of <Cmdlet>' -ForEach @(
        @{ Cmdlet = 'New-MemoryBackend'; Parameter = 'Size' }, @{ Cmdlet = 'New-MemoryBackend'; Parameter = 'Id' }
        @{ Cmdlet = 'Start-Guest'; Parameter = 'Memory' }, @{ Cmdlet = 'Start-Guest'; Parameter = 'CommandLine' }
        @{ Cmdlet = 'Rename-Guest web-1'; Parameter = 'NewName' }, @{ Cmdlet = 'Send-GuestConsole web-1'; Parameter = 'Text' }
        @{ Cmdlet = 'Wait-Guest web-1'; Parameter = 'ForText' }, @{ Cmdlet = 'Restore-Guest ./web'; Parameter = 'Name' }
    ) {
        (Complete "$Cmdlet -$Parameter ").Count | Should -Be 0
    }

    It 'of <Line> says <Tooltip>' -ForEach @(
        @{ Line = 'Stop-Guest web-1'; Offers = 'web-1'; Tooltip = 'Running, 32 MiB, embedded guest' }
        @{ Line = 'Stop-Guest web-2'; Offers = 'web-2'; Tooltip = 'Suspended, 32 MiB, template */templates/web' }
        @{ Line = 'Start-Guest o'; Offers = 'old'; Tooltip = 'Stopped, 32 MiB, *' }
        @{ Line = 'Start-Guest web'; Offers = $null; Tooltip = $null }
        @{ Line = 'Get-MemoryBackend d'; Offers = 'disk'; Tooltip = '32 MiB, shared, */ram.img open ReadWrite' }
        @{ Line = 'Get-MemoryBackend web-2/'; Offers = 'web-2/*'; Tooltip = '32 MiB, private, */templates/web/* open ReadOnly' }
        @{ Line = 'Get-Guest -Label r'; Offers = 'role=web'; Tooltip = '2 guests: web-1, web-2' }
        @{ Line = 'Start-Guest -MachineType virt-1.2'; Offers = 'virt-1.2'; Tooltip = 'RV64GC with *, Zicntr, Zicond, *, Zba, Zbb, Zbs, *; uart, *, pvpanic; *ReadOnly*' }
        @{ Line = 'Start-Guest -MachineType virt-1.0'; Offers = 'virt-1.0'; Tooltip = 'RV64GC with Zicntr*; uart, *syscon; *ReadWrite' }
    ) {
        $found = Complete $Line
        $found.CompletionText | Should -BeLike $Offers
        $found.ToolTip | Should -BeLike $Tooltip
    }

    It 'offers all values of an enumeration, <Values>' -ForEach @(
        @{ Line = 'New-MemoryBackend -FileAccessMode '; Values = 'Auto ReadOnly ReadWrite' }
        @{ Line = 'New-MemoryBackend -DiscardPolicy '; Values = 'Auto Deny PunchHole RestoreTemplate ZeroOverlay' }
        @{ Line = 'Wait-Guest web-1 -State '; Values = 'Failed Panicked Running Stopped Suspended' }
        @{ Line = 'Start-Guest -MachineType '; Values = 'virt virt-1.0 virt-1.1 virt-1.2 virt-1.3 virt-1.4' }
    ) {
        (Complete $Line).CompletionText -join ' ' | Should -Be $Values
    }

    It 'says of each value what it does to the file, as in <Line>' -ForEach @(
        @{ Line = 'New-MemoryBackend -FileAccessMode rea'; Tooltips = 'opened O_RDONLY: *', 'opened O_RDWR: *' }
        @{ Line = 'Start-Guest -DiscardPolicy p'; Tooltips = , 'the file loses the range: *' }
        @{ Line = 'Clear-MemoryBackend -DiscardPolicy z'; Tooltips = , '*the file stays as it is' }
        @{ Line = 'Test-BackendOptions -NumaPolicy b'; Tooltips = , '*-HostNodes only' }
        @{ Line = 'Restore-Guest -FileAccessMode a'; Tooltips = , 'decided from Share, *' }
    ) {
        $found = Complete $Line
        $found.Count | Should -Be $Tooltips.Count
        foreach ($i in 0..($found.Count - 1)) { $found[$i].ToolTip | Should -BeLike $Tooltips[$i] }
    }

    It 'of <_> offers templates and the folders on the way, no files' -ForEach @(
        'Start-Guest -Template', 'Get-GuestTemplate', 'Test-GuestTemplate', 'Remove-GuestTemplate', 'Restore-Guest',
        'Copy-GuestTemplate', 'Move-GuestTemplate', 'Export-GuestTemplate'
    ) {
        $found = Complete "$_ "
        $found.CompletionText | Should -Be ./bad, ./deeper/, "'./my web'", ./web
        $found[3].ToolTip | Should -Match '^32 MiB, virt-1\.1, of guest golden, \d{4}-\d\d-\d\d \d\d:\d\d$'
        $found[0].ToolTip | Should -BeLike 'Damaged: Template*'
        (Complete "$_ w").CompletionText | Should -Be ./web
        (Complete "$_ ../templates/w").CompletionText | Should -Be ../templates/web
        (Complete "$_ $TestDrive/templates/w").CompletionText | Should -Be "$TestDrive/templates/web"
        (Complete "$_ ./none/").Count | Should -Be 0
    }

    It 'completes a template that then starts' {
        $line = 'Start-Guest -Name fresh -Template w'
        $done = "Start-Guest -Name fresh -Template $((Complete $line).CompletionText)"
        (Invoke-Expression $done).Template | Should -Be "$TestDrive/templates/web"
    }
}
