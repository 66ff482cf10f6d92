BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Get-GuestSharedFolder' {
    BeforeAll {
        $src = (New-Item "$TestDrive/src" -ItemType Directory).FullName
        $web = Start-Guest web -Memory 32MB -SharedFolder $src, "${src}:data:ro"
        $null = Start-Guest bare -Memory 32MB
    }

    AfterAll { Clear-PsVm }

    It 'gives folders by guest and tag, each with who may write it and why' {
        (Get-GuestSharedFolder).Tag | Should -Be folder0, data
        (Get-GuestSharedFolder web data).Path | Should -Be $src
        ($web | Get-GuestSharedFolder -Tag d*a).Tag | Should -Be data
        Get-GuestSharedFolder bare | Should -BeNullOrEmpty
        (Get-GuestSharedFolder web).ReadOnly | Should -Be $false, $true
        (Get-GuestSharedFolder web data).Reason | Should -Match ReadOnly
        (Get-GuestSharedFolder web data).Owners | Should -Be Host
    }

    It 'shows them as a table' {
        (Get-GuestSharedFolder web | Out-String -Width 200) | Should -Match '(?m)^web +data +True +0 B +0 B +0 /'
    }

    It 'says that there is no such guest' {
        (Get-ErrorOf { Get-GuestSharedFolder wbe }).Id | Should -Be GuestNotFound
    }
}

Describe 'Start-Guest -SharedFolder' {
    BeforeEach { $folder = (New-Item "$TestDrive/$([guid]::NewGuid())" -ItemType Directory).FullName }
    AfterEach { Clear-PsVm }

    It 'takes a folder as <What>' -ForEach @(
        @{ What = 'a path'; Make = { $folder }; Tag = 'folder0'; ReadOnly = $false }
        @{ What = 'a relative path with a tag'; Make = { "$([IO.Path]::GetRelativePath($PWD, $folder)):src" }; Tag = 'src'; ReadOnly = $false }
        @{ What = 'a path with a tag, read-only'; Make = { "${folder}:src:ro" }; Tag = 'src'; ReadOnly = $true }
        @{ What = 'a path with a tag, to be written'; Make = { "${folder}:src:rw" }; Tag = 'src'; ReadOnly = $false }
        @{ What = 'a path on a drive'; Make = { "TestDrive:/$(Split-Path $folder -Leaf)" }; Tag = 'folder0'; ReadOnly = $false }
        @{ What = 'a folder'; Make = { Get-Item $folder }; Tag = 'folder0'; ReadOnly = $false }
        @{ What = 'a dictionary'; Make = { @{ path = $folder; TAG = 'x'; readonly = $true } }; Tag = 'x'; ReadOnly = $true }
        @{ What = 'a row'; Make = { [pscustomobject] @{ Path = $folder; ReadOnly = $false } }; Tag = 'folder0'; ReadOnly = $false }
    ) {
        $null = Start-Guest one -Memory 32MB -SharedFolder (& $Make)
        $shared = Get-GuestSharedFolder one
        $shared.Tag, $shared.ReadOnly, $shared.Path | Should -Be $Tag, $ReadOnly, $folder
        (Get-Guest one).MachineType | Should -Be virt-1.4
    }

    It 'refuses <Text>' -ForEach @(
        @{ Text = 'a key that there is not'; Given = @{ Pfad = 'x' }; Message = "*found 'Pfad'*" }
        @{ Text = 'owners that there are not'; Given = @{ Path = 'x'; Owners = 'All' }; Message = '*Owners of a shared folder*Host*Root*' }
        @{ Text = 'no path'; Given = @{ Tag = 'x' }; Message = '*its Path*' }
        @{ Text = 'a number'; Given = 7; Message = "*found '7'*" }
    ) {
        (Get-ErrorOf { Start-Guest -Memory 32MB -SharedFolder $Given }).Message | Should -BeLike $Message
        Get-Guest | Should -BeNullOrEmpty
    }

    It 'says what is wrong with a folder' {
        (Get-ErrorOf { Start-Guest -Memory 32MB -SharedFolder "$TestDrive/none" }).Id | Should -Be SharedFolderUnavailable
        (Get-ErrorOf { Start-Guest -Memory 32MB -SharedFolder "$TestDrive/none" -WhatIf }).Id | Should -Be SharedFolderUnavailable
        (Get-ErrorOf { Start-Guest -Memory 32MB -SharedFolder @{ Path = $folder; Tag = 'a b' } }).Id | Should -Be SharedFolderTagInvalid
        (Get-ErrorOf { Start-Guest -Memory 32MB -SharedFolder $folder -MachineType virt-1.2 }).Id | Should -Be GuestSlotsMissing
    }

    It 'gives clones, copies, pools and a restored guest folders by their tags, and warns where one is missing' {
        $null = Start-Guest one -Memory 32MB -SharedFolder "${folder}:src" | Wait-Guest -ForText GUEST-UP -Timeout 60
        $template = Checkpoint-Guest one -Path "$TestDrive/$([guid]::NewGuid())"
        $template.Slots | Should -Be folder:src
        (Get-ErrorOf { Start-Guest -Template $template -SharedFolder "${folder}:other" }).Id | Should -Be TemplateFolderMissing
        $other = (New-Item "$TestDrive/$([guid]::NewGuid())" -ItemType Directory).FullName
        $clones = @(Start-Guest -Template $template -Count 2 -SharedFolder $other) + @(Copy-Guest one) + @(Restore-Guest $template other -SharedFolder "${other}:src")
        $null = New-GuestPool $template -Name pool -Size 1 -SharedFolder (Get-GuestSharedFolder one)
        $clones += Start-Guest -Pool pool
        ($clones | Get-GuestSharedFolder).Path | Should -Be $other, $other, $folder, $other, $folder
        ($clones | Get-GuestSharedFolder).Tag | Should -Be (@('src') * 5)
        $bare = Start-Guest -Template $template
        ($bare | Get-GuestSharedFolder).Path | Should -BeNullOrEmpty
        ($bare | Add-GuestSharedFolder -SharedFolder $other).Path | Should -Be $other
    }
}
