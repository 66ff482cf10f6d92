BeforeAll {
    . "$PSScriptRoot/Common.ps1"
    $template = New-TestTemplate "$TestDrive/web"
}

Describe 'New-GuestPool' {
    AfterEach { Clear-PsVm }

    It 'makes a pool of the name of its template' {
        $pool = New-GuestPool "$TestDrive/web" -Size 3
        $pool.Name, $pool.Held, $pool.Size, $pool.Taken, $pool.OwnBytes | Should -Be web, 3, 3, 0, 0
        $pool.Template | Should -Be $template.Path
        Get-Guest | Should -BeNullOrEmpty
        (Get-MemoryBackend).Guest | Should -Match '^web\.[0-9a-f]{8}$'
    }

    It 'takes a template from the pipeline, and a name' {
        ($template | New-GuestPool -Name tests -Size 1 -Grow).Name | Should -Be tests
        (Get-GuestPool).Grow | Should -BeTrue
    }

    It 'makes nothing under -WhatIf, and says what would be wrong' {
        New-GuestPool "$TestDrive/web" -WhatIf | Should -BeNullOrEmpty
        Get-GuestPool | Should -BeNullOrEmpty
        (Get-ErrorOf { New-GuestPool "$TestDrive/none" -WhatIf }).Id | Should -Be TemplateNotFound
    }

    It 'says what is wrong: <Id>' -ForEach @(
        @{ Id = 'TemplateNotFound'; Command = { New-GuestPool "$TestDrive/none" } }
        @{ Id = 'GuestPoolNameInvalid'; Command = { New-GuestPool "$TestDrive/web" -Name 'a b' } }
        @{ Id = 'TemplateDiscardPolicy'; Command = { New-GuestPool "$TestDrive/web" -DiscardPolicy PunchHole } }
        @{ Id = 'GuestPoolNameInUse'; Command = { $null = New-GuestPool "$TestDrive/web"; New-GuestPool "$TestDrive/web" -Name WEB } }
    ) {
        (Get-ErrorOf $Command).Id | Should -Be $Id
    }
}

Describe 'Start-Guest -Pool' {
    BeforeEach { $null = New-GuestPool "$TestDrive/web" -Size 2 }
    AfterEach { Clear-PsVm }

    It 'takes a clone, by <Case>' -ForEach @(
        @{ Case = 'name'; Command = { Start-Guest mine -Pool web -Notes n -Label @{ a = 'b' } } }
        @{ Case = 'object'; Command = { Start-Guest mine -Pool (Get-GuestPool web) -Notes n -Label @{ a = 'b' } } }
        @{ Case = 'pipeline'; Command = { Get-GuestPool web | Start-Guest -Name mine -Notes n -Label @{ a = 'b' } } }
    ) {
        $guest = & $Command
        $guest.Name, $guest.Notes, $guest.Labels['a'], $guest.State | Should -Be mine, n, b, Running
        $guest.Template | Should -Be $template.Path
        $guest | Send-GuestConsole 'touch 3' -Pattern 'pages=3' -Timeout 60 | Should -Match 'pages=3'
        (Get-Guest).Name | Should -Be mine
        (Get-GuestPool).Taken | Should -Be 1
    }

    It 'takes several, whose names and identities differ' {
        $null = New-GuestPool "$TestDrive/web" -Name large -Size 5
        $guests = Start-Guest -Pool large -Count 5 -NameFormat 'w-{0}'
        $guests.Name | Should -Be w-1, w-2, w-3, w-4, w-5
        $guests.ForEach{ $_.GetInfo().GenerationId } | Select-Object -Unique | Should -HaveCount 5
    }

    It 'says of each that is not there that the pool is empty' {
        Rename-Item "$TestDrive/web" away
        try {
            $guests = Start-Guest -Pool web -Count 4 -ErrorAction SilentlyContinue -ErrorVariable failed
            $guests.Count | Should -BeGreaterOrEqual 2
            $failed.Count + $guests.Count | Should -Be 4
            $failed.FullyQualifiedErrorId | Should -BeLike 'GuestPoolEmpty,*'
            (Get-ErrorOf { Start-Guest -Pool web -WhatIf }).Id | Should -Be GuestPoolEmpty
        }
        finally {
            Rename-Item "$TestDrive/away" web
        }
    }

    It 'refuses what is said when the pool is made' {
        (Get-ErrorOf { Start-Guest -Pool web -Memory 64MB }).Id | Should -Be GuestPoolOptionConflict
        (Get-ErrorOf { Start-Guest -Pool none }).Id | Should -Be GuestPoolNotFound
        (Get-ErrorOf { Start-Guest -Pool wep }).Message | Should -BeLike "*web*"
        { Start-Guest -Pool web -Kernel ./Image } | Should -Throw
    }

    It 'completes names of pools' {
        $line = 'Start-Guest -Pool w'
        ([System.Management.Automation.CommandCompletion]::CompleteInput($line, $line.Length, $null)).CompletionMatches.CompletionText | Should -Be web
    }
}
