BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Get-MemoryBackend' {
    BeforeAll {
        'web-1', 'web-2', 'db' | ForEach-Object { $null = New-MemoryBackend -Size 1MB -Id $_ }
    }

    AfterAll { Clear-PsVm }

    It 'finds an id in any case, as a pattern does' {
        (Get-MemoryBackend DB).Id | Should -Be db
        (Get-MemoryBackend D*).Id | Should -Be db
    }

    It 'gives all, in the order they were made' {
        (Get-MemoryBackend).Id | Should -Be web-1, web-2, db
    }

    It 'gives those of an id or a pattern' {
        (Get-MemoryBackend db, web*).Id | Should -Be db, web-1, web-2
        Get-MemoryBackend nothing* | Should -BeNullOrEmpty
    }

    It 'takes ids from the pipeline' {
        ('db', 'web-1' | Get-MemoryBackend).Id | Should -Be db, web-1
        ([pscustomobject]@{ Id = 'db' } | Get-MemoryBackend).Id | Should -Be db
    }

    It 'says that an id is unknown, and goes on' {
        $found = Get-MemoryBackend nope, db -ErrorVariable problems -ErrorAction SilentlyContinue
        $found.Id | Should -Be db
        $problems[0].FullyQualifiedErrorId | Should -BeLike 'BackendNotFound,*'
        $problems[0].TargetObject | Should -Be nope
    }

    It 'completes ids' {
        (TabExpansion2 'Get-MemoryBackend web').CompletionMatches.CompletionText | Should -Be web-1, web-2
    }
}
