# The operator's culture changes no parsing, and one row is in one culture: sizes, figures and moments alike are written with a point.
BeforeDiscovery {
    $cultures = 'de-DE', 'tr-TR', 'ar-SA' | ForEach-Object { @{ Culture = $_ } }}

BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'In <Culture>' -ForEach $cultures {
    BeforeAll {
        $before = [cultureinfo]::CurrentCulture
        $guest = Start-Guest -Name INIT-1 -Memory '32 MiB' -Label Tier=Init | Wait-Guest -ForText GUEST-UP -Timeout 60
        $null = $guest | Checkpoint-Guest -Path "$TestDrive/init"
        # What a culture other than the invariant one would write as 1,5.
        $ram = New-MemoryBackend -Size 1.5MiB -Id disk
    }

    # With ICU alone do these have commas, other digits' signs, another calendar and another i.
    BeforeEach {
        try {
            [cultureinfo]::CurrentCulture = $Culture
        }
        catch {
            Set-ItResult -Skipped -Because '.NET runs without ICU here (invariant globalization), and so without cultures'
        }
    }

    AfterAll {
        [cultureinfo]::CurrentCulture = $before
        Clear-PsVm
    }

    It 'reads sizes as they are written' {
        (New-MemoryBackend -Size '1.5 MiB' -Id a).Size | Should -Be 1572864
        (New-MemoryBackend -Size 1.5MiB -Id b).Size | Should -Be 1572864
        (New-MemoryBackend -Size 2mib -Id c).Size | Should -Be 2097152
        (Get-ErrorOf { New-MemoryBackend -Size '1,5 MiB' }).Message | Should -Match "found '1,5 MiB'"
    }

    It 'reads times and moments as they are written' {
        { $guest | Wait-Guest -ForText GUEST-UP -Timeout '30.5' } | Should -Not -Throw
        { $guest | Wait-Guest -ForText GUEST-UP -Timeout '0:00:30.5' } | Should -Not -Throw
        (Get-ErrorOf { $guest | Wait-Guest -ForText never -Timeout 0.25 }).Message | Should -Match '0\.25 s'
        ($guest | Receive-GuestConsole -Since 3600.5) -join ' ' | Should -Match GUEST-UP
        ($guest | Receive-GuestConsole -Since '1:00:00.5') -join ' ' | Should -Match GUEST-UP
    }

    It 'compares names, labels, states and machine types one way' {
        (Get-Guest init-1).Name | Should -Be INIT-1
        (Get-Guest 'init*' -Label tier=init -State running).Name | Should -Be INIT-1
        (Get-MemoryBackend DISK).Id | Should -Be disk
        (Test-BackendOptions -Size 4KB -MachineType VIRT-1.1 -FileAccessMode readonly -DiscardPolicy restoretemplate -Detailed).Errors.Id |
            Should -Not -Contain UnknownMachineType
        (Test-BackendOptions -Size 4KB -MachineType VIRT -Detailed).IsValid | Should -BeTrue
        (TabExpansion2 'Stop-Guest init').CompletionMatches.CompletionText | Should -Be INIT-1
        (TabExpansion2 'New-MemoryBackend -MachineType VIRT-1.2').CompletionMatches.CompletionText | Should -Be virt-1.2
    }

    It 'writes one row in one culture' {
        $rows = $guest, ($guest | Measure-Guest), $ram, (Get-GuestTemplate "$TestDrive/init") | ForEach-Object {
            $_ | Format-Table | Out-String -Width 200
            $_ | Format-List | Out-String -Width 400
        }
        $rows -join '' | Should -Match '1\.5 MiB'
        # The figures of our own columns; a moment of the template; nothing of a comma, an Arabic sign, or a year of the Hijra.
        $rows -join '' | Should -Match '\d\.\d\d'
        $rows -join '' | Should -Match "$((Get-Date).ToUniversalTime().ToString('yyyy', [cultureinfo]::InvariantCulture))-\d\d-\d\d"
        $rows -join '' | Should -Not -Match '\d,\d|\u066B|\u066C|14\d\d-|\d\d\.\d\d\.\d{4}'
    }

    It 'writes one row of CSV in one culture, which can be read back' {
        $limited = Set-Guest INIT-1 -CpuLimit 1.5 -PassThru
        foreach ($object in $limited, $limited.GetInfo(), ($guest | Measure-Guest), (Get-GuestTemplate "$TestDrive/init"), ($guest | Receive-GuestConsole -Tail 1 -AsObject)) {
            $row = $object | ConvertTo-Csv | ConvertFrom-Csv
            foreach ($name in $object.PSObject.Properties.Name) {
                switch ($object.$name) {
                    { $_ -is [DateTimeOffset] } { [DateTimeOffset]::ParseExact($row.$name, 'O', [cultureinfo]::InvariantCulture) | Should -Be $_ -Because $name }
                    { $_ -is [double] } { [double]::Parse($row.$name, [cultureinfo]::InvariantCulture) | Should -Be $_ -Because $name }
                    { $_ -is [timespan] } { [timespan]::Parse($row.$name, [cultureinfo]::InvariantCulture) | Should -BeLessOrEqual $_ -Because $name }
                }
            }
        }

        # They are what they were: values with a text of their own.
        $limited.StartedAt | Should -BeOfType DateTimeOffset
        $limited.StartedAt.ToString('yyyy', [cultureinfo]::InvariantCulture) | Should -Be $limited.GetInfo().StartedAt.Year
        $limited.StartedAt -le [DateTimeOffset]::Now | Should -BeTrue
        $limited.CpuLimit + 1 | Should -Be 2.5
        ($limited | ConvertTo-Csv)[0] | Should -Match '^"Id","Name",'
        $limited | Set-Guest -CpuLimit 0
    }

    It 'starts guests again from what Export-Csv wrote of them' {
        $null = Start-Guest -Name INDIA-2 -Memory 32MB -CpuLimit 0.5
        Get-Guest INDIA-2 | Export-Csv "$TestDrive/guests.csv"
        Get-MemoryBackend disk | Export-Csv "$TestDrive/backends.csv"
        Remove-Guest INDIA-2 -Force
        $again = Import-Csv "$TestDrive/guests.csv" | Start-Guest
        $again.Name, $again.Memory, $again.CpuLimit | Should -Be INDIA-2, 32MB, 0.5
        (Import-Csv "$TestDrive/backends.csv" | Select-Object -ExcludeProperty Id | New-MemoryBackend).Size | Should -Be 1.5MB
    }

    It 'takes back what Export-Csv and ConvertTo-Json wrote' {
        [pscustomobject]@{ Name = 'INDIA-1'; Memory = '32.0 MiB'; Template = "$TestDrive/init" } | Export-Csv "$TestDrive/fleet.csv"
        $fleet = Import-Csv "$TestDrive/fleet.csv" | Select-Object Name, Template | Start-Guest
        $fleet.Name | Should -Be INDIA-1
        $again = $ram | ConvertTo-Json -Depth 4 | ConvertFrom-Json
        $again.Size | Should -Be 1572864
        $again.Id | Should -Be disk
        ($guest | Measure-Guest | ConvertTo-Json -Depth 4 | ConvertFrom-Json).Name | Should -Be INIT-1
        # Two columns, whatever signs the figures have.
        $row = $guest | Select-Object Name, 'Cpu(s)', Memory | ConvertTo-Csv | ConvertFrom-Csv
        $row.Name, $row.Memory | Should -Be INIT-1, 33554432
    }
}
