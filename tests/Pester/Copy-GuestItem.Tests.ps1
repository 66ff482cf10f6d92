BeforeAll { . "$PSScriptRoot/Common.ps1" }

# With agents it is tested in Invoke-GuestCommand.Tests.ps1, where there is a fleet of them.
Describe 'Copy-GuestItem' {
    AfterEach { Clear-PsVm }

    It 'needs one place in a guest: <From> to <To>' -ForEach @{ From = './a'; To = './b' }, @{ From = 'a:/x'; To = 'b:/y' } {
        Copy-GuestItem $From $To -ErrorVariable problems -ErrorAction SilentlyContinue
        $problems.FullyQualifiedErrorId -replace ',.*' | Should -Be CopyPathInvalid
        $problems.ErrorDetails.RecommendedAction | Should -Match 'Copy-GuestItem web:/etc/hosts'
    }

    It 'says of a folder that it needs -Recurse' {
        $null = Start-Guest web -Memory 32MB
        Copy-GuestItem $TestDrive web:/b -ErrorVariable problems -ErrorAction SilentlyContinue
        $problems.FullyQualifiedErrorId -replace ',.*' | Should -Be CopyPathInvalid
        $problems.ErrorDetails.RecommendedAction | Should -Match '-Recurse'
    }

    It 'needs a name of the folder that it fetches: <From>' -ForEach @{ From = 'web:/' }, @{ From = 'web:/srv/..' }, @{ From = 'web:/srv/../' }, @{ From = 'web:/.' } {
        $null = Start-Guest web -Memory 32MB
        Copy-GuestItem $From $TestDrive -Recurse -ErrorVariable problems -ErrorAction SilentlyContinue
        $problems.FullyQualifiedErrorId -replace ',.*' | Should -Be CopyPathInvalid
    }

    It 'tells under -WhatIf that no agent is there' {
        $null = Start-Guest web -Memory 32MB
        Copy-GuestItem ./a web:/b -WhatIf -ErrorVariable problems -ErrorAction SilentlyContinue
        $problems.FullyQualifiedErrorId -replace ',.*' | Should -Be GuestAgentMissing
    }
}
