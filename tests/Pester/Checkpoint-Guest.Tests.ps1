BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Checkpoint-Guest' {
    BeforeEach {
        Push-Location $TestDrive
        $guest = Start-Guest -Name web -Memory 32MB | Wait-Guest -ForText 'GUEST-UP' -Timeout 60
    }

    AfterEach {
        Pop-Location
        Clear-PsVm
        Remove-Item "$TestDrive/*" -Recurse -Force
    }

    It 'makes a template and lets the guest go on' {
        $template = $guest | Checkpoint-Guest -Path ./web
        $template | Should -BeOfType PsVm.GuestTemplate
        $template.Path | Should -Be ([IO.Path]::Combine($TestDrive, 'web'))
        $template.Guest | Should -Be web
        $template.Memory | Should -Be 32MB
        $template.RamBlocks.Sha256 | Should -BeNullOrEmpty
        Test-GuestTemplate $template | Should -BeTrue
        $guest.State | Should -Be Running
    }

    It 'gives each template its guest''s name in a folder with a slash at its end' {
        $null = Start-Guest -Name db -Memory 32MB | Wait-Guest -ForText 'GUEST-UP' -Timeout 60
        $null = New-Item -ItemType Directory ./many
        (Get-Guest | Checkpoint-Guest -Path ./many/).Path | Should -Be "$TestDrive/many/web", "$TestDrive/many/db"
        # A template that a slash stands behind is that template.
        (Checkpoint-Guest web ./many/web/ -Force).Path | Should -Be "$TestDrive/many/web"
        $found = Get-ErrorOf { Checkpoint-Guest web ./many }
        $found.Id | Should -Be CheckpointPathInUse
        $found.Action | Should -BeLike "*'$TestDrive/many/*"
        (Get-ErrorOf { Checkpoint-Guest web, db ./many }).Action | Should -BeLike '*-Path ./templates/*'
    }

    It 'leaves a suspended guest suspended' {
        $null = $guest | Suspend-Guest | Checkpoint-Guest -Path ./web
        $guest.State | Should -Be Suspended
    }

    It 'records the digest' {
        ($guest | Checkpoint-Guest -Path ./web -Digest).RamBlocks[0].Sha256 | Should -Match '^[0-9a-f]{64}$'
    }

    It 'takes over a shared RAM file and stops the guest' {
        $ram = New-MemoryBackend ./shared.img 32MB -Share
        $other = $ram | Start-Guest -Name shared | Wait-Guest -ForText 'GUEST-UP' -Timeout 60
        $template = $other | Checkpoint-Guest -Path ./shared -UseRamFile
        $template.RamBlocks.File | Should -Be ([IO.Path]::Combine($TestDrive, 'shared.img'))
        $other.State | Should -Be Stopped
    }

    It 'stores what a clone changed, on its template' {
        $parent = $guest | Checkpoint-Guest -Path ./web
        $clone = Start-Guest -Template $parent -Name clone
        $template = $clone | Checkpoint-Guest -Path ./changed -Differential
        $template.Differential | Should -BeTrue
        $template.Parent.Path | Should -Be $parent.Path
        $template.RamBlocks.ChangedBytes | Should -BeLessThan 32MB
        Start-Guest -Template $template | Wait-Guest -ForText 'TICK' -Timeout 60 | Should -Not -BeNullOrEmpty
    }

    It 'replaces a template only when forced' {
        $first = $guest | Checkpoint-Guest -Path ./web
        (Get-ErrorOf { $guest | Checkpoint-Guest -Path ./web }).Id | Should -Be CheckpointPathInUse
        ($guest | Checkpoint-Guest -Path ./web -Force).Id | Should -Not -Be $first.Id
    }

    It 'says <Id> for <Because>, and the guest goes on' -ForEach @(
        @{ Id = 'CheckpointRamNotShared'; Because = 'RAM without a file'; With = @{ Path = './web'; UseRamFile = $true } }
        @{ Id = 'CheckpointNotClone'; Because = 'a difference to nothing'; With = @{ Path = './web'; Differential = $true } }
        @{ Id = 'PathNotFileSystem'; Because = 'a path of another provider'; With = @{ Path = 'Env:/web' } }
    ) {
        (Get-ErrorOf { $guest | Checkpoint-Guest @With }).Id | Should -Be $Id
        Get-ChildItem $TestDrive -Force | Should -BeNullOrEmpty
        $guest.State | Should -Be Running
    }

    It 'says that there is no such guest, or that it has stopped' {
        (Get-ErrorOf { Checkpoint-Guest nope ./web }).Id | Should -Be GuestNotFound
        $null = $guest | Stop-Guest -Force
        (Get-ErrorOf { $guest | Checkpoint-Guest -Path ./web }).Id | Should -Be GuestStopped
    }

    It 'makes nothing under -WhatIf' {
        $guest | Checkpoint-Guest -Path ./web -WhatIf | Should -BeNullOrEmpty
        './web' | Should -Not -Exist
    }

    It 'finds out under -WhatIf that there can be none' {
        (Get-ErrorOf { Checkpoint-Guest nope ./web -WhatIf }).Id | Should -Be GuestNotFound
        'text' | Set-Content ./file
        (Get-ErrorOf { Checkpoint-Guest $guest ./file -WhatIf }).Id | Should -Be CheckpointPathInUse
        (Get-ErrorOf { Checkpoint-Guest $guest ./file/web -WhatIf }).Id | Should -Be CheckpointWriteFailed
        (Get-ErrorOf { Checkpoint-Guest $guest ./new -Differential -UseRamFile -WhatIf }).Id | Should -Be TemplateOptionConflict
        $null = $guest | Stop-Guest -Force
        (Get-ErrorOf { Checkpoint-Guest $guest ./web -WhatIf }).Id | Should -Be GuestStopped
    }

    It 'refuses one path for several guests before it does anything' {
        $other = Start-Guest -Name db -Memory 32MB
        $null = $guest | Checkpoint-Guest -Path ./t
        $before = (Get-GuestTemplate ./t).Id
        $found = Get-ErrorOf { $guest, $other | Checkpoint-Guest -Path ./t -Force }
        $found.Id | Should -Be CheckpointPathRepeated
        $found.Message | Should -BeLike "*for 'web', 'db'."
        (Get-ErrorOf { Checkpoint-Guest web, db ./t -Force -UseRamFile }).Id | Should -Be CheckpointPathRepeated
        (Get-GuestTemplate ./t).Id | Should -Be $before
        (Get-Guest).State | Should -Be Running, Running
    }

    It 'makes the path of each guest by a script block' {
        $null = Start-Guest -Name db -Memory 32MB
        (Get-Guest | Checkpoint-Guest -Path { "./$($_.Name)-t" }).Guest | Should -Be web, db
        (Get-GuestTemplate ./web-t, ./db-t).Guest | Should -Be web, db
    }
}
