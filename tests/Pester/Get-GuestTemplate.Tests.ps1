BeforeAll {
    . "$PSScriptRoot/Common.ps1"
    $web = New-TestTemplate "$TestDrive/web"
    $null = New-TestTemplate "$TestDrive/db"
}

Describe 'Get-GuestTemplate' {
    AfterAll { Clear-PsVm }

    It 'reads a template' {
        $template = Get-GuestTemplate "$TestDrive/web"
        $template | Should -BeOfType PsVm.GuestTemplate
        $template.Id | Should -Be $web.Id
        $template.Guest | Should -Be source
    }

    It 'takes objects from the pipeline' {
        ($web | Get-GuestTemplate).Id | Should -Be $web.Id
        (Get-Item "$TestDrive/web" | ForEach-Object FullName | Get-GuestTemplate).Id | Should -Be $web.Id
    }

    It 'lists those of a folder, or of the current one' {
        (Get-GuestTemplate -Folder $TestDrive).Path | Split-Path -Leaf | Should -Be db, web
        Push-Location $TestDrive
        (Get-GuestTemplate).Path | Split-Path -Leaf | Should -Be db, web
        Pop-Location
    }

    It 'warns once a listing of what checkpoints that were cut short left' {
        $left = New-Item "$TestDrive/.web.$([guid]::NewGuid().ToString('N')).partial" -ItemType Directory
        $found = Get-GuestTemplate -Folder $TestDrive -WarningVariable warned -WarningAction SilentlyContinue
        $found.Path | Split-Path -Leaf | Should -Be db, web
        @($warned).Count | Should -Be 1
        "$warned" | Should -BeLike "``[TemplateLeftovers``]*'$($left.Name)'*"
        $null = New-TestTemplate "$TestDrive/db2"
        Get-GuestTemplate -Folder $TestDrive -WarningVariable after | Should -HaveCount 3
        $after | Should -BeNullOrEmpty
        Remove-GuestTemplate "$TestDrive/db2"
    }

    It 'says what is no template, and goes on' {
        $found = Get-GuestTemplate $TestDrive, "$TestDrive/web" -ErrorVariable problems -ErrorAction SilentlyContinue
        $found.Id | Should -Be $web.Id
        $problems.FullyQualifiedErrorId -replace ',.*' | Should -Be TemplateIncomplete
    }
}
