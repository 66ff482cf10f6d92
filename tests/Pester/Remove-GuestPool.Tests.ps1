BeforeAll {
    . "$PSScriptRoot/Common.ps1"
    $null = New-TestTemplate "$TestDrive/web"
}

Describe 'Remove-GuestPool' {
    BeforeEach { 'one', 'two' | ForEach-Object { $null = New-GuestPool "$TestDrive/web" -Name $_ -Size 2 } }
    AfterEach { Clear-PsVm }

    It 'ends a pool and what it holds; what was taken goes on' {
        $taken = Start-Guest -Pool one
        Remove-GuestPool one
        (Get-GuestPool).Name | Should -Be two
        (Get-MemoryBackend).Guest | Where-Object { $_ -like 'one.*' } | Should -BeNullOrEmpty
        $taken | Send-GuestConsole 'touch 3' -Pattern 'pages=3' -Timeout 60 | Should -Match 'pages=3'
    }

    It 'takes patterns and objects' {
        Get-GuestPool one | Remove-GuestPool
        Remove-GuestPool *
        Get-GuestPool | Should -BeNullOrEmpty
        Get-MemoryBackend | Should -BeNullOrEmpty
    }

    It 'ends nothing under -WhatIf' {
        Remove-GuestPool * -WhatIf
        (Get-GuestPool).Held | Should -Be 2, 2
    }

    It 'says that there is no such pool' {
        (Get-ErrorOf { Remove-GuestPool nope }).Id | Should -Be GuestPoolNotFound
        (Get-ErrorOf { Remove-GuestPool nope -WhatIf }).Id | Should -Be GuestPoolNotFound
    }
}
