BeforeAll { . "$PSScriptRoot/Common.ps1" }

# With agents it is tested in Invoke-GuestCommand.Tests.ps1, where there is a fleet of them.
Describe 'Get-GuestNetwork' {
    AfterEach { Clear-PsVm }

    It 'tells of each guest without an agent, and of those that are not there' {
        $null = Start-Guest web, db -Memory 32MB
        Get-GuestNetwork web, db, nope -ErrorVariable problems -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $problems.FullyQualifiedErrorId -replace ',.*' | Sort-Object | Should -Be GuestAgentMissing, GuestAgentMissing, GuestNotFound
    }
}
