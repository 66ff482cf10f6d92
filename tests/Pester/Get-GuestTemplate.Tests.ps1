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

    It 'shows disks and networks of those that have some' {
        $image = New-TestImage "$TestDrive/disk.img"
        $null = Start-Guest disked -Memory 32MB -Disk @{ Path = $image; Overlay = 'Memory' } -Network Hub:lan, Hub
        $shown = Checkpoint-Guest disked "$(New-Item "$TestDrive/shown" -ItemType Directory)/disked" | Format-List | Out-String -Width 200
        $shown | Should -Match '(?m)^Disks +: disk0: 1 MiB$'
        $shown | Should -Match '(?m)^Networks +: net0 on hub lan, net1 on hub default$'
        $web | Format-List | Out-String | Should -Not -Match 'Disks|Networks'
        Remove-Guest disked -Force
        Remove-GuestTemplate "$TestDrive/shown/disked" -Confirm:$false
        Remove-Item "$TestDrive/shown"
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
        Remove-GuestTemplate "$TestDrive/db2" -Confirm:$false
    }

    It 'takes patterns, of which one that matches nothing is no error' {
        (Get-GuestTemplate "$TestDrive/w*", "$TestDrive/[a-d]?").Path | Split-Path -Leaf | Should -Be web, db
        ("$TestDrive/*" | Get-GuestTemplate).Path | Split-Path -Leaf | Should -Be db, web
        Get-GuestTemplate "$TestDrive/none*" -ErrorVariable problems | Should -BeNullOrEmpty
        $problems | Should -BeNullOrEmpty
    }

    It 'takes a name that looks like a pattern for the name when there is such a folder' {
        $null = New-TestTemplate "$TestDrive/[x] y"
        (Get-GuestTemplate "$TestDrive/[x] y").Name | Should -Be '[x] y'
        (Get-GuestTemplate "$TestDrive/[x] y" | Get-GuestTemplate).Name | Should -Be '[x] y'
        Remove-GuestTemplate "$TestDrive/[x] y" -Confirm:$false
        "$TestDrive/[x] y" | Should -Not -Exist
        (Get-GuestTemplate "$TestDrive/*").Name | Should -Be db, web
    }

    It 'lists damaged templates with what is wrong, and the good ones' {
        Copy-Item "$TestDrive/web" "$TestDrive/cut" -Recurse
        Remove-Item "$TestDrive/cut/template.json" -Force
        Set-Content "$TestDrive/cut/template.json" '{'
        $null = New-Item "$TestDrive/other/deep" -ItemType Directory
        $found = Get-GuestTemplate -Folder $TestDrive -ErrorVariable problems -ErrorAction SilentlyContinue
        $found.Name | Should -Be db, web
        @($problems).Count | Should -Be 1
        $problems.FullyQualifiedErrorId -replace ',.*' | Should -Be TemplateManifestInvalid
        $problems.TargetObject | Should -Be "$TestDrive/cut"
        Remove-GuestTemplate "$TestDrive/c*" -Confirm:$false
        "$TestDrive/cut" | Should -Not -Exist
        Remove-Item "$TestDrive/other" -Recurse
    }

    It 'says of a name that is not there which is near, and how those that are there are listed' {
        $null = New-TestTemplate "$(New-Item -ItemType Directory "$TestDrive/near")/web"
        $found = Get-ErrorOf { Get-GuestTemplate "$TestDrive/near/wbe" }
        $found.Id | Should -Be TemplateNotFound
        $found.Message | Should -BeLike "*Did you mean 'web'?"
        $found.Action | Should -BeLike "*Get-GuestTemplate -Folder '$TestDrive/near'*"
        (Get-ErrorOf { Start-Guest -Template "$TestDrive/near/wbe" }).Message | Should -Be $found.Message
        (Get-ErrorOf { Get-GuestTemplate "$TestDrive/none/at/all" }).Action | Should -BeLike '*Checkpoint-Guest*'
    }

    It 'says of a folder to list that it is not there' {
        $found = Get-ErrorOf { Get-GuestTemplate -Folder "$TestDrive/nowhere" }
        $found.Id, $found.Category | Should -Be TemplateNotFound, ObjectNotFound
        $found.Message | Should -Be "Expected a folder with templates at '$TestDrive/nowhere', found nothing."
        $null = New-Item "$TestDrive/afile"
        (Get-ErrorOf { Get-GuestTemplate -Folder "$TestDrive/afile" -Tree }).Message | Should -BeLike '*, found a file.'
    }

    It 'says of a folder of templates which are in it' {
        $found = Get-ErrorOf { Get-GuestTemplate "$TestDrive/near" }
        $found.Id | Should -Be TemplateIncomplete
        $found.Action | Should -BeLike "*'$TestDrive/near/web'*-Folder '$TestDrive/near'*"
    }

    It 'says what is no template, and goes on' {
        $found = Get-GuestTemplate $TestDrive, "$TestDrive/web" -ErrorVariable problems -ErrorAction SilentlyContinue
        $found.Id | Should -Be $web.Id
        $problems.FullyQualifiedErrorId -replace ',.*' | Should -Be TemplateIncomplete
    }
}
