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

    # Runs a script in a pwsh of its own, with the module's folder in $base; gives its output lines.
    function Invoke-Fresh([string] $script) {
        & "$PSScriptRoot/Invoke-Pwsh.ps1" -NoProfile -Command "`$ErrorActionPreference = 'Stop'; `$base = '$base'; $script"
    }
}

AfterAll { Clear-PsVm }

Describe 'The manifest' {
    It 'is valid and for PowerShell 7.6 Core' {
        $manifest = Test-ModuleManifest (Join-Path $base PsVm.psd1)
        $manifest.PowerShellVersion | Should -Be ([version] '7.6')
        $manifest.CompatiblePSEditions | Should -Be Core
    }

    It 'has the version of the assembly' {
        $version = [PsVm.MappingOutcome].Assembly.GetName().Version
        "$($version.Major).$($version.Minor).$($version.Build)" | Should -Be (Get-Module PsVm).Version
    }

    It 'exports every cmdlet of the assembly, and nothing else' {
        $cmdlets = [PsVm.Loading.LoadContext]::LoadModule().GetExportedTypes().ForEach{
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
    It 'holds the module and its dependencies, apart from everybody else''s' {
        $null = New-MemoryBackend -Size 4KB
        $contexts = [AppDomain]::CurrentDomain.GetAssemblies() | Group-Object { $_.GetName().Name } -AsHashTable
        foreach ($name in 'PsVm.Module', 'PsVm.Machine', 'PsVm.Memory', 'Mono.Posix.NETStandard') {
            $contexts[$name] | ForEach-Object { [System.Runtime.Loader.AssemblyLoadContext]::GetLoadContext($_).Name } |
                Should -Be PsVm -Because $name
        }
    }

    It 'shares the types that operators name' {
        [System.Runtime.Loader.AssemblyLoadContext]::GetLoadContext([PsVm.FileAccessMode].Assembly).Name | Should -Be Default
        [PsVm.FileAccessMode]::ReadOnly | Should -BeOfType PsVm.FileAccessMode
    }

    It 'finds the native helper of Mono.Posix beside the module' {
        $null = New-MemoryBackend -Path "$TestDrive/ram.img" -Size 4KB -Share
        Get-Content /proc/self/maps | Where-Object { $_ -match 'libMonoPosixHelper\.so$' } | Select-Object -First 1 |
            Should -BeLike "*$([IO.Path]::GetFileName($base))/bin/runtimes/*"
    }

    It 'does not mind another version of a dependency' {
        Invoke-Fresh @"
            `$other = '$TestDrive/Mono.Posix.NETStandard.dll'
            Add-Type -TypeDefinition 'namespace Mono.Unix { public class UnixPath { } }' -OutputAssembly `$other
            Add-Type -Path `$other
            Import-Module `$base
            (Start-Guest -Memory 32MB).State
            [Mono.Unix.UnixPath].Assembly.GetName().Version.ToString()
"@ | Should -Be Running, 0.0.0.0
    }
}

Describe 'Import and removal' {
    It 'imports again with -Force' {
        Invoke-Fresh 'Import-Module $base; Import-Module $base -Force; (Get-Command -Module PsVm).Count' |
            Should -Be (Get-Command -Module PsVm).Count
    }

    It 'loads once, however many runspaces import it first at the same time' {
        Invoke-Fresh @'
            $contexts = 1..32 | ForEach-Object -ThrottleLimit 16 -Parallel {
                Import-Module $using:base
                "$(@(Get-Command -Module PsVm).Count) $([PsVm.MappingOutcome].Assembly.GetHashCode())"
            }
            @($contexts | Select-Object -Unique).Count
            @([AppDomain]::CurrentDomain.GetAssemblies().Where{ $_.GetName().Name -like 'PsVm.*' }.ForEach{ $_.GetName().Name } |
                Group-Object | Where-Object Count -GT 1).Count
'@ | Should -Be 1, 0
    }

    It 'loads from a folder whose name PowerShell takes for a pattern' {
        $odd = "$TestDrive/a [1]'b,c"
        $null = [IO.Directory]::CreateDirectory($odd)
        Copy-Item $base -Destination ([WildcardPattern]::Escape("$odd/PsVm")) -Recurse
        $env:ODD_MODULE = "$odd/PsVm/PsVm.psd1"
        Invoke-Fresh 'Import-Module ([WildcardPattern]::Escape($env:ODD_MODULE)); (Get-Command -Module PsVm).Count; (Get-Help Get-Guest).Synopsis' |
            Should -Be (Get-Command -Module PsVm).Count, (Get-Help Get-Guest).Synopsis
    }

    It 'leaves nothing behind when it is removed' {
        Invoke-Fresh @'
            Import-Module $base
            $null = New-MemoryBackend -Size 1MB -Prealloc
            $guest = Start-Guest -Memory 32MB
            Remove-Module PsVm
            $guest.State
            Import-Module $base
            @(Get-Guest).Count + @(Get-MemoryBackend).Count
'@ | Should -Be Stopped, 0
    }

    It 'lives on while another runspace has it' {
        Invoke-Fresh @'
            Import-Module $base
            $null = Start-Guest -Name web -Memory 32MB
            1 | ForEach-Object -Parallel { Import-Module $using:base; (Get-Guest).Name; Remove-Module PsVm }
            (Get-Guest).State
'@ | Should -Be web, Running
    }

    It 'does not keep the process alive' {
        Invoke-Fresh 'Import-Module $base; (Start-Guest -Memory 32MB).State' | Should -Be Running
    }

    It 'sends the log to the verbose stream' {
        $verbose = Start-Guest -Name logged -Memory 32MB -Verbose 4>&1 |
            Where-Object { $_ -is [System.Management.Automation.VerboseRecord] }
        $verbose.Message | Should -Contain 'Guest logged started: embedded guest, 33554432 bytes, 1 harts'
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
        $Matches.syntax -split "\n" | Should -Be ((Get-Command $Name -Syntax) -split '\r?\n' | Where-Object { $_ })
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
        $changes = $Command.Verb -notin 'Get', 'Test', 'Measure', 'Wait', 'Receive'
        $Command.Parameters.ContainsKey('WhatIf') | Should -Be $changes
    }
}

Describe 'Help of the module' {
    It 'has the about topic' {
        Get-Help about_PsVm | Should -Match 'FileAccessMode Auto decides'
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
            GuestInfo      = $guest.Info
            DiscardOutcome = $ram | Clear-MemoryBackend -Offset 16MB -Length 64KB
            MemoryUsage    = $ram | Measure-MemoryBackend
            Measurement    = $guest | Measure-Guest -Detailed
            Template       = $guest | Checkpoint-Guest -Path "$TestDrive/web" -Digest
            TemplateReport = Test-GuestTemplate "$TestDrive/none" -Detailed
        }

        function Format-Wide240([object] $object, [string] $as) {
            $text = ($as -eq 'default' ? $object : ($object | & "Format-$as")) | Out-String -Width 240
            $text | Should -Not -Match '#ERR'
            $text
        }
    }

    It '<Type> as <As> shows <Expected>' -ForEach @(
        @{ Type = 'MemoryBackend'; As = 'default'; Expected = 'ram 32 MiB shared  ReadWrite PunchHole File' }
        @{ Type = 'MemoryBackend'; As = 'List'; Expected = 'Reason +: shared writable memory' }
        @{ Type = 'MappingOutcome'; As = 'default'; Expected = 'ram 32 MiB shared  Auto  ReadWrite False    PunchHole shared writable' }
        @{ Type = 'MappingOutcome'; As = 'List'; Expected = 'Address +: 0x[0-9a-f]+' }
        @{ Type = 'BackendReport'; As = 'default'; Expected = 'Errors +: FileTooSmall: ' }
        @{ Type = 'BackendReport'; As = 'Table'; Expected = 'False 64 MiB private Auto  ReadOnly .*FileTooSmall' }
        @{ Type = 'Guest'; As = 'default'; Expected = 'web  Suspended 32 MiB     1' }
        @{ Type = 'Guest'; As = 'List'; Expected = 'Backends +: ram' }
        @{ Type = 'GuestInfo'; As = 'default'; Expected = 'web  Suspended 32 MiB     1' }
        @{ Type = 'DiscardOutcome'; As = 'default'; Expected = 'ram +0x1000000 64 KiB +[0-9.]+ K?i?B PunchHole' }
        @{ Type = 'MemoryUsage'; As = 'default'; Expected = 'ram +32 MiB' }
        @{ Type = 'Measurement'; As = 'default'; Expected = 'web  Suspended [0-9.]+ [KM]?i?B .* ms' }
        @{ Type = 'Measurement'; As = 'List'; Expected = 'Backends +: ram: .* own' }
        @{ Type = 'Template'; As = 'default'; Expected = 'web  web   32 MiB     1 virt-1.1    embedded guest' }
        @{ Type = 'Template'; As = 'List'; Expected = 'RamBlocks +: ram: 32 MiB in /' }
        @{ Type = 'TemplateReport'; As = 'default'; Expected = 'Errors +: TemplateNotFound: ' }
        @{ Type = 'TemplateReport'; As = 'Table'; Expected = 'none False False    TemplateNotFound' }
    ) {
        Format-Wide240 $objects[$Type] $As | Should -Match $Expected
    }
}
