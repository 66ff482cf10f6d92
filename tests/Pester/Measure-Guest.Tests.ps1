BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Measure-Guest' {
    BeforeEach { $guest = Start-Guest -Name web -Memory 32MB | Wait-Guest -ForText 'GUEST-UP' -Timeout 60 | Suspend-Guest }
    AfterEach { Clear-PsVm }

    It 'measures what the guest has and does' {
        $found = $guest | Measure-Guest
        $found | Should -BeOfType PsVm.GuestMeasurement
        $found.Name | Should -Be web
        $found.OwnBytes | Should -BeGreaterThan 256KB
        $found.Instructions | Should -Be $guest.Instructions
        $found.StartLatency | Should -Be $guest.StartLatency
        $found.Exits.DeviceAccesses | Should -BeGreaterThan 0
        $found.Backends | Should -BeNullOrEmpty
    }

    It 'accounts for each backend in detail' {
        $found = Measure-Guest web -Detailed
        $found.Backends.Id | Should -Be ram.default
        $found.Backends.Own | Should -Be $found.OwnBytes
    }

    It 'measures all guests of the pipeline, in order' {
        $null = Start-Guest -Name db -Memory 32MB
        (Get-Guest db, web | Measure-Guest).Name | Should -Be db, web
        ('web', 'db' | Measure-Guest).Name | Should -Be web, db
    }

    It 'says which guest is not there, and measures the others' {
        $found = Measure-Guest nope, web -ErrorVariable problems -ErrorAction SilentlyContinue
        $found.Name | Should -Be web
        $problems.FullyQualifiedErrorId -replace ',.*' | Should -Be GuestNotFound
    }

    It 'gives nothing for nothing' {
        @() | Measure-Guest | Should -BeNullOrEmpty
    }
}
