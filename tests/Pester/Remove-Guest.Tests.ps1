BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Remove-Guest' {
    BeforeEach { $guest = Start-Guest -Name web -Memory 32MB }
    AfterEach { Clear-PsVm }

    It 'forgets a stopped guest' {
        $guest | Stop-Guest -Force | Remove-Guest | Should -BeNullOrEmpty
        Get-Guest | Should -BeNullOrEmpty
        Get-MemoryBackend | Should -BeNullOrEmpty
    }

    It 'refuses while it runs, unless forced' {
        $found = Get-ErrorOf { Remove-Guest web }
        $found.Id | Should -Be GuestNotStopped
        $found.Category | Should -Be ResourceBusy
        $found.Action | Should -BeLike "*Stop-Guest 'web'*Remove-Guest -Force*"
        Remove-Guest web -Force
        Get-Guest | Should -BeNullOrEmpty
    }

    It 'does nothing under -WhatIf' {
        $guest | Remove-Guest -Force -WhatIf
        $guest.State | Should -Be Running
    }

    It 'frees the name' {
        Remove-Guest web -Force
        $again = Start-Guest -Name web -Memory 32MB
        $null = $again | Wait-Guest -ForText 'GUEST-UP' -Timeout 60
        Receive-GuestConsole web | Should -Contain 'GUEST-UP'
    }

    It 'does not take an unset variable for Force' {
        { $guest | Remove-Guest -Force:$unset } | Should -Throw -ErrorId 'ParameterArgumentTransformationError,*'
        $guest.State | Should -Be Running
    }
}
