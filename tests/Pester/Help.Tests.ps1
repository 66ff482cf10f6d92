# Every example of the help runs as it stands, without errors, in a session and a folder of its own where what it names is made first.
BeforeDiscovery {
    # What an example finds, by page and number: names of what $things in BeforeAll makes. An example that is not here needs nothing.
    $needs = @{
        'Add-GuestDisk'          = @{ 1 = 'web', 'data.img'; 2 = 'web', 'data.img' }
        'Add-GuestNetworkAdapter' = @{ 1 = 'web'; 2 = 'passt web' }
        'Add-GuestSharedFolder'  = @{ 1 = 'web' }
        'Checkpoint-Guest'       = @{ 1 = 'web'; 2 = 'linux'; 3 = 'clone'; 4 = 'web' }
        'Compress-GuestTemplate' = @{ 1 = 'chain'; 2 = 'chain'; 3 = 'chain' }
        'Clear-MemoryBackend'    = @{ 1 = 'ram'; 2 = 'backend clone1' }
        'ConvertTo-QemuArgument' = @{ 2 = 'ram.img'; 3 = 'ram.img' }
        'Copy-Guest'             = @{ 1 = 'web'; 2 = 'web'; 3 = 'web'; 4 = 'linux agents' }
        'Copy-GuestItem'         = @{ 1 = 'linux agents'; 2 = 'linux agents'; 3 = 'linux agents' }
        'Copy-GuestTemplate'     = @{ 1 = 'template'; 2 = 'template' }
        'Export-GuestTemplate'   = @{ 1 = 'template'; 2 = 'template'; 3 = 'template' }
        'Export-MemoryMap'       = @{ 1 = 'template'; 2 = 'template' }
        'Get-Guest'              = @{ 1 = 'web'; 2 = 'web' }
        'Get-GuestNetwork'       = @{ 1 = 'linux agents'; 2 = 'linux agents' }
        'Get-GuestPool'          = @{ 1 = 'pool'; 2 = 'pool'; 3 = 'pool' }
        'Get-GuestTemplate'      = @{ 1 = 'template'; 2 = 'template'; 3 = 'chain' }
        'Get-MemoryBackend'      = @{ 1 = 'ram'; 2 = 'ram' }
        'Import-GuestTemplate'   = @{ 1 = 'archive'; 2 = 'archive'; 3 = 'archive' }
        'Invoke-GuestCommand'    = @{ 1 = 'linux agents'; 2 = 'linux agents'; 3 = 'linux agents' }
        'Measure-Guest'          = @{ 1 = 'fleet', 'work'; 2 = 'fleet'; 3 = 'fleet'; 4 = 'web' }
        'Measure-MemoryBackend'  = @{ 1 = 'ram'; 2 = 'ram', 'web' }
        'Move-GuestTemplate'     = @{ 1 = 'template'; 2 = 'template' }
        'New-GuestPool'          = @{ 1 = 'template'; 2 = 'template'; 3 = 'template' }
        'New-MemoryBackend'      = @{ 2 = 'template.img' }
        'Optimize-GuestTemplate' = @{ 1 = 'web'; 2 = 'template' }
        'Receive-GuestConsole'   = @{ 1 = 'web'; 2 = 'fleet'; 3 = 'web' }
        'Remove-Guest'           = @{ 1 = 'web'; 2 = 'fleet' }
        'Remove-GuestDisk'       = @{ 1 = 'store'; 2 = 'store' }
        'Remove-GuestNetworkAdapter' = @{ 1 = 'linked'; 2 = 'linked' }
        'Remove-GuestPool'       = @{ 1 = 'pool'; 2 = 'pool' }
        'Remove-GuestSharedFolder' = @{ 2 = 'web' }
        'Remove-GuestTemplate'   = @{ 1 = 'template'; 2 = 'template', 'damaged template'; 3 = 'chain' }
        'Remove-MemoryBackend'   = @{ 1 = 'ram'; 2 = 'ram', 'backend clone1' }
        'Rename-Guest'           = @{ 1 = 'web'; 2 = 'web-old' }
        'Reset-Guest'            = @{ 1 = 'web clone'; 2 = 'web clone'; 3 = 'clone fleet' }
        'Reset-GuestDisk'        = @{ 1 = 'store'; 2 = 'store' }
        'Restart-Guest'          = @{ 1 = 'web'; 2 = 'web' }
        'Restore-Guest'          = @{ 1 = 'template'; 2 = 'web', 'template' }
        'Resume-Guest'           = @{ 1 = 'web', 'held'; 2 = 'web', 'held' }
        'Save-GuestDisk'         = @{ 1 = 'store'; 2 = 'store' }
        'Send-GuestConsole'      = @{ 1 = 'web'; 2 = 'linux web' }
        'Set-Guest'              = @{ 1 = 'fleet'; 2 = 'fleet'; 3 = 'db'; 4 = 'fleet' }
        'Set-GuestMemory'        = @{ 1 = 'linux balloon'; 2 = 'linux balloon' }
        'Start-Guest'            = @{ 1 = 'linux'; 2 = 'ram.img'; 4 = 'template'; 5 = 'web', 'stopped'; 6 = 'template', 'guests.csv'; 7 = 'template'; 9 = 'pool'; 10 = 'template' }
        'Stop-Guest'             = @{ 1 = 'web'; 2 = 'web'; 3 = 'web' }
        'Suspend-Guest'          = @{ 1 = 'web'; 2 = 'guest on ram.img' }
        'Test-BackendOptions'    = @{ 1 = 'ram.img'; 2 = 'ram.img'; 3 = 'ram.img' }
        'Test-GuestTemplate'     = @{ 1 = 'template'; 2 = 'damaged template'; 3 = 'template', 'damaged template' }
        'Use-Guest'              = @{ 1 = 'template'; 2 = 'pool' }
        'Wait-Guest'             = @{ 1 = 'web'; 2 = 'linux web'; 3 = 'web'; 4 = 'web'; 5 = 'linux agents', 'addresses' }
    }

    # Those that go on until Ctrl+C, which comes when they have shown something.
    $endless = @('Receive-GuestConsole 2')

    # Those that cannot run here, with the reason.
    $terminal = 'it takes the terminal over, which a test has not; Enter-GuestConsole.Tests.ps1 gives the cmdlet one'
    $cannot = @{ 'Enter-GuestConsole 1' = $terminal; 'Enter-GuestConsole 2' = $terminal }

    $pages = [IO.Path]::Combine($PSScriptRoot, '..', '..', 'docs', 'en-US')
    $examples = foreach ($page in Get-ChildItem $pages -Filter '*-*.md') {
        $text = [IO.File]::ReadAllText($page.FullName)
        foreach ($found in [regex]::Matches($text, '(?sm)^### (\d+): ([^\n]+)\n(.*?)(?=^##|\z)')) {
            $cmdlet, $number = $page.BaseName, [int] $found.Groups[1].Value
            @{
                Name      = "$cmdlet $number"
                Title     = $found.Groups[2].Value
                Code      = [regex]::Matches($found.Groups[3].Value, '(?s)```powershell\n(.*?)```').ForEach{ $_.Groups[1].Value } -join ''
                Needs     = @($needs.ContainsKey($cmdlet) ? $needs[$cmdlet][$number] : $null)
                IsEndless = $endless -contains "$cmdlet $number"
                Cannot    = $cannot["$cmdlet $number"]
            }
        }
    }

    $unknown = @(foreach ($cmdlet in $needs.Keys) { $needs[$cmdlet].Keys.ForEach{ "$cmdlet $_" } }) + $endless + @($cannot.Keys) |
        Where-Object { $_ -notin $examples.Name }
}

