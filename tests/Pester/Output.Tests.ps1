# What every object that cmdlets give has in common: its columns are properties, and it is fit for JSON and CSV.
BeforeDiscovery {
    $views = ([xml][IO.File]::ReadAllText([IO.Path]::Combine($PSScriptRoot, '..', '..', 'module', 'PsVm.Format.ps1xml'))).Configuration.ViewDefinitions.View
    $columns = foreach ($view in $views | Where-Object { $_.TableControl }) {
        foreach ($type in $view.ViewSelectedBy.TypeName) {
            foreach ($label in $view.TableControl.TableHeaders.TableColumnHeader.Label) {
                @{ Type = $type; Column = $label }
            }
        }
    }
    $types = $views.ViewSelectedBy.TypeName | Select-Object -Unique | ForEach-Object { @{ Type = $_ } }
}

BeforeAll {
    . "$PSScriptRoot/Common.ps1"
    $ram = New-MemoryBackend -Path "$TestDrive/ram.img" -Size 32MB -Share -Id ram
    $guest = $ram | Start-Guest -Name web | Wait-Guest -ForText 'GUEST-UP' -Timeout 60 | Suspend-Guest
    $template = $guest | Checkpoint-Guest -Path "$TestDrive/web" -Digest
    $pool = $template | New-GuestPool -Size 1
    $pool | Remove-GuestPool
    $disk = Start-Guest -Name disked -Memory 32MB -Disk (New-TestImage "$TestDrive/disk.img") | Get-GuestDisk
    Remove-Guest disked -Force
    $shared = Start-Guest -Name sharing -Memory 32MB -SharedFolder $TestDrive | Get-GuestSharedFolder
    Remove-Guest sharing -Force
    $adapter = Start-Guest -Name linked -Memory 32MB -Network Hub | Get-GuestNetworkAdapter
    Remove-Guest linked -Force
    $found = @{
        'PsVm.MemoryBackendInfo'   = Get-MemoryBackend ram
        'PsVm.MappingOutcome'      = $ram.Outcome
        'PsVm.BackendReport'       = Test-BackendOptions -Path "$TestDrive/none/x.img" -Size 64MB -Detailed
        'PsVm.BackendError'        = (Test-BackendOptions -Path "$TestDrive/none/x.img" -Size 64MB -Detailed).Errors[0]
        'PsVm.TemplateError'       = (Test-GuestTemplate "$TestDrive/none" -Detailed).Errors[0]
        'PsVm.PsVmError'           = [PsVm.PsVmError]::new('Cause', 'Expected one, found none.')
        'PsVm.Guest'               = $guest
        'PsVm.GuestInfo'           = $guest.GetInfo()
        'PsVm.DiscardOutcome'      = $ram | Clear-MemoryBackend -Offset 16MB -Length 64KB
        'PsVm.MemoryUsage'         = $ram | Measure-MemoryBackend
        'PsVm.GuestMeasurement'    = $guest | Measure-Guest -Detailed
        'PsVm.GuestTemplate'       = $template
        'PsVm.GuestPool'           = $pool
        'PsVm.GuestDisk'           = $disk
        'PsVm.GuestSharedFolder'   = $shared
        'PsVm.GuestNetworkAdapter' = $adapter
        'PsVm.MemoryBackendPolicy' = Get-MemoryBackendPolicy
        'PsVm.TemplateWorkingSet'  = $template | Optimize-GuestTemplate -Duration 0
        'PsVm.MemoryBackendOptions' = ConvertFrom-QemuArgument 'memory-backend-ram,id=a,size=64M'
        'PsVm.TemplateNode'        = Get-GuestTemplate -Folder $TestDrive -Tree | Select-Object -First 1
        'PsVm.TemplateArchive'     = $template | Export-GuestTemplate -Path "$TestDrive/web.psvm"
        'PsVm.TemplateReport'      = Test-GuestTemplate "$TestDrive/none" -Detailed
        'PsVm.QemuArgument'        = $ram | ConvertTo-QemuArgument
        'PsVm.GuestConsoleLine'    = $guest | Receive-GuestConsole -Tail 1 -AsObject
        'PsVm.GuestCommandResult'  = [PsVm.GuestCommandResult]@{ Guest = 'web'; ExitCode = 0; Duration = '0:0:1' }
        'PsVm.GuestNetworkInterface' = [PsVm.GuestNetworkInterface]::new('web', 'eth0')
        'PsVm.GuestFileCopy'       = [PsVm.GuestFileCopy]::new('web', '/tmp/a', '/tmp/b', 5, '0:0:1')
        'PsVm.GuestConsoleString'  = $guest | Receive-GuestConsole -Tail 1
    }
}

AfterAll { Clear-PsVm }

