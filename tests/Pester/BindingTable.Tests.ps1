# Each cmdlet x each way to say what it works on: the table of BindingTable.ps1, cell by cell.
BeforeDiscovery {
    . "$PSScriptRoot/BindingTable.ps1"
    $cells = foreach ($row in $rows) {
        foreach ($way in $ways | Where-Object { -not $row.Reasons[$_] }) {
            @{ Cmdlet = $row.Cmdlet; Way = $way }
        }
    }
}

BeforeAll {
    . "$PSScriptRoot/Common.ps1"
    . "$PSScriptRoot/BindingTable.ps1"
    $names = 'bind-a', 'bind-b'
    $folder = New-Item "$TestDrive/templates" -ItemType Directory
    $archives = New-Item "$TestDrive/archives" -ItemType Directory

    # Two of a kind, as objects.
    function New-Pair([string] $kind) {
        switch ($kind) {
            Guest { $names | ForEach-Object { Start-Guest -Name $_ -Memory 32MB } }
            Sharing { $names | ForEach-Object { Start-Guest -Name $_ -Memory 32MB -SharedFolder "$TestDrive" } }
            Disked { $names | ForEach-Object { Start-Guest -Name $_ -Memory 32MB -Disk @{ Path = New-TestImage "$TestDrive/$_.img"; Overlay = 'Memory' } } }
            Networked { $names | ForEach-Object { Start-Guest -Name $_ -Memory 32MB -Network Hub } }
            Clone {
                $source = "$TestDrive/source"
                $null = (Test-Path $source) ? $null : (New-TestTemplate $source)
                $names | ForEach-Object { Start-Guest -Name $_ -Template $source }
            }
            Pool {
                $source = "$TestDrive/source"
                $null = (Test-Path $source) ? $null : (New-TestTemplate $source)
                $names | ForEach-Object { New-GuestPool $source -Name $_ -Size 1 }
            }
            Backend { $names | ForEach-Object { New-MemoryBackend -Size 1MB -Share -Kind Memfd -Id $_ } }
            Template { $names | ForEach-Object { (Test-Path "$folder/$_") ? (Get-GuestTemplate "$folder/$_") : (New-TestTemplate "$folder/$_" $_) } }
            Archive {
                $names | ForEach-Object {
                    (Test-Path "$archives/$_") ? (Get-Item "$archives/$_") : (New-TestTemplate "$TestDrive/packed/$_" $_ | Export-GuestTemplate "$archives/$_")
                }
            }
            File { $names | ForEach-Object { $file = [IO.File]::Create("$folder/$_"); $file.SetLength(1MB); $file.Dispose(); Get-Item "$folder/$_" } }
        }
    }

    # What the operator writes for one of them.
    function Get-NameOf([string] $name) {
        $row.Kind -eq 'Archive' ? "$archives/$name" : $row.Kind -in 'Template', 'File' ? "$folder/$name" : $name
    }

    # Names of what was touched by what the cmdlet gave.
    function Get-Touched([object[]] $given, [string[]] $expected) {
        $given = @($given | Where-Object { $null -ne $_ })
        @(& $row.Touched | Where-Object { $_ } | ForEach-Object { "$_" } | Sort-Object)
    }
}

Describe 'The table' {
    It 'has a row for each cmdlet' {
        $rows.Cmdlet | Sort-Object | Should -Be ((Get-Command -Module PsVm).Name | Sort-Object)
    }

    It 'is in the documentation as it is tested (BindingTable.ps1 -Update)' {
        Get-Content $bindingPage | Should -Be (ConvertTo-BindingPage)
    }

    It 'gives reasons for ways that there are' {
        $rows.Reasons.Keys | Where-Object { $_ -notin $ways } | Should -BeNullOrEmpty
    }
}