BeforeAll {
    . "$PSScriptRoot/Common.ps1"

    # How what an example names is made, in its session and folder.
    $script:things = @{
        'ram'              = '$ram = New-MemoryBackend ./ram.img 256MB -Share'
        'ram.img'          = 'New-MemoryBackend ./ram.img 256MB -Share | Remove-MemoryBackend'
        'template.img'     = 'New-MemoryBackend ./template.img 256MB -Share | Remove-MemoryBackend'
        'backend clone1'   = 'New-MemoryBackend ./template.img 256MB -Share | Remove-MemoryBackend
            $null = New-MemoryBackend ./template.img 256MB -Id clone1'
        'web'              = '$g = Start-Guest web -Memory 32MB | Wait-Guest -ForText GUEST-UP -Timeout 60'
        'web-old'          = '$null = Start-Guest web-old -Memory 32MB'
        'db'               = '$null = Start-Guest db -Memory 32MB'
        'held'             = '$g | Suspend-Guest'
        'stopped'          = '$g | Stop-Guest -Force'
        'guest on ram.img' = '$g = New-MemoryBackend ./ram.img 32MB -Share | Start-Guest web'
        'template'         = '$null = New-TestTemplate ./templates/web'
        'archive'          = '$null = Export-GuestTemplate $made ./web.psvm'
        'damaged template' = 'Copy-Item -Recurse $made ./templates/damaged; Remove-Item -Force ./templates/damaged/ram0.bin'
        'clone'            = '$null = New-TestTemplate ./templates/web; $null = Start-Guest web-001 -Template ./templates/web'
        'chain'            = '$null = New-TestTemplate ./templates/web
            $null = Start-Guest -Template ./templates/web | Checkpoint-Guest -Path ./templates/web-patched -Differential
            $null = Start-Guest -Template ./templates/web-patched | Checkpoint-Guest -Path ./templates/web-30 -Differential'
        'fleet'            = '$null = Start-Guest -Template $made -Count 3 -NameFormat "web-{0}"'
        'work'             = '$null = Get-Guest | Send-GuestConsole "touch 16" -Pattern "pages=16"'
        'pool'             = '$null = New-GuestPool $made -Name web -Size 2'
        'web clone'        = '$null = Start-Guest web -Template $made'
        'clone fleet'      = '$null = Start-Guest -Template $made -Count 3 -NameFormat "test-{0}"'
        'guests.csv'       = '"Name,Memory", "first,32MB", "second,64 MiB" | Set-Content ./guests.csv'
        'linux'            = '$null = New-Item -ItemType SymbolicLink ./guest -Target $env:PSVM_LINUX_GUEST'
        'linux balloon'    = '$null = Start-Guest web -Memory 128MB -Balloon -Kernel "$env:PSVM_LINUX_GUEST/Image" `
                -Initrd "$env:PSVM_LINUX_GUEST/initramfs.cpio" -CommandLine "console=ttyS0" | Wait-Guest -ForPattern "^~ # " -Timeout 120'
        'linux web'        = 'if (-not (Test-Path $linux)) {
            $boot = @{ Kernel = "$env:PSVM_LINUX_GUEST/Image"; Initrd = "$env:PSVM_LINUX_GUEST/initramfs.cpio" }
            $boot.CommandLine = "console=ttyS0"
            $null = Start-Guest linux -Memory 128MB @boot | Wait-Guest -ForPattern "^~ # " -Timeout 120 | Checkpoint-Guest $linux
            Remove-Guest linux -Force }
            $g = Start-Guest web -Template $linux'
        'linux agents'     = 'if (-not (Test-Path $agents)) {
            $boot = @{ Kernel = "$env:PSVM_LINUX_GUEST/Image"; Initrd = "$env:PSVM_LINUX_GUEST/initramfs.cpio" }
            $boot.CommandLine = "console=ttyS0"
            $g = Start-Guest linux -Memory 128MB -MachineType virt-1.4 @boot | Wait-Guest -ForPattern "^~ # " -Timeout 120
            for ($i = 0; $g.Agent -ne "Answers" -and $i -lt 600; $i++) { Start-Sleep -Milliseconds 100 }
            $null = $g | Checkpoint-Guest $agents
            Remove-Guest linux -Force }
            $null = Start-Guest -Template $agents -Count 2 -NameFormat "web-{0}"'
    }

    $things['data.img'] = '[IO.File]::WriteAllBytes("$pwd/data.img", [byte[]]::new(1MB))'
    $things['addresses'] = '$null = Get-Guest web-* | Invoke-GuestCommand -Command "ip addr add 10.1.0.7/24 dev lo"'
    $things['linked'] = '$null = Start-Guest linked -Memory 32MB -Network Hub'
    $things['passt web'] = $things['web']
    $things['store'] = $things['data.img'] + '; $null = Start-Guest store -Memory 32MB -Disk @{ Path = "./data.img"; Name = "data"; Overlay = "Memory" }'

    # Once for all: a template that no example writes to, and one of Linux that the first who needs it makes.
    $made = "$TestDrive/made"
    $null = New-TestTemplate $made
    $script:session = [initialsessionstate]::CreateDefault2()
    $session.ImportPSModule("$((Get-Module PsVm).ModuleBase)/PsVm.psd1")
    $session.Commands.Add([Management.Automation.Runspaces.SessionStateFunctionEntry]::new(
            'New-TestTemplate', (Get-Command New-TestTemplate).Definition))

    # Errors end an example, and who is asked says yes.
    $values = @{ ErrorActionPreference = 'Stop'; ConfirmPreference = 'None'; made = $made; linux = "$TestDrive/linux"; agents = "$TestDrive/agents" }
    foreach ($name in $values.Keys) {
        $session.Variables.Add([Management.Automation.Runspaces.SessionStateVariableEntry]::new($name, $values[$name], ''))
    }
}

