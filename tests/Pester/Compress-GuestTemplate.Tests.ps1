BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Compress-GuestTemplate' {
    BeforeEach {
        $null = New-TestTemplate "$TestDrive/web"
        foreach ($level in 1..2) {
            $below = $level -eq 1 ? "$TestDrive/web" : "$TestDrive/web-1"
            $clone = Start-Guest -Template $below
            $clone | Send-GuestConsole -Text 'touch 20'
            $clone | Wait-Guest -ForText 'touch: ' -Timeout 60 | Checkpoint-Guest -Path "$TestDrive/web-$level" -Differential | Out-Null
            $clone | Remove-Guest -Force
        }
    }

    AfterEach {
        Clear-PsVm
        Remove-Item "$TestDrive/*" -Recurse -Force
    }

    It 'merges in place what then needs nothing' {
        $before = Get-GuestTemplate "$TestDrive/web-2"
        $merged = Compress-GuestTemplate "$TestDrive/web-2"
        $merged.Id | Should -Be $before.Id
        $merged.Differential | Should -BeFalse
        Remove-GuestTemplate "$TestDrive/web" -Cascade -Confirm:$false
        "$TestDrive/web-1" | Should -Not -Exist
        Test-GuestTemplate $merged -Verify | Should -BeTrue
        Start-Guest -Template $merged | Wait-Guest -ForText 'TICK' -Timeout 60 | Should -Not -BeNullOrEmpty
    }

    It 'merges to a destination, and down to a parent' {
        $merged = Get-GuestTemplate "$TestDrive/web-2" | Compress-GuestTemplate -Destination "$TestDrive/short" -Parent "$TestDrive/web"
        $merged.Parent.Path | Should -Be "$TestDrive/web"
        Test-GuestTemplate "$TestDrive/short", "$TestDrive/web-2" | Should -Be $true, $true
        (Get-ErrorOf { Compress-GuestTemplate "$TestDrive/web-2" "$TestDrive/short" }).Id | Should -Be CheckpointPathInUse
        (Compress-GuestTemplate "$TestDrive/web-2" "$TestDrive/short" -Force).Parent | Should -BeNullOrEmpty
    }

    It 'finds moved parents in given folders' {
        $null = New-Item "$TestDrive/there" -ItemType Directory
        Move-Item "$TestDrive/web", "$TestDrive/web-1" "$TestDrive/there"
        (Get-ErrorOf { Compress-GuestTemplate "$TestDrive/web-2" }).Id | Should -Be TemplateParentNotFound
        Test-GuestTemplate "$TestDrive/web-2" | Should -BeFalse
        Test-GuestTemplate "$TestDrive/web-2" -SearchPath "$TestDrive/there" | Should -BeTrue
        (Start-Guest -Template "$TestDrive/web-2" -SearchPath "$TestDrive/there" -Count 2).Count | Should -Be 2
        Restore-Guest "$TestDrive/web-2" -Name back -SearchPath "$TestDrive/there" | Should -Not -BeNullOrEmpty
        try {
            $env:PSVM_TEMPLATE_PATH = "$TestDrive/none:$TestDrive/there"
            Start-Guest -Template "$TestDrive/web-2" -Name again | Should -Not -BeNullOrEmpty
        }
        finally {
            $env:PSVM_TEMPLATE_PATH = $null
        }
        (Compress-GuestTemplate "$TestDrive/web-2" -SearchPath "$TestDrive/there").Parent | Should -BeNullOrEmpty
        Test-GuestTemplate "$TestDrive/web-2" | Should -BeTrue
    }

    It 'changes nothing under -WhatIf, and says what is wrong' {
        Compress-GuestTemplate "$TestDrive/web-2" -WhatIf | Should -BeNullOrEmpty
        (Get-GuestTemplate "$TestDrive/web-2").Differential | Should -BeTrue
        (Get-ErrorOf { Compress-GuestTemplate "$TestDrive/none" -WhatIf }).Id | Should -Be TemplateNotFound
        (Get-ErrorOf { Compress-GuestTemplate "$TestDrive/web-1" -Parent "$TestDrive/web-2" -WhatIf }).Id | Should -Be CompressParentInvalid
        (Get-ErrorOf { Compress-GuestTemplate "$TestDrive/web-1", "$TestDrive/web-2" "$TestDrive/one" }).Id | Should -Be DestinationRepeated
    }

    It 'shows the tree at 80 columns, and refuses to remove what others need' {
        $clones = Start-Guest -Template "$TestDrive/web-2" -Count 3
        $tree = Get-GuestTemplate -Folder $TestDrive -Tree
        $tree.Name | Should -Be web, web-1, web-2
        $tree.Clones | Should -Be 0, 0, 3
        $tree.Depth | Should -Be 0, 1, 2
        $text = $tree | Out-String -Width 80
        $text | Should -Match '(?m)^   └─ web-2 +32 MiB +[\d.]+ KiB +[\d.]+ KiB +3 guest\d+ *$'
        ($text -split [Environment]::NewLine).Length | Measure-Object -Maximum | ForEach-Object Maximum | Should -BeLessThan 80
        $problem = Get-ErrorOf { Remove-GuestTemplate "$TestDrive/web" -Confirm:$false }
        $problem.Id | Should -Be TemplateNeeded
        "$($problem.Message)" | Should -Match "web-2', .*web-1'"
        "$TestDrive/web" | Should -Exist
        Remove-GuestTemplate "$TestDrive/web" -Force -Confirm:$false
        (Get-GuestTemplate -Folder $TestDrive -Tree).IsOrphan | Should -Be $true, $false
        $clones | Get-Guest | Should -HaveCount 3
    }
}