Describe '<Cmdlet>, <Way>' -ForEach $cells {
    BeforeEach {
        $row = $rows | Where-Object { $_.Cmdlet -eq $Cmdlet }
        $with = & $row.With
        $first, $second = New-Pair $row.Kind
        & $row.Ready
    }

    AfterEach {
        Clear-PsVm
        if ($row.Kind -eq 'File') {
            Remove-Item "$folder/bind-*"
        }
    }

    It 'works' {
        $target = $row.Target
        $one = Get-NameOf bind-a
        switch ($Way) {
            object {
                $which = @{ $target = $first }
                $given = & $Cmdlet @which @with
            }
            name {
                $which = @{ $target = $row.Kind -in 'Guest', 'Disked', 'Sharing', 'Networked', 'Clone', 'Pool', 'Backend' ? 'BIND-A' : $one }
                $given = & $Cmdlet @which @with
            }
            wildcard {
                $none = @{ $target = Get-NameOf 'none*' }
                & $Cmdlet @none @with -ErrorAction Stop | Should -BeNullOrEmpty
                $some = @{ $target = Get-NameOf 'b?nd-[aA]' }
                $given = & $Cmdlet @some @with
            }
            array {
                $all = @{ $target = @($first, (Get-NameOf bind-b)) }
                Get-Touched (& $Cmdlet @all @with) $names | Should -Be $names
            }
            position {
                $given = & $Cmdlet $one @with
            }
            'by value' {
                $given = $first | & $Cmdlet @with
            }
            'by property name' {
                $given = [pscustomobject]@{ $target = $one } | & $Cmdlet @with
            }
            WhatIf {
                $all = $target ? @{ $target = $first } : @{}
                $given = & $Cmdlet @all @with -WhatIf
                if ($target -and $Cmdlet -ne 'New-MemoryBackend') {
                    $unknown = @{ $target = Get-NameOf bind-x }
                    (Get-ErrorOf { & $Cmdlet @unknown @with -WhatIf }).Id | Should -Match 'NotFound|TemplateIncomplete'
                }
            }
            completion {
                $line = "$Cmdlet -$target bind"
                ([System.Management.Automation.CommandCompletion]::CompleteInput($line, $line.Length, $null)).CompletionMatches.CompletionText |
                    Should -Be $names
            }
            LogPath {
                # What cannot be written ends it before it does anything; else what it does and what fails stands there.
                $all = $target ? @{ $target = $first } : @{}
                (Get-ErrorOf { & $Cmdlet @all @with -LogPath $TestDrive }).Id | Should -Be LogPathInvalid
                $log = "$TestDrive/$([guid]::NewGuid()).jsonl"
                $given = & $Cmdlet @all @with -LogPath $log
                $lines = @(Get-Content $log | ConvertFrom-Json)
                if ((Get-Command $Cmdlet).Parameters['WhatIf']) {
                    $lines.Where{ $_.category -eq $Cmdlet -and $_.event -eq 'Action' }.Count | Should -Be 1
                }

                if ($row.Kind -in 'Guest', 'Backend', 'Template' -and $Cmdlet -ne 'Test-GuestTemplate') {
                    $unknown = @{ $target = Get-NameOf bind-x }
                    & $Cmdlet @unknown @with -LogPath $log -ErrorAction SilentlyContinue
                    (Get-Content $log -Tail 1 | ConvertFrom-Json).level, (Get-Content $log -Tail 1 | ConvertFrom-Json).category | Should -Be Error, $Cmdlet
                }
            }
            'Ctrl+C' {
                # The operator stops it in the middle of a pipeline that has no end.
                $extra = ($with.Keys | ForEach-Object { "-$($_):$($with[$_] -is [bool] ? "`$$($with[$_])" : "'$($with[$_])'")" }) -join ' '
                [AppDomain]::CurrentDomain.SetData('PsVm.Turn', 0)
                Stop-Running @"
                    & { for (`$i = 1; ; `$i++) { [AppDomain]::CurrentDomain.SetData('PsVm.Turn', `$i); '$one' } } | $Cmdlet $extra -ErrorAction Ignore
"@ { [int] [AppDomain]::CurrentDomain.GetData('PsVm.Turn') -ge 3 } | Should -Be Stopped
            }
        }

        if ($Way -notin 'array', 'completion', 'Ctrl+C') {
            $expected = @($Way -eq 'WhatIf' -or $row.Kind -eq 'None' ? $null : 'bind-a') -ne $null
            Get-Touched $given $expected | Should -Be $expected
        }
    }
}