Describe 'A table' {
    It '<Type> shows <Column>, which is a property' -ForEach $columns {
        $found[$Type] | Should -Not -BeNullOrEmpty
        $found[$Type].PSObject.Members.Match($Column).Count + [int]($null -ne $found[$Type].PSObject.Properties[$Column]) | Should -BeGreaterThan 0
        ($found[$Type] | Select-Object $Column).PSObject.Properties.Name | Should -Be $Column
    }

    It 'of backends can be filtered and selected by what it shows' {
        (Get-MemoryBackend | Where-Object Path -Like *.img).Id | Should -Be ram
        $selected = Get-MemoryBackend | Select-Object Path, Kind, Guest, FileMode
        $selected.Path | Should -Be (Join-Path $TestDrive ram.img)
        $selected.Kind | Should -Be File
        $selected.Guest | Should -Be web
        $selected.FileMode | Should -Be ReadWrite
    }

    It 'of templates, guests and measurements, too' {
        ($template | Select-Object Name).Name | Should -Be web
        $measured = $guest | Measure-Guest | Where-Object WFI -GE 0 | Select-Object WFI, Own, OwnBytes
        $measured.Own | Should -Be $measured.OwnBytes
        $measured.WFI | Should -Be ($guest | Measure-Guest).Exits.WaitForInterrupt
        (Get-Guest | Sort-Object 'Cpu(s)' | Select-Object 'Cpu(s)').'Cpu(s)' | Should -BeGreaterThan 0
    }

    It 'of guests says what they came from' {
        (Start-Guest -Name clone -Template "$TestDrive/web" -KeepIdentity).Template | Should -Be (Join-Path $TestDrive web)
        Remove-Guest clone -Force
    }
}

Describe 'A list' {
    It 'of a guest has its notes and labels, when it has some' {
        $guest | Format-List | Out-String | Should -Not -Match '(?m)^(Notes|Labels) '
        $null = $guest | Set-Guest -Notes 'to be kept' -Label app=web, tier=front
        $shown = $guest | Format-List | Out-String
        $shown | Should -Match '(?m)^Notes +: to be kept'
        $shown | Should -Match '(?m)^Labels +: app=web; tier=front'
        $null = $guest | Set-Guest -Notes '' -Label @{}
    }

    It 'of options and a policy has sizes as people write them' {
        $found['PsVm.MemoryBackendOptions'] | Out-String | Should -Match '(?m)^Size +: 64 MiB'
        $found['PsVm.MemoryBackendPolicy'] | Out-String | Should -Match ' [MG]iB '
        ($found['PsVm.MemoryUsage'] | Format-List | Out-String) -replace '\s+', ' ' | Should -BeLike '*QualifiedId : web/ram Size : 32 MiB *'
        $pool | Format-List | Out-String | Should -Match '(?m)^Memory +: 32 MiB'
    }

    It 'of an error of a report has all of it, as it is shown by itself' -ForEach @{ Type = 'BackendError' }, @{ Type = 'TemplateError' } {
        $problem = $found["PsVm.$Type"]
        $problem.Message.Length | Should -BeGreaterThan 60
        ($problem | Out-String -Width 79) -replace '\s' | Should -Be ("Id:$($problem.Id)Message:$($problem.Message)RecommendedAction:$($problem.RecommendedAction)" -replace '\s')
    }
}

Describe 'JSON and CSV' {
    It 'of <Type> have the names of its properties and nothing of the compiler' -ForEach $types {
        $json = $found[$Type] | ConvertTo-Json -Depth 6 -WarningVariable warned -WarningAction SilentlyContinue
        $warned | Should -BeNullOrEmpty -Because 'nothing is cut off'
        $json | Should -Not -Match 'EqualityContract|BackingField|"Info"|<'
        $names = ($json | ConvertFrom-Json).PSObject.Properties.Name
        $names | Should -Not -Contain FileMode -Because 'names of columns are no properties of their own'
        $culture = [cultureinfo]::CurrentCulture
        try {
            [cultureinfo]::CurrentCulture = 'de-DE'
            ($found[$Type] | ConvertTo-Csv) -join "`n" | Should -Not -Match '\d,\d|\d\d\.\d\d\.\d{4}' -Because 'a row is the same in every culture'
        }
        finally {
            [cultureinfo]::CurrentCulture = $culture
        }

        # The arguments for QEMU are an array, which is what splatting wants.
        $row = $found[$Type] | Select-Object -ExcludeProperty $($Type -eq 'PsVm.QemuArgument' ? 'Arguments' : '')
        ($row | ConvertTo-Csv) -join "`n" | Should -Not -Match 'EqualityContract|BackingField|<|`|System\.|PsVm\.|\[\]'
    }
}

