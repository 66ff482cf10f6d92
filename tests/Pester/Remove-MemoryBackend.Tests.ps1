BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Remove-MemoryBackend' {
    AfterEach { Clear-PsVm }

    It 'unmaps and leaves the file' {
        $ram = New-MemoryBackend -Path "$TestDrive/ram.img" -Size 1MB -Share
        Get-Content /proc/self/maps | Where-Object { $_.EndsWith("$TestDrive/ram.img") } | Should -Not -BeNullOrEmpty

        $ram | Remove-MemoryBackend

        Get-Content /proc/self/maps | Where-Object { $_.EndsWith("$TestDrive/ram.img") } | Should -BeNullOrEmpty
        Get-MemoryBackend | Should -BeNullOrEmpty
        (Get-Item "$TestDrive/ram.img").Length | Should -Be 1MB
    }

    It 'leaves a new backend alone that has the id of the one meant' {
        $old = New-MemoryBackend -Size 32MB -Id ram
        $old | Remove-MemoryBackend
        $new = New-MemoryBackend -Size 32MB -Id ram

        (Get-ErrorOf { $old | Remove-MemoryBackend }).Id | Should -Be BackendNotFound
        (Get-ErrorOf { $old | Measure-MemoryBackend }).Id | Should -Be BackendNotFound
        (Get-ErrorOf { Get-MemoryBackend $old }).Id | Should -Be BackendNotFound
        (Get-ErrorOf { $old | Clear-MemoryBackend -Offset 0 -Length 1MB }).Id | Should -Be BackendNotFound
        (Get-ErrorOf { $old | Start-Guest }).Id | Should -Be BackendNotFound
        ($new | Measure-MemoryBackend).Size | Should -Be 32MB
        ($new | Start-Guest).State | Should -Be Running
    }

    It 'takes objects and ids, by position and from the pipeline' {
        $a, $b, $c, $d = 'a', 'b', 'c', 'd' | ForEach-Object { New-MemoryBackend -Size 1MB -Id $_ }

        Remove-MemoryBackend $a
        Remove-MemoryBackend b
        $c.Outcome | Remove-MemoryBackend
        'd' | Remove-MemoryBackend

        Get-MemoryBackend | Should -BeNullOrEmpty
    }

    It 'does nothing under -WhatIf' {
        $ram = New-MemoryBackend -Size 1MB
        $ram | Remove-MemoryBackend -WhatIf
        (Get-MemoryBackend).Id | Should -Be $ram.Id
    }

    It 'refuses while a guest uses it, and no longer' {
        $ram = New-MemoryBackend -Size 32MB
        $guest = $ram | Start-Guest

        $found = Get-ErrorOf { $ram | Remove-MemoryBackend }
        $found.Id | Should -Be BackendInUse
        $found.Category | Should -Be ResourceBusy

        $null = $guest | Stop-Guest -Force
        $ram | Remove-MemoryBackend
        Get-MemoryBackend | Should -BeNullOrEmpty
    }

    It 'says that it has been removed already' {
        $ram = New-MemoryBackend -Size 1MB
        $ram | Remove-MemoryBackend
        (Get-ErrorOf { $ram | Remove-MemoryBackend }).Id | Should -Be BackendNotFound
    }
}
