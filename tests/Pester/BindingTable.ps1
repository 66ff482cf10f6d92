<#
.SYNOPSIS
How each cmdlet takes guests, backends and templates: a row for each cmdlet, a cell for each way.

.DESCRIPTION
A cell is tested (BindingTable.Tests.ps1) unless the row gives a reason why there is nothing to test. ConvertTo-BindingPage makes
docs/cmdlet-binding.md of it; run this with -Update after a change.
#>
param([switch] $Update)

$ways = 'object', 'name', 'wildcard', 'array', 'position', 'by value', 'by property name', 'WhatIf', 'completion', 'Ctrl+C', 'LogPath'

# Reasons that several rows share.
$used = 'it is the script block that runs then, or that has guests of its own (Use-Guest.Tests.ps1)'
$reads = 'changes nothing, so there is no -WhatIf'
$noTarget = 'takes no guest, backend or template'
$one = 'takes one; pipe several'
$literal = 'names a file or folder that need not be there, so wildcards are literal'
$session = 'takes over the terminal that the tests run at (Enter-GuestConsole.Tests.ps1 has one of its own)'
$agent = 'needs a Linux guest with an agent (tests of its own)'
$folders = 'paths of templates (Completion.Tests.ps1)'

# Target: the parameter that says which. With: what else the cmdlet needs. Touched: names of what it worked on, by default of what it gave.
$rows = @(
    @{ Cmdlet = 'Get-Guest'; Kind = 'Guest'; Reasons = @{ WhatIf = $reads } }
    @{ Cmdlet = 'Get-GuestDisk'; Kind = 'Disked'; Touched = { $given.Guest }; Reasons = @{ WhatIf = $reads } }
    @{
        Cmdlet  = 'Add-GuestDisk'; Kind = 'Guest'; Ready = { $null = Get-Guest | Stop-Guest -Force }; Touched = { $given.Guest }
        With    = { @{ Disk = @{ Path = New-TestImage "$TestDrive/$([guid]::NewGuid()).img"; ReadOnly = $true } } }
    }
    @{
        Cmdlet  = 'Remove-GuestDisk'; Kind = 'Disked'; With = { @{ DiskName = '*' } }; Ready = { $null = Get-Guest | Stop-Guest -Force }
        Touched = { $names | Where-Object { -not (Get-GuestDisk $_) } }
    }
    @{ Cmdlet = 'Save-GuestDisk'; Kind = 'Disked'; With = { @{ DiskName = '*' } }; Touched = { $given.Guest } }
    @{
        Cmdlet = 'Reset-GuestDisk'; Kind = 'Disked'; With = { @{ DiskName = '*' } }; Ready = { $null = Get-Guest | Stop-Guest -Force }
        Touched = { $given.Guest }
    }
    @{ Cmdlet = 'Get-GuestSharedFolder'; Kind = 'Sharing'; Touched = { $given.Guest }; Reasons = @{ WhatIf = $reads } }
    @{
        Cmdlet  = 'Add-GuestSharedFolder'; Kind = 'Guest'; Ready = { $null = Get-Guest | Stop-Guest -Force }; Touched = { $given.Guest }
        With    = { @{ SharedFolder = @{ Path = "$TestDrive"; ReadOnly = $true } } }
    }
    @{
        Cmdlet  = 'Remove-GuestSharedFolder'; Kind = 'Sharing'; With = { @{ Tag = '*' } }
        Touched = { $names | Where-Object { -not (Get-GuestSharedFolder $_).Path } }
    }
    @{ Cmdlet = 'Get-GuestNetworkAdapter'; Kind = 'Networked'; Touched = { $given.Guest }; Reasons = @{ WhatIf = $reads } }
    @{
        Cmdlet = 'Add-GuestNetworkAdapter'; Kind = 'Guest'; With = { @{ Network = 'Hub' } }; Ready = { $null = Get-Guest | Stop-Guest -Force }
        Touched = { $given.Guest }
    }
    @{
        Cmdlet  = 'Remove-GuestNetworkAdapter'; Kind = 'Networked'; With = { @{ AdapterName = '*' } }; Ready = { $null = Get-Guest | Stop-Guest -Force }
        Touched = { $names | Where-Object { -not (Get-GuestNetworkAdapter $_) } }
    }
    @{ Cmdlet = 'Suspend-Guest'; Kind = 'Guest' }
    @{ Cmdlet = 'Resume-Guest'; Kind = 'Guest' }
    @{ Cmdlet = 'Stop-Guest'; Kind = 'Guest' }
    @{ Cmdlet = 'Restart-Guest'; Kind = 'Guest'; Ready = { $null = Get-Guest | Stop-Guest -Force } }
    @{ Cmdlet = 'Reset-Guest'; Kind = 'Clone'; Touched = { (Get-Guest | Where-Object Resets -GT 0).Name } }
    @{ Cmdlet = 'Set-Guest'; Kind = 'Guest'; With = { @{ Notes = 'seen' } }; Touched = { (Get-Guest | Where-Object Notes -EQ seen).Name } }
    @{ Cmdlet = 'Set-GuestMemory'; Kind = 'Guest'; With = { @{ Target = 32MB; PassThru = $true } } }
    @{
        Cmdlet  = 'Rename-Guest'; Kind = 'Guest'; With = { @{ NewName = 'other' } }
        Touched = { $names | Where-Object { $_ -notin (Get-Guest).Name } }; Reasons = @{ array = 'a name has one guest (error GuestNameInUse)' }
    }
    @{ Cmdlet = 'Remove-Guest'; Kind = 'Guest'; With = { @{ Force = $true } }; Touched = { $names | Where-Object { $_ -notin (Get-Guest).Name } } }
    @{ Cmdlet = 'Measure-Guest'; Kind = 'Guest'; Reasons = @{ WhatIf = $reads } }
    @{ Cmdlet = 'Wait-Guest'; Kind = 'Guest'; With = { @{ ForText = 'GUEST-UP'; Timeout = 60 } }; Reasons = @{ WhatIf = $reads } }
    @{
        Cmdlet  = 'Receive-GuestConsole'; Kind = 'Guest'; With = { @{ All = $true } }; Reasons = @{ WhatIf = $reads }
        Ready   = { $null = Get-Guest | Wait-Guest -ForText 'GUEST-UP' -Timeout 60 }
        # Each guest says once that it is up; who it was, a mark on the console tells.
        Touched = { @($given | Where-Object { "$_" -match 'GUEST-UP' }).Count | ForEach-Object { $expected | Select-Object -First $_ } }
    }
    @{
        Cmdlet  = 'Send-GuestConsole'; Kind = 'Guest'; With = { @{ Text = 'touch 1' } }
        Ready   = { $null = Get-Guest | Wait-Guest -ForText 'GUEST-UP' -Timeout 60 }
        Touched = { $names | Where-Object { Wait-Guest $_ -ForText 'generation=2' -Timeout ($_ -in $expected ? 60 : 0.2) -ErrorAction Ignore } }
    }
    @{
        Cmdlet  = 'Checkpoint-Guest'; Kind = 'Guest'; Touched = { $given.Guest }
        # With a slash at its end, a folder in which each template has its guest's name.
        With    = { @{ Path = "$(New-Item -ItemType Directory "$TestDrive/$([guid]::NewGuid())")/" } }
    }
    @{ Cmdlet = 'Copy-Guest'; Kind = 'Guest'; Touched = { $given | ForEach-Object { [IO.Path]::GetFileName($_.GetInfo().Template).Split('.')[1] } } }
    @{
        Cmdlet = 'Export-MemoryMap'; Kind = 'Guest'; With = { @{ Path = "$TestDrive/$([guid]::NewGuid()).svg"; PassThru = $true } }
        Touched = { $names | Where-Object { ($given | ForEach-Object { [IO.File]::ReadAllText($_.FullName) }) -match $_ } }
    }
    @{
        Cmdlet = 'Enter-GuestConsole'; Kind = 'Guest'
        Reasons = @{
            object = $session; name = $session; wildcard = $session; array = $session; position = $session
            'by value' = $session; 'by property name' = $session; LogPath = $session; 'Ctrl+C' = 'goes to the guest; Ctrl+] leaves (Enter-GuestConsole.Tests.ps1)'
        }
    }
    @{
        Cmdlet = 'Invoke-GuestCommand'; Kind = 'Guest'; With = { @{ Command = 'true' } }
        Reasons = @{
            object = $agent; name = $agent; wildcard = $agent; array = $agent; position = $agent; 'by value' = $agent; 'by property name' = $agent
            WhatIf = $agent; 'Ctrl+C' = $agent; LogPath = $agent
        }
    }
    @{
        Cmdlet = 'Get-GuestNetwork'; Kind = 'Guest'
        Reasons = @{
            object = $agent; name = $agent; wildcard = $agent; array = $agent; position = $agent; 'by value' = $agent; 'by property name' = $agent
            WhatIf = $reads; 'Ctrl+C' = $agent; LogPath = $agent
        }
    }
    @{
        Cmdlet = 'Copy-GuestItem'; Kind = 'None'; Tested = @()
        Reasons = @{ WhatIf = $agent; LogPath = $agent }
    }
    @{ Cmdlet = 'Get-GuestPool'; Kind = 'Pool'; Reasons = @{ WhatIf = $reads } }
    @{ Cmdlet = 'Remove-GuestPool'; Kind = 'Pool'; Touched = { $names | Where-Object { $_ -notin (Get-GuestPool).Name } } }
    @{
        Cmdlet  = 'New-GuestPool'; Kind = 'Template'; Target = 'Template'; With = { @{ Size = 1 } }; Touched = { (Get-GuestPool).Name }
        Reasons = @{ wildcard = $one; array = $one; completion = $folders }
    }
    @{ Cmdlet = 'Get-MemoryBackend'; Kind = 'Backend'; Touched = { $given.Id }; Reasons = @{ WhatIf = $reads } }
    @{ Cmdlet = 'Measure-MemoryBackend'; Kind = 'Backend'; Touched = { $given.BackendId }; Reasons = @{ WhatIf = $reads } }
    @{ Cmdlet = 'ConvertTo-QemuArgument'; Kind = 'Backend'; Touched = { $given.Id }; Reasons = @{ WhatIf = $reads } }
    @{ Cmdlet = 'Clear-MemoryBackend'; Kind = 'Backend'; With = { @{ Offset = 0; Length = 4KB } }; Touched = { $given.BackendId } }
    @{ Cmdlet = 'Remove-MemoryBackend'; Kind = 'Backend'; Touched = { $names | Where-Object { $_ -notin (Get-MemoryBackend).Id } } }
    @{ Cmdlet = 'Get-GuestTemplate'; Kind = 'Template'; Reasons = @{ WhatIf = $reads; completion = $folders } }
    @{ Cmdlet = 'Test-GuestTemplate'; Kind = 'Template'; With = { @{ Detailed = $true } }; Reasons = @{ WhatIf = $reads; completion = $folders } }
    @{
        Cmdlet  = 'Remove-GuestTemplate'; Kind = 'Template'; With = { @{ Confirm = $false } }; Reasons = @{ completion = $folders }
        Touched = { $names | Where-Object { -not (Test-Path "$TestDrive/templates/$_") } }
    }
    @{ Cmdlet = 'Compress-GuestTemplate'; Kind = 'Template'; Reasons = @{ completion = $folders } }
    @{ Cmdlet = 'Copy-GuestTemplate'; Kind = 'Template'; With = { @{ Destination = "$TestDrive/$([guid]::NewGuid())/" } }; Reasons = @{ completion = $folders } }
    @{
        Cmdlet = 'Move-GuestTemplate'; Kind = 'Template'; With = { @{ Destination = "$TestDrive/$([guid]::NewGuid())/" } }; Reasons = @{ completion = $folders }
    }
    @{
        Cmdlet  = 'Export-GuestTemplate'; Kind = 'Template'; Target = 'Template'; With = { @{ Path = "$TestDrive/$([guid]::NewGuid())/" } }
        Touched = { $given.Templates.Name }; Reasons = @{ completion = $folders }
    }
    @{
        Cmdlet  = 'Import-GuestTemplate'; Kind = 'Archive'; With = { @{ Destination = "$TestDrive/$([guid]::NewGuid())" } }
        Reasons = @{ completion = 'a path: PowerShell completes files' }
    }
    @{
        Cmdlet  = 'Optimize-GuestTemplate'; Kind = 'Template'; With = { @{ Duration = 0 } }; Reasons = @{ completion = $folders }
        Touched = { $given | ForEach-Object { Split-Path $_.Template -Leaf } }
    }
    @{
        Cmdlet  = 'Restore-Guest'; Kind = 'Template'; Touched = { $given | ForEach-Object { Split-Path $_.Template -Leaf } }
        Reasons = @{ wildcard = $one; array = $one; completion = $folders }
    }
    @{
        Cmdlet  = 'Start-Guest'; Kind = 'Template'; Target = 'Template'; Touched = { $given | ForEach-Object { Split-Path $_.Template -Leaf } }
        Reasons = @{ wildcard = $one; array = $one; completion = $folders }
    }
    @{
        Cmdlet  = 'Use-Guest'; Kind = 'Template'; Target = 'Template'; With = { @{ ScriptBlock = { param($guest) $guest.Template } } }
        Touched = { $given | ForEach-Object { Split-Path $_ -Leaf } }
        Reasons = @{ wildcard = $one; array = $one; completion = $folders; 'Ctrl+C' = $used; LogPath = $used }
    }
    @{
        Cmdlet  = 'New-MemoryBackend'; Kind = 'File'; With = { @{ Size = 1MB } }; Touched = { $given | ForEach-Object { Split-Path $_.Path -Leaf } }
        Reasons = @{ wildcard = $literal; array = $one; completion = 'a path: PowerShell completes files' }
    }
    @{
        Cmdlet  = 'Test-BackendOptions'; Kind = 'File'; With = { @{ Size = 1MB; Detailed = $true } }; Touched = { $given | ForEach-Object { Split-Path $_.Path -Leaf } }
        Reasons = @{ wildcard = $literal; array = $one; WhatIf = $reads; completion = 'a path: PowerShell completes files' }
    }
    @{ Cmdlet = 'Get-MemoryBackendPolicy'; Kind = 'None'; Tested = @('LogPath') }
    @{ Cmdlet = 'ConvertFrom-QemuArgument'; Kind = 'None'; Tested = @('LogPath'); With = { @{ Argument = 'memory-backend-ram,id=a,size=1M' } } }
    @{ Cmdlet = 'Set-MemoryBackendPolicy'; Kind = 'None'; Tested = @('WhatIf', 'LogPath'); With = { @{ DenyPrivateDiscard = $true } } }
)

