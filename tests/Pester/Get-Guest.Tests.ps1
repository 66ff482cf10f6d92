BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Get-Guest' {
    BeforeAll {
        'web-1', 'web-2', 'db' | ForEach-Object { $null = Start-Guest -Name $_ -Memory 32MB }
    }

    AfterAll { Clear-PsVm }

    It 'gives all, in the order of their start' {
        (Get-Guest).Name | Should -Be web-1, web-2, db
    }

    It 'gives those of a name or a pattern' {
        (Get-Guest db, WEB*).Name | Should -Be db, web-1, web-2
        Get-Guest nothing* | Should -BeNullOrEmpty
    }

    It 'takes names from the pipeline' {
        ('db', 'web-1' | Get-Guest).Name | Should -Be db, web-1
        ([pscustomobject]@{ Name = 'db' } | Get-Guest).Name | Should -Be db
    }

    It 'gives handles that live' {
        $guest = Get-Guest db
        $null = Stop-Guest db
        $guest.State | Should -Be Stopped
    }

    It 'says that a name is unknown, and goes on' {
        $found = Get-Guest nope, web-1 -ErrorVariable problems -ErrorAction SilentlyContinue
        $found.Name | Should -Be web-1
        $problems[0].FullyQualifiedErrorId | Should -BeLike 'GuestNotFound,*'
    }

    It 'completes names' {
        (TabExpansion2 'Get-Guest WEB').CompletionMatches.CompletionText | Should -Be web-1, web-2
    }
}