Describe 'Objects of several types in one go' {
    It 'show of each after the first what its table shows, and no more' {
        $shown = @($template, $guest, $ram, $ram.Outcome, ($guest | Measure-Guest), ($ram | Measure-MemoryBackend) | Out-String -Stream -Width 79)
        $shown -join "`n" | Should -Match '(?m)^QualifiedId : web/ram|^QualifiedId : ram'
        $shown -join "`n" | Should -Match '(?m)^Detail +: '
        $shown -join "`n" | Should -Not -Match '\w+ \{ \w+ ='
        $shown.Count | Should -BeLessThan 60
    }
}

# A terminal of 80 columns shows 79: the last one would wrap.
Describe 'A table of <Columns> columns' -ForEach @{ Columns = 79 }, @{ Columns = 80 }, @{ Columns = 120 } {
    BeforeAll {
        $null = Start-Guest -Name ('n' * 63) -Memory 32MB
        $null = Start-Guest -Name web-frontend-001 -Memory 32MB
        $info = (Get-Guest web-frontend-001).GetInfo()
        # As a guest of a failing disk would show: a reason of 110 characters.
        $failed = [PsVm.GuestInfo].GetMethod('<Clone>$').Invoke($info, @())
        [PsVm.GuestInfo].GetProperty('StopReason').SetValue($failed, ('the file system of the RAM file is full and ' * 3).Trim())
        [IO.File]::WriteAllBytes("$TestDrive/free.img", [byte[]]::new(4MB))
        $tables = "$TestDrive/tables$Columns"
        $long = New-Item -ItemType Directory $tables | ForEach-Object { Checkpoint-Guest web-frontend-001 "$tables/web-frontend-of-the-second-half-of-2026" }
        $patched = Start-Guest web-frontend-002 -Template $long | Checkpoint-Guest -Path "$tables/web-frontend-patched" -Differential
        $longPool = New-GuestPool $long -Name web-frontend-pool-of-the-second-half -Size 2
    }

    AfterAll {
        $longPool | Remove-GuestPool
        Get-Guest ('n' * 63), web-frontend-* | Remove-Guest -Force
    }

    It 'shows all columns of <Type>, and no line is longer' -ForEach @(
        @{ Type = 'guests'; Objects = { @(Get-Guest) + $failed }; Header = 'Name +State +Memory +Harts +Uptime +Cpu\(s\) +Detail' }
        @{ Type = 'measurements'; Objects = { Get-Guest | Measure-Guest }; Header = 'Name +State +Own +Cpu\(s\) +MInstr +MInstr/s +WFI +StartLatency' }
        @{ Type = 'backends'; Objects = { Get-MemoryBackend }; Header = 'QualifiedId +Size +Mapping +FileMode +Discard +Backing' }
        @{ Type = 'reports on access modes'; Objects = { [PsVm.FileAccessMode].GetEnumValues() | ForEach-Object { Test-BackendOptions "$TestDrive/free.img" 4MB -FileAccessMode $_ -Detailed } | Format-Table }
            Header = 'IsValid +Size +Mapping +Asked +FileMode +.*Discard +Reason o'; Most = 20 }
        @{ Type = 'accounts of backends'; Objects = { Measure-MemoryBackend }; Header = 'QualifiedId +Size +Resident +Own +Shared +Overlay +FileBlocks' }
        @{ Type = 'templates'; Objects = { $long, $patched }; Header = 'Name +Guest +Memory +Harts +CreatedAt +Parent' }
        @{ Type = 'a tree of templates'; Objects = { Get-GuestTemplate -Folder $tables -Tree }; Header = 'Template +Memory +Changed +OnDisk +Clones +Guest' }
        @{ Type = 'pools'; Objects = { Get-GuestPool }; Header = 'Name +Held +Size +Taken +Grown +Memory +OwnBytes +Template' }
        @{ Type = 'the policy'; Objects = { Get-MemoryBackendPolicy }; Header = 'DenyPrivateDiscard +Source +MemoryReserve +MemoryReserveSource' }
        @{ Type = 'network adapters'; Objects = { Start-Guest web-frontend-net -Memory 32MB -Network Hub:a-long-segment1 | Get-GuestNetworkAdapter }
            Header = 'Guest +Name +Backend +Network +Mac +Mtu +Connected'; Most = 10 }
        @{ Type = 'a working set'; Objects = { Optimize-GuestTemplate $long -Duration 0 }; Header = 'Bytes +Ranges +Path' }
    ) {
        $lines = (& $Objects | Out-String -Width $Columns) -split '\r?\n'
        $lines -join "`n" | Should -Match $Header
        ($lines | Measure-Object Length -Maximum).Maximum | Should -BeLessOrEqual $Columns
        $lines.Count | Should -BeLessThan ($Most ?? 45) -Because 'nothing is set in a column of three letters'
    }
}