foreach ($row in $rows) {
    $row.Target ??= @{ Guest = 'Name'; Disked = 'Name'; Sharing = 'Name'; Networked = 'Name'; Clone = 'Name'; Pool = 'Name'; Backend = 'Id'; Template = 'Path'; Archive = 'Path'; File = 'Path' }[$row.Kind]
    $row.With ??= { @{} }
    $row.Ready ??= { }
    $row.Touched ??= { $given.Name }
    $row.Reasons ??= @{}
    if ($row.Kind -eq 'None') {
        foreach ($way in $ways | Where-Object { $_ -notin $row.Tested }) {
            $row.Reasons[$way] ??= $way -eq 'WhatIf' ? $reads : $noTarget
        }
    }
}

# The page of the table.
function ConvertTo-BindingPage {
    $notes = [System.Collections.Generic.List[string]]::new()
    '# How cmdlets take guests, backends and templates'
    ''
    'Made by `tests/Pester/BindingTable.ps1` of the table that `tests/Pester/BindingTable.Tests.ps1` tests, cell by cell; a number is the reason'
    'why there is nothing to test. By value and by property name are from the pipeline. Names compare without case; a pattern (`*`, `?`, `[ ]`)'
    'may match nothing, a name that is unknown is an error with the nearest known one. `Start-Guest` takes backends from the pipeline, too.'
    ''
    "| cmdlet | parameter | $($ways -join ' | ') |"
    "|---|---|$('---|' * $ways.Count)"
    foreach ($row in $rows | Sort-Object { $_.Cmdlet }) {
        $cells = foreach ($way in $ways) {
            $reason = $row.Reasons[$way]
            if (-not $reason) {
                'tested'
                continue
            }

            if ($reason -notin $notes) {
                $notes.Add($reason)
            }

            "$($notes.IndexOf($reason) + 1)"
        }
        "| $($row.Cmdlet) | $($row.Target ?? '-') | $($cells -join ' | ') |"
    }

    ''
    for ($i = 0; $i -lt $notes.Count; $i++) {
        "$($i + 1). $($notes[$i])"
    }
}

$bindingPage = [IO.Path]::Combine($PSScriptRoot, '..', '..', 'docs', 'cmdlet-binding.md')
if ($Update) {
    Set-Content $bindingPage (ConvertTo-BindingPage)
}
