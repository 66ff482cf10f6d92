BeforeAll { . "$PSScriptRoot/Common.ps1" }

Describe 'Optimize-GuestTemplate' {
    BeforeAll { $template = New-TestTemplate "$TestDrive/web" }
    AfterEach {
        Clear-PsVm
        Remove-Item "$TestDrive/.web.working-set" -Force -ErrorAction Ignore
    }

    It 'records beside a template what a clone of it touches, and leaves no clone' {
        $set = $template | Optimize-GuestTemplate -Duration 0.1
        $set | Should -BeOfType PsVm.TemplateWorkingSet
        $set.Path | Should -Be "$TestDrive/.web.working-set"
        $set.Template | Should -Be $template.Path
        $set.Bytes | Should -BeGreaterOrEqual 4096
        (Get-ChildItem $TestDrive -Hidden).Name | Should -Contain .web.working-set
        Get-Guest | Should -BeNullOrEmpty
        Test-GuestTemplate "$TestDrive/web" -Verify | Should -BeTrue
        $null = Start-Guest -Template "$TestDrive/web" | Wait-Guest -ForText TICK -Timeout 60
    }

    It 'records what a clone has touched by now, which has done its first work' {
        $clone = Start-Guest -Template "$TestDrive/web"
        $early = Optimize-GuestTemplate -Guest $clone
        $null = $clone | Send-GuestConsole 'touch 2000' -Pattern 'touch: pages' -Timeout 60
        (Optimize-GuestTemplate -Guest $clone.Name).Bytes | Should -BeGreaterThan $early.Bytes
        $clone.State | Should -Be Running
    }

    It 'goes with its template' {
        Copy-Item "$TestDrive/web" "$TestDrive/gone" -Recurse
        $null = Optimize-GuestTemplate "$TestDrive/gone" -Duration 0
        "$TestDrive/.gone.working-set" | Should -Exist
        Remove-GuestTemplate "$TestDrive/gone" -Confirm:$false
        "$TestDrive/.gone.working-set" | Should -Not -Exist
    }

    It 'records nothing under -WhatIf and finds out what is wrong' {
        Optimize-GuestTemplate "$TestDrive/web" -WhatIf | Should -BeNullOrEmpty
        "$TestDrive/.web.working-set" | Should -Not -Exist
        foreach ($whatIf in $true, $false) {
            (Get-ErrorOf { Optimize-GuestTemplate "$TestDrive/none" -WhatIf:$whatIf }).Id | Should -Be TemplateNotFound
        }

        $web = Start-Guest web -Memory 32MB
        (Get-ErrorOf { Optimize-GuestTemplate -Guest $web }).Id | Should -Be WorkingSetNotClone
        (Get-ErrorOf { Optimize-GuestTemplate -Guest none }).Id | Should -Be GuestNotFound
    }

    It 'says when it cannot be written' {
        $null = New-Item "$TestDrive/.web.working-set/full" -ItemType Directory
        try { (Get-ErrorOf { Optimize-GuestTemplate "$TestDrive/web" -Duration 0 }).Id | Should -Be WorkingSetUnwritable }
        finally { Remove-Item "$TestDrive/.web.working-set" -Recurse -Force }
    }
}
