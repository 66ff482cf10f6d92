BeforeDiscovery {
    . "$PSScriptRoot/Common.ps1"
    $pages = [IO.Path]::Combine($PSScriptRoot, '..', '..', 'docs', 'en-US')
    $commands = Get-Command -Module PsVm | ForEach-Object {
        @{ Name = $_.Name; Command = $_; Page = Join-Path $pages "$($_.Name).md" }
    }
}

BeforeAll {
    . "$PSScriptRoot/Common.ps1"
    $base = (Get-Module PsVm).ModuleBase

    # Runs a script in a pwsh of its own, with the path of the module's manifest in $manifest; gives its output lines.
    function Invoke-Fresh([string] $script) {
        & "$PSScriptRoot/Invoke-Pwsh.ps1" -NoProfile -Command "`$ErrorActionPreference = 'Stop'; `$manifest = '$base/PsVm.psd1'; $script"
    }
}

AfterAll { Clear-PsVm }

Describe 'The manifest' {
    It 'is valid and for PowerShell 7.6 Core' {
        $manifest = Test-ModuleManifest (Join-Path $base PsVm.psd1)
        $manifest.PowerShellVersion | Should -Be ([version] '7.6')
        $manifest.CompatiblePSEditions | Should -Be Core
    }

    It 'has the version that stands in Directory.Build.props, as its folder and its assemblies have' {
        $sources = [IO.Path]::Combine($PSScriptRoot, '..', '..')
        $version = ([xml] (Get-Content "$sources/Directory.Build.props" -Raw)).SelectSingleNode('//Version').InnerText
        (Get-Module PsVm).Version | Should -Be $version
        Split-Path $base -Leaf | Should -Be $version
        foreach ($assembly in Get-ChildItem "$base/PsVm.*.dll") {
            [Reflection.AssemblyName]::GetAssemblyName($assembly).Version.ToString(3) | Should -Be $version -Because $assembly.Name
        }
    }

    It 'brings notes of what is new and the licence' {
        (Test-ModuleManifest (Join-Path $base PsVm.psd1)).ReleaseNotes | Should -Match '^### '
        "$base/LICENSE" | Should -Exist
    }

    It 'exports every cmdlet of the assembly, and nothing else' {
        $cmdlets = (Get-Command Get-Guest -Module PsVm).ImplementingType.Assembly.GetExportedTypes().ForEach{
            $_.GetCustomAttributes([System.Management.Automation.CmdletAttribute], $false).ForEach{ "$($_.VerbName)-$($_.NounName)" }
        }
        (Get-Command -Module PsVm).Name | Sort-Object | Should -Be ($cmdlets | Sort-Object)
        (Get-Module PsVm).ExportedAliases.Count | Should -Be 0
        (Get-Module PsVm).ExportedFunctions.Count | Should -Be 0
    }

    It 'uses approved verbs' {
        (Get-Command -Module PsVm).Verb | Where-Object { $_ -notin (Get-Verb).Verb } | Should -BeNullOrEmpty
    }
}

