BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Measure-MemoryBackend' {
    AfterEach { Clear-PsVm }

    It 'measures what is resident' {
        $usage = New-MemoryBackend -Size 2MB -Prealloc -Id a | Measure-MemoryBackend
        $usage | Should -BeOfType PsVm.MemoryUsage
        $usage.Id | Should -Be a
        $usage.Size | Should -Be 2MB
        $usage.Resident | Should -Be 2MB
        $usage.Own | Should -Be 2MB
    }

    It 'measures overlays' {
        New-MemoryBackend "$TestDrive/ram.img" 1MB -Share | Remove-MemoryBackend
        $ram = New-MemoryBackend "$TestDrive/ram.img" 1MB
        $null = Clear-MemoryBackend $ram -Offset 0 -Length 64KB
        ($ram | Measure-MemoryBackend).Overlay | Should -Be 64KB
    }

    It 'tells the default RAM of two guests apart' {
        $null = 1..2 | ForEach-Object { Start-Guest -Memory ($_ * 32MB) }
        (Get-MemoryBackend | Measure-MemoryBackend).Size | Should -Be 32MB, 64MB
    }

    It 'says that there is no such backend' {
        (Get-ErrorOf { Measure-MemoryBackend nope }).Id | Should -Be BackendNotFound
    }
}
