BeforeAll {
    . "$PSScriptRoot/Common.ps1"
    $made = New-TestTemplate "$TestDrive/made"
}

Describe 'Move-GuestTemplate' {
    BeforeEach {
        $out = New-Item "$TestDrive/$([guid]::NewGuid())" -ItemType Directory
        $web = Copy-GuestTemplate $made "$out/web"
    }

    AfterEach { Clear-PsVm }

    It 'gives a template another name, and its clones live on' {
        $clone = $web | Start-Guest
        $moved = Move-GuestTemplate $web "$out/web-3"
        $moved.Path | Should -Be "$out/web-3"
        $moved.Id | Should -Be $made.Id
        "$out/web" | Should -Not -Exist
        Test-GuestTemplate $moved | Should -BeTrue
        $clone | Wait-Guest -ForText 'TICK' -Timeout 60 | Should -Not -BeNullOrEmpty
        ($moved | Start-Guest).State | Should -Be Running
    }

    It 'moves to another file system' {
        $other = "/dev/shm/psvm-$([guid]::NewGuid())"
        try {
            $moved = $web | Move-GuestTemplate "$other/"
            $moved.Path | Should -Be "$other/web"
            "$out/web" | Should -Not -Exist
            Test-GuestTemplate $moved -Verify | Should -BeTrue
        }
        finally {
            Remove-Item $other -Recurse -Force -ErrorAction Ignore
        }
    }

    It 'moves several to a folder' {
        $db = Copy-GuestTemplate $made "$out/db"
        (Move-GuestTemplate "$out/*" "$TestDrive/moved").Name | Should -Be db, web
        Get-ChildItem $out | Should -BeNullOrEmpty
        Remove-Item "$TestDrive/moved" -Recurse -Force
    }

    It 'replaces a template only with -Force' {
        $db = New-TestTemplate "$out/db"
        (Get-ErrorOf { Move-GuestTemplate $web $db }).Id | Should -Be CheckpointPathInUse
        (Get-ErrorOf { Move-GuestTemplate $web $db -WhatIf }).Id | Should -Be CheckpointPathInUse
        (Move-GuestTemplate $web $db -Force).Id | Should -Be $made.Id
        (Get-ChildItem $out -Force).Name | Should -Be db
    }

    It 'leaves a template where it is under -WhatIf, and where it cannot go' {
        Move-GuestTemplate $web "$out/other" -WhatIf | Should -BeNullOrEmpty
        (Get-ErrorOf { Move-GuestTemplate $web "$out/web/in" }).Id | Should -Be CheckpointPathInUse
        (Get-ErrorOf { Move-GuestTemplate "$out/none" "$out/other" }).Id | Should -Be TemplateNotFound
        Test-GuestTemplate $web | Should -BeTrue
    }

    It 'warns of those that stay behind and do not find it any more' {
        $clone = $web | Start-Guest
        $child = $clone | Checkpoint-Guest "$out/child" -Differential
        Move-GuestTemplate $web "$out/renamed" -WarningVariable warned -WarningAction SilentlyContinue | Should -Not -BeNullOrEmpty
        $warned | Should -BeNullOrEmpty # it is beside the child, and found there
        Move-GuestTemplate "$out/renamed" "$out/elsewhere/" -WarningVariable warned -WarningAction SilentlyContinue | Should -Not -BeNullOrEmpty
        "$warned" | Should -BeLike "``[TemplateParentGone``]*'$($child.Path)' does not any more*-SearchPath*PSVM_TEMPLATE_PATH*"
        Test-GuestTemplate $child | Should -BeFalse
        (Start-Guest -Template $child -SearchPath "$out/elsewhere").State | Should -Be Running
        Move-GuestTemplate $child "$out/elsewhere/" -WarningVariable warned -WarningAction SilentlyContinue | Test-GuestTemplate | Should -BeTrue
        $warned | Should -BeNullOrEmpty
    }

    It 'does not move what a link leads to' {
        $null = New-Item "$out/link" -ItemType SymbolicLink -Target $web.Path
        (Get-ErrorOf { Move-GuestTemplate "$out/link" "$out/other" }).Id | Should -Be CheckpointWriteFailed
        Test-GuestTemplate $web | Should -BeTrue
    }
}