Describe 'The load context' {
    It 'holds what the cmdlets stand on, apart from everybody else''s' {
        $null = New-MemoryBackend -Size 4KB
        $contexts = [AppDomain]::CurrentDomain.GetAssemblies() | Group-Object { $_.GetName().Name } -AsHashTable
        foreach ($name in 'PsVm.Machine', 'PsVm.Memory', 'Mono.Posix.NETStandard') {
            $contexts[$name] | ForEach-Object { [System.Runtime.Loader.AssemblyLoadContext]::GetLoadContext($_).Name } |
                Should -Be PsVm -Because $name
        }
    }

    It 'has nothing loaded at import but the cmdlets and what operators name' {
        Invoke-Fresh @'
            Import-Module $manifest
            [AppDomain]::CurrentDomain.GetAssemblies().ForEach{ $_.GetName().Name } | Where-Object { $_ -match '^(PsVm|Mono)\.' } | Sort-Object
            (Get-Module PsVm).NestedModules.Name
'@ | Should -Be PsVm.Abstractions, ($import = "PsVm.Import.$((Get-Module PsVm).Version)"), PsVm.Module, $import, PsVm.Module
    }

    It 'shares the types that operators name' {
        [System.Runtime.Loader.AssemblyLoadContext]::GetLoadContext([PsVm.FileAccessMode].Assembly).Name | Should -Be Default
        [PsVm.FileAccessMode]::ReadOnly | Should -BeOfType PsVm.FileAccessMode
    }

    It 'finds the native helper of Mono.Posix beside the module' {
        $null = New-MemoryBackend -Path "$TestDrive/ram.img" -Size 4KB -Share
        Get-Content /proc/self/maps | Where-Object { $_ -match 'libMonoPosixHelper\.so$' } | Select-Object -First 1 |
            Should -BeLike "*$base/runtimes/*"
    }

    It 'does not mind another version of a dependency' {
        Invoke-Fresh @"
            `$other = '$TestDrive/Mono.Posix.NETStandard.dll'
            Add-Type -TypeDefinition 'namespace Mono.Unix { public class UnixPath { } }' -OutputAssembly `$other
            Add-Type -Path `$other
            Import-Module `$manifest
            (`$guest = Start-Guest -Memory 32MB).State
            # The cmdlets' own calls, beside those of what they stand on.
            `$guest | Export-MemoryMap -Path '$TestDrive/map.svg'
            Test-Path '$TestDrive/map.svg'
            [Mono.Unix.UnixPath].Assembly.GetName().Version.ToString()
"@ | Should -Be Running, True, 0.0.0.0
    }

    It 'gives the cmdlets what they refer to themselves, and says so to nobody else' {
        Invoke-Fresh @'
            Import-Module $manifest
            Start-Guest -Name web -Memory 32MB | Export-MemoryMap -Path "/dev/shm/psvm-$PID.svg"
            Test-Path "/dev/shm/psvm-$PID.svg"
            Remove-Item "/dev/shm/psvm-$PID.svg"
            try { [Reflection.Assembly]::Load('Mono.Posix.NETStandard, Version=0.9.0.0') } catch { $_.Exception.InnerException.GetType().Name }
'@ | Should -Be True, FileNotFoundException
    }
}

Describe 'Import and removal' {
    It 'imports again with -Force' {
        Invoke-Fresh 'Import-Module $manifest; Import-Module $manifest -Force; (Get-Command -Module PsVm).Count' |
            Should -Be (Get-Command -Module PsVm).Count
    }

    It 'loads once, however many runspaces import it first at the same time' {
        Invoke-Fresh @'
            $contexts = 1..32 | ForEach-Object -ThrottleLimit 16 -Parallel {
                Import-Module $using:manifest
                "$(@(Get-Command -Module PsVm).Count) $([PsVm.MappingOutcome].Assembly.GetHashCode())"
            }
            @($contexts | Select-Object -Unique).Count
            @([AppDomain]::CurrentDomain.GetAssemblies().Where{ $_.GetName().Name -like 'PsVm.*' }.ForEach{ $_.GetName().Name } |
                Group-Object | Where-Object Count -GT 1).Count
'@ | Should -Be 1, 0
    }

    It 'loads once and works, when what many runspaces do first at the same time is import and start' {
        Invoke-Fresh @'
            $guests = 1..16 | ForEach-Object -ThrottleLimit 16 -Parallel {
                Import-Module $using:manifest
                Start-Guest -Name "guest-$_" -Memory 32MB
            }
            Import-Module $manifest
            @($guests.State -eq 'Running').Count
            @(Get-Guest).Count
            @($guests | ForEach-Object { $_.GetType().Assembly.GetHashCode() } | Select-Object -Unique).Count
            Get-Guest | Remove-Guest -Force
            @([AppDomain]::CurrentDomain.GetAssemblies().Where{ $_.GetName().Name -like 'PsVm.*' }.ForEach{ $_.GetName().Name } |
                Group-Object | Where-Object Count -GT 1).Count
'@ | Should -Be 16, 16, 1, 0
    }

    It 'is imported by several processes at once' {
        $said = 1..4 | ForEach-Object -ThrottleLimit 4 -Parallel {
            & "$using:PSScriptRoot/Invoke-Pwsh.ps1" -NoProfile -Command (
                "`$ErrorActionPreference = 'Stop'; Import-Module '$using:base/PsVm.psd1'; `$g = Start-Guest -Memory 32MB; `$g.State; `$g | Remove-Guest -Force")
        }
        "$said" | Should -Be 'Running Running Running Running'
    }

    It 'loads from a folder whose name PowerShell takes for a pattern' {
        $odd = "$TestDrive/a [1]'b,c"
        $null = [IO.Directory]::CreateDirectory($odd)
        Copy-Item $base -Destination "$odd/PsVm" -Recurse
        "$odd/PsVm/PsVm.psd1".ForEach{ [IO.File]::Exists($_) } | Should -BeTrue
        $env:ODD_MODULE = "$odd/PsVm/PsVm.psd1"
        Invoke-Fresh 'Import-Module ([WildcardPattern]::Escape($env:ODD_MODULE)); (Get-Command -Module PsVm).Count; (Get-Help Get-Guest).Synopsis' |
            Should -Be (Get-Command -Module PsVm).Count, (Get-Help Get-Guest).Synopsis
    }

    It 'loads from a folder whose name is a broken pattern as far as PowerShell does: no manifest, but what that names' {
        # Gone before Pester clears its drive, which takes such a name for a pattern, too.
        $env:ODD_MODULE = [IO.Directory]::CreateTempSubdirectory('psvm-a[')
        try {
            Copy-Item $base/* -Destination $env:ODD_MODULE -Recurse
            Invoke-Fresh @'
                foreach ($assembly in [IO.Directory]::GetFiles($env:ODD_MODULE, 'PsVm.Import.*.dll') + "$env:ODD_MODULE/PsVm.Module.dll") {
                    Import-Module ([WildcardPattern]::Escape($assembly))
                }
                (Get-Command -Module PsVm.Module).Count
                @(Get-Guest).Count
                (Get-Command Get-Guest).ImplementingType.Assembly.Location
'@ | Should -Be (Get-Command -Module PsVm).Count, 0, "$env:ODD_MODULE/PsVm.Module.dll"
        }
        finally {
            [IO.Directory]::Delete($env:ODD_MODULE, $true)
        }
    }

    It 'leaves nothing behind when it is removed' {
        Invoke-Fresh @'
            Import-Module $manifest
            $null = New-MemoryBackend -Size 1MB -Prealloc
            $guest = Start-Guest -Memory 32MB
            Remove-Module PsVm -Force 3>$null
            $guest.State
            Import-Module $manifest
            @(Get-Guest).Count + @(Get-MemoryBackend).Count
'@ | Should -Be Stopped, 0
    }

    It 'is not removed while guests run, unless -Force says so, which tells how many ended' {
        Invoke-Fresh @'
            Import-Module $manifest
            $guest = Start-Guest -Name web -Memory 32MB
            try { Remove-Module PsVm -ErrorAction Stop } catch { ($_.FullyQualifiedErrorId -split ',')[0] }
            $guest.State
            @(Get-Command -Module PsVm).Count -gt 20
            (Remove-Module PsVm -Force 3>&1).Message
            Import-Module $manifest
            Remove-Module PsVm
            @(Get-Module PsVm).Count
'@ | Should -Be GuestsRunning, Running, True, "[GuestsEnded] PsVm was removed, which ended 1 guest: 'web'.", 0
    }

    It 'goes on with its guests and its policy when it is imported with -Force' {
        Invoke-Fresh @'
            Import-Module $manifest
            $guest = Start-Guest -Name web -Memory 32MB
            Set-MemoryBackendPolicy -DenyPrivateDiscard
            Import-Module $manifest -Force
            (Get-Guest web).State
            (Get-MemoryBackendPolicy).DenyPrivateDiscard
            $guest | Stop-Guest -Force | ForEach-Object State
'@ | Should -Be Running, True, Stopped
    }

    It 'tells at the exit which guests end' {
        Invoke-Fresh 'Import-Module $manifest; $null = Start-Guest -Name web -Memory 32MB; Import-Module $manifest -Force' 2>&1 |
            ForEach-Object { "$_" } | Where-Object { $_ } | Should -Be "WARNING: [GuestsEnded] The process of PsVm ends, and with it 1 guest: 'web'."
    }

    It 'is one version in a process' {
        # Another version: what its manifest names first, under the name and with the number of version 9.
        Copy-Item $base "$TestDrive/other" -Recurse
        $file = (Get-Item "$TestDrive/other/PsVm.Import.*.dll").FullName
        $version = [Reflection.AssemblyName]::GetAssemblyName($file).Version
        ($name = [IO.Path]::GetFileNameWithoutExtension($file)) | Should -Be "PsVm.Import.$($version.ToString(3))"
        $newName = $name -replace '\d+(?=\.\d+\.\d+$)', '9'
        $newName.Length | Should -Be $name.Length
        # In the metadata the version follows the algorithm of the hash (ECMA-335, II.22.2).
        $row = [byte[]] (4, 0x80, 0, 0) + [BitConverter]::GetBytes([uint16] $version.Major) + [BitConverter]::GetBytes([uint16] $version.Minor)
        $newRow = [byte[]] (4, 0x80, 0, 0, 9, 0) + [BitConverter]::GetBytes([uint16] $version.Minor)
        $text = [Text.Encoding]::Latin1.GetString([IO.File]::ReadAllBytes($file))
        $other = $text.Replace($name, $newName).Replace([Text.Encoding]::Latin1.GetString($row), [Text.Encoding]::Latin1.GetString($newRow))
        [IO.File]::WriteAllBytes("$TestDrive/other/$newName.dll", [Text.Encoding]::Latin1.GetBytes($other))
        [Reflection.AssemblyName]::GetAssemblyName("$TestDrive/other/$newName.dll").Version.Major | Should -Be 9
        $env:OTHER_MODULE = "$TestDrive/other/PsVm.psd1"
        [IO.File]::WriteAllText($env:OTHER_MODULE, [IO.File]::ReadAllText($env:OTHER_MODULE).Replace($name, $newName))
        Invoke-Fresh @'
            Import-Module $manifest
            try { Import-Module $env:OTHER_MODULE -ErrorAction Stop } catch { ($_.FullyQualifiedErrorId -split ',')[0]; $_.Exception.Message }
            @(Get-Guest).Count
'@ | Should -Be OtherVersionLoaded, "Expected PsVm $($version.ToString(3)), which this process has loaded from '$base/PsVm.Abstractions.dll', found $(
            $newName -replace '^PsVm\.Import\.') at '$TestDrive/other/$newName.dll'. Start a new pwsh for the other version.", 0
    }

    It 'lives on while another runspace has it' {
        Invoke-Fresh @'
            Import-Module $manifest
            $null = Start-Guest -Name web -Memory 32MB
            1 | ForEach-Object -Parallel { Import-Module $using:manifest; (Get-Guest).Name; Remove-Module PsVm }
            (Get-Guest).State
'@ | Should -Be web, Running
    }

    It 'does not keep the process alive' {
        Invoke-Fresh 'Import-Module $manifest; (Start-Guest -Memory 32MB).State' | Should -Be Running
    }

    It 'sends the log to the verbose stream' {
        $verbose = Start-Guest -Name logged -Memory 32MB -Verbose 4>&1 |
            Where-Object { $_ -is [System.Management.Automation.VerboseRecord] }
        $verbose.Message | Should -Contain 'Guest logged started: embedded guest, 32 MiB, 1 hart'
    }
}

Describe 'The views of a session' {
    It 'are there for the first object: as a table, as a list, and as columns that are properties' -ForEach @(
        @{ Look = ''; Expected = '^QualifiedId +Size +Mapping +FileMode +Discard +Backing\n-.*\nfirst +4 KiB private +- +Auto +Anonymous$' }
        @{ Look = '| Format-List'; Expected = '^Id +: first\nGuest +:.*\nSize +: 4 KiB\n' }
        @{ Look = '| ForEach-Object Backing'; Expected = '^Anonymous$' }
        @{ Look = '| Select-Object FileMode, Discard'; Expected = 'FileMode +Discard\n[- ]+\n *ReadWrite +Auto$' }
        @{ Look = '| Where-Object Backing -EQ Anonymous | ForEach-Object Id'; Expected = '^first$' }
    ) {
        ((Invoke-Fresh "Import-Module `$manifest; New-MemoryBackend -Id first -Size 4KB $Look") -join "`n").Trim() -replace '\x1b\[[0-9;]*m' -replace ' +(?=\n|$)' |
            Should -Match $Expected
    }

    It 'come without a word and without an error, whatever the session''s preferences' {
        Invoke-Fresh @'
            Set-StrictMode -Version Latest
            $VerbosePreference = $DebugPreference = $InformationPreference = 'Continue'
            Import-Module $manifest -Verbose:$false
            @(Get-Guest *>&1).Count
            $Error.Count
            "$((Get-Module).Name | Where-Object { $_ -like 'PsVm*' })"
'@ | Should -Be 0, 0, PsVm
    }

    It 'are each session''s own: in other runspaces, threads and processes, and for what comes from there' {
        Invoke-Fresh @'
            function Test-Look([string] $text) { $text -match 'QualifiedId +Size' -and $text -match '4 KiB' }
            Import-Module $manifest
            $null = New-MemoryBackend -Id here -Size 4KB
            1..4 | ForEach-Object -Parallel { Import-Module $using:manifest; Get-MemoryBackend | Out-String } | ForEach-Object { Test-Look $_ }
            $there = 1 | ForEach-Object -Parallel { Import-Module $using:manifest; New-MemoryBackend -Id there -Size 4KB }
            Test-Look ($there | Out-String)
            $there.Backing
            $thread = Start-ThreadJob { Import-Module $using:manifest; New-MemoryBackend -Id thread -Size 4KB | Out-String }
            Test-Look ($thread | Receive-Job -Wait)
            $job = Start-Job { Import-Module $using:manifest; New-MemoryBackend -Id job -Size 4KB; Get-MemoryBackend | Out-String }
            $object, $text = $job | Receive-Job -Wait
            $object.pstypenames[0]
            Test-Look ($object | Out-String)
            Test-Look $text
'@ | Should -Be True, True, True, True, True, Anonymous, True, Deserialized.PsVm.MemoryBackendInfo, True, True
    }

    It 'go with the module, and come back with it' {
        Invoke-Fresh @'
            function Get-ViewCount { $backing = (New-MemoryBackend -Size 4KB).Backing; @(Get-FormatData PsVm.*).Count -gt 5; @(Get-TypeData PsVm.*).Count -gt 5; $backing }
            Import-Module $manifest
            Get-ViewCount
            Import-Module $manifest -Force
            Get-ViewCount
            Remove-Module PsVm
            @(Get-FormatData PsVm.*).Count + @(Get-TypeData PsVm.*).Count + @(Get-Module PsVm* -All).Count
            Import-Module $manifest
            Get-ViewCount
'@ | Should -Be True, True, Anonymous, True, True, Anonymous, 0, True, True, Anonymous
    }

    It 'are those of a module that PsVm is a part of, too' {
        $env:OUTER_MODULE = "$TestDrive/Outer/Outer.psm1"
        $null = [IO.Directory]::CreateDirectory("$TestDrive/Outer")
        [IO.File]::WriteAllText($env:OUTER_MODULE, "Import-Module '$base/PsVm.psd1'; function New-Outer { New-MemoryBackend -Size 4KB }")
        Invoke-Fresh @'
            Import-Module $env:OUTER_MODULE
            (New-Outer).Backing
            Remove-Module Outer
            Import-Module $env:OUTER_MODULE
            (New-Outer).Backing
            Import-Module $manifest
            Remove-Module Outer
            (New-MemoryBackend -Size 4KB).Backing
'@ | Should -Be Anonymous, Anonymous, Anonymous
    }
}

Describe 'Help of <Name>' -ForEach $commands {
    BeforeAll {
        $help = Get-Help $Name -Full
        $text = Get-Content -LiteralPath $Page -Raw
        $optional = [System.Management.Automation.Cmdlet]::OptionalCommonParameters
        $parameters = $Command.ParameterSets.Parameters |
            Where-Object Name -NotIn ([System.Management.Automation.Cmdlet]::CommonParameters) | Sort-Object Name -Unique
    }

    It 'has synopsis and description' {
        $help.Synopsis | Should -Match '^[A-Z].*\.$'
        $help.Description.Text | Should -Not -BeNullOrEmpty
    }

    It 'describes every parameter, and no other' {
        foreach ($parameter in $parameters) {
            $described = $help.parameters.parameter | Where-Object name -EQ $parameter.Name
            $described.description.Text | Should -Not -BeNullOrEmpty -Because $parameter.Name
        }

        [regex]::Matches($text, '(?m)^### -(\w+)').ForEach{ $_.Groups[1].Value } | Sort-Object |
            Should -Be ($parameters.Name | Where-Object { $_ -notin $optional } | Sort-Object)
    }

    It 'shows the syntax as it is' {
        $text -match '(?s)## Syntax\n\n```\n(?<syntax>.*?)\n```' | Should -BeTrue
        # In which order PowerShell shows parameters without a position differs from process to process where a base class has some: that is reflection's.
        $sort = {
            $name, $parameters = $_ -split ' (?=\[?\[?-|\[<)'
            @($name) + @(@($parameters) -match '^\[?\[-\w+\] <') + @(@($parameters) -notmatch '^\[?\[-\w+\] <' | Sort-Object) -join ' '
        }
        $Matches.syntax -split "\n" | ForEach-Object $sort |
            Should -Be ((Get-Command $Name -Syntax) -split '\r?\n' | Where-Object { $_ } | ForEach-Object $sort)
    }

    It 'has two examples that name only parameters that exist' {
        $examples = @($help.examples.example)
        $examples.Count | Should -BeGreaterOrEqual 2
        foreach ($code in $examples.code) {
            $problems = $null
            $tree = [System.Management.Automation.Language.Parser]::ParseInput($code, [ref] $null, [ref] $problems)
            $problems | Should -BeNullOrEmpty
            foreach ($call in $tree.FindAll({ $args[0] -is [System.Management.Automation.Language.CommandAst] }, $true)) {
                $known = (Get-Command $call.GetCommandName()).Parameters.Keys
                $call.CommandElements | Where-Object { $_ -is [System.Management.Automation.Language.CommandParameterAst] } |
                    ForEach-Object { $_.ParameterName | Should -BeIn $known }
            }
        }

        $examples.code -join "`n" | Should -Match $Name
    }

    It 'names types of output and related topics that exist' {
        $Command.OutputType | Should -Not -BeNullOrEmpty
        foreach ($link in [regex]::Matches($text, '\]\(([^)]+\.md)\)').ForEach{ $_.Groups[1].Value }) {
            Join-Path (Split-Path $Page) $link | Should -Exist
        }
    }

    It 'says what changes nothing under -WhatIf' {
        $changes = $Command.Verb -notin 'Get', 'Test', 'Measure', 'Wait', 'Receive', 'ConvertTo', 'ConvertFrom'
        $Command.Parameters.ContainsKey('WhatIf') | Should -Be $changes
    }
}

Describe 'Help of the module' {
    It 'has <Topic> as plain text' -ForEach @(
        @{ Topic = 'about_PsVm'; Words = 'FileAccessMode Auto decides' }
        @{ Topic = 'about_PsVm_AccessModes'; Words = 'copy-on-write' }
        @{ Topic = 'about_PsVm_Discard'; Words = 'ZeroOverlay' }
        @{ Topic = 'about_PsVm_Agents'; Words = 'qemu-guest-agent' }
        @{ Topic = 'about_PsVm_SharedFolders'; Words = 'mount -t 9p' }
        @{ Topic = 'about_PsVm_Templating'; Words = 'SSH host keys' }
    ) {
        $text = Get-Help $Topic | Out-String
        $text | Should -Match $Words
        $text | Should -Not -Match '(?m)^\s*(#|\||`)|\*\*|\]\('
    }

    It 'opens the page of a cmdlet where everybody can read it, once there is such a place' {
        Copy-Item -LiteralPath (Get-Module PsVm).ModuleBase "$TestDrive/online" -Recurse
        $export = [IO.Path]::Combine($PSScriptRoot, '..', '..', 'docs', 'Export-ModuleHelp.ps1')
        & "$PSScriptRoot/Invoke-Pwsh.ps1" -NoProfile -File $export -ModulePath "$TestDrive/online" -PagesUri https://example.org/pages
        # What Get-Help -Online gives to the browser.
        $script = "Import-Module '$TestDrive/online/PsVm.psd1'
            (Get-Help Start-Guest).relatedLinks.navigationLink[0].uri; [Microsoft.PowerShell.Commands.GetHelpCodeMethods]::GetHelpUri((Get-Command Start-Guest))"
        & "$PSScriptRoot/Invoke-Pwsh.ps1" -NoProfile -Command $script | Should -Be (@('https://example.org/pages/Start-Guest.md') * 2)
    }

    It 'says of <_> what can be piped in, and what comes out' -ForEach (Get-Command -Module PsVm).Name {
        $help = Get-Help $_
        $help.inputTypes.inputType.type.name | Should -Not -BeNullOrEmpty
    }

    It 'tells when each error and warning of the core is given' {
        $pages = Get-Content ([IO.Path]::Combine($PSScriptRoot, '..', '..', 'docs', 'en-US', '*.md')) -Raw
        $ids = [PsVm.MemoryErrorIds], [PsVm.MemoryWarningIds], [PsVm.GuestErrorIds] | ForEach-Object { $_.GetFields().Name }
        foreach ($id in $ids) {
            $pages -match "\b$id\b" | Should -Not -BeNullOrEmpty -Because $id
        }
    }
}

Describe 'The views' {
    BeforeAll {
        $ram = New-MemoryBackend -Path "$TestDrive/ram.img" -Size 32MB -Share -Id ram
        $guest = $ram | Start-Guest -Name web | Wait-Guest -ForText 'GUEST-UP' -Timeout 60 | Suspend-Guest
        [IO.File]::WriteAllBytes("$TestDrive/small.img", [byte[]]::new(4096))
        $objects = @{
            MemoryBackend  = $ram
            MappingOutcome = $ram.Outcome
            BackendReport  = Test-BackendOptions -Path "$TestDrive/small.img" -Size 64MB -Detailed
            Guest          = $guest
            GuestInfo      = $guest.GetInfo()
            DiscardOutcome = $ram | Clear-MemoryBackend -Offset 16MB -Length 64KB
            MemoryUsage    = $ram | Measure-MemoryBackend
            Measurement    = $guest | Measure-Guest -Detailed
            Template       = $guest | Checkpoint-Guest -Path "$TestDrive/web" -Digest
            TemplateReport = Test-GuestTemplate "$TestDrive/none" -Detailed
            TemplateArchive = New-TestTemplate "$TestDrive/packed" | Export-GuestTemplate "$TestDrive/packed.psvm"
        }

        function Format-Wide240([object] $object, [string] $as) {
            $text = ($as -eq 'default' ? $object : ($object | & "Format-$as")) | Out-String -Width 240
            $text | Should -Not -Match '#ERR'
            $text
        }
    }

    It '<Type> as <As> shows <Expected>' -ForEach @(
        @{ Type = 'MemoryBackend'; As = 'default'; Expected = 'ram +32 MiB shared +ReadWrite PunchHole +/' }
        @{ Type = 'MemoryBackend'; As = 'List'; Expected = 'Reason +: shared writable memory' }
        @{ Type = 'MappingOutcome'; As = 'default'; Expected = 'ram 32 MiB shared  Auto  ReadWrite False    PunchHole shared writable' }
        @{ Type = 'MappingOutcome'; As = 'List'; Expected = 'Address +: 0x[0-9a-f]+' }
        @{ Type = 'BackendReport'; As = 'default'; Expected = 'Errors +: FileTooSmall: ' }
        @{ Type = 'BackendReport'; As = 'Table'; Expected = 'False +64 MiB private Auto +ReadOnly .*FileTooSmall' }
        @{ Type = 'Guest'; As = 'default'; Expected = 'web +Suspended +32 MiB +1' }
        @{ Type = 'Guest'; As = 'List'; Expected = 'Backends +: ram' }
        @{ Type = 'GuestInfo'; As = 'default'; Expected = 'web +Suspended +32 MiB +1' }
        @{ Type = 'TemplateArchive'; As = 'default'; Expected = 'packed.psvm +[0-9.]+ [KM]iB +[0-9.]+ [KM]iB +[0-9: -]+ packed' }
        @{ Type = 'TemplateArchive'; As = 'List'; Expected = 'Templates +: packed: 32 MiB, virt-1.[0-9], of guest source, ' }
        @{ Type = 'DiscardOutcome'; As = 'default'; Expected = 'ram +0x1000000 64 KiB +[0-9.]+ K?i?B PunchHole' }
        @{ Type = 'MemoryUsage'; As = 'default'; Expected = 'ram +32 MiB' }
        @{ Type = 'Measurement'; As = 'default'; Expected = 'web +Suspended +[0-9.]+ [KM]?i?B .* ms' }
        @{ Type = 'Measurement'; As = 'List'; Expected = 'Backends +: ram: .* own' }
        @{ Type = 'Template'; As = 'default'; Expected = '(?m)^web +web +32 MiB +1 \d{4}-\d\d-\d\d \d\d:\d\d -' }
        @{ Type = 'Template'; As = 'List'; Expected = 'RamBlocks +: ram: 32 MiB in /' }
        @{ Type = 'TemplateReport'; As = 'default'; Expected = 'Errors +: TemplateNotFound: ' }
        @{ Type = 'TemplateReport'; As = 'Table'; Expected = 'none False   False    TemplateNotFound' }
    ) {
        Format-Wide240 $objects[$Type] $As | Should -Match $Expected
    }
}