Describe 'Examples of the help' {
    BeforeEach {
        $folder = "$TestDrive/$([Guid]::NewGuid())"
        $null = [IO.Directory]::CreateDirectory("$folder/templates")
        $shell = [powershell]::Create($session)
        $null = $shell.AddScript("Set-Location '$folder'").Invoke()
    }

    AfterEach {
        $shell.Dispose()
        Clear-PsVm
        Remove-Item -Recurse -Force $folder
    }

    It 'runs <Name>: <Title>' -ForEach $examples {
        if ($Cannot) {
            Set-ItResult -Skipped -Because $Cannot
        }

        if ("$Needs" -like '*linux*' -and -not ($env:PSVM_LINUX_GUEST -and (Test-Path "$env:PSVM_LINUX_GUEST/Image"))) {
            Set-ItResult -Skipped -Because 'PSVM_LINUX_GUEST names no folder with a Linux guest'
        }

        if ("$Needs" -like '*passt*' -and -not (Get-Command passt -CommandType Application -ErrorAction Ignore)) {
            Set-ItResult -Skipped -Because 'passt is not installed'
        }

        $Code | Should -Not -BeNullOrEmpty
        foreach ($need in $Needs -ne $null) {
            $shell.Commands.Clear()
            $null = $shell.AddScript($things[$need] ?? "throw 'nothing makes $need'").Invoke()
        }

        # Shown, too: a view that fails is an error of the example.
        $shell.Commands.Clear()
        $null = $shell.AddScript($Code).AddCommand('Out-String').AddParameter('Stream')
        $shown = [Management.Automation.PSDataCollection[psobject]]::new()
        $run = $shell.BeginInvoke([Management.Automation.PSDataCollection[psobject]] @(), $shown)
        if ($IsEndless) {
            while (-not $run.IsCompleted -and $shown.Count -eq 0) {
                Start-Sleep -Milliseconds 20
            }

            $run.IsCompleted | Should -BeFalse -Because 'it goes on until Ctrl+C'
            $shell.Stop()
        }
        else {
            $shell.EndInvoke($run)
        }

        $shell.Streams.Error | Should -BeNullOrEmpty
        $shown -match '^Sum +: 0$' | Should -BeNullOrEmpty -Because 'a reader takes such a measurement for a broken one'
    }

    It 'knows of no example that is not there' -ForEach @{ Unknown = $unknown } {
        $Unknown | Should -BeNullOrEmpty
    }
}
