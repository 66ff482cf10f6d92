BeforeAll {
    . "$PSScriptRoot/Common.ps1"
    $template = New-TestTemplate "$TestDrive/web"
}

Describe 'Use-Guest' {
    AfterEach { Clear-PsVm }

    It 'gives the script block a clone, its output to the pipeline, and removes the clone' {
        $seen = Use-Guest -Template $template { param($g) $g; (Get-Guest).Name; $g.State }
        $seen[0] | Should -BeOfType PsVm.Guest
        $seen[0].Template | Should -Be $template.Path
        $seen[1] | Should -Be $seen[0].Name
        $seen[2] | Should -Be Running
        Get-Guest | Should -BeNullOrEmpty
    }

    It 'takes a path, a template from the pipeline, arguments, and variables of where the block stands' {
        $here = 'here'
        Use-Guest "$TestDrive/web" { param($g, $a, $b) "$here $a $b" } -ArgumentList 1, $null | Should -Be 'here 1 '
        $template | Use-Guest -ScriptBlock { "args: $($args.Count)" } -ArgumentList 1, 2 | Should -Be 'args: 3'
    }

    It 'takes clones of a pool' {
        $null = New-GuestPool $template -Name tests -Size 1
        $names = 1..2 | ForEach-Object { Use-Guest -Pool tests { param($g) $g.Name } -ErrorAction Ignore }
        $names | Should -Match '.'
        Get-Guest | Should -BeNullOrEmpty
    }

    It 'hands output on as it comes, and the block''s errors as they are' {
        $lines = [Collections.Generic.List[string]]::new()
        Use-Guest $template { 'one'; $lines.Add('after one'); Write-Error 'soft' -ErrorAction Continue; 'two' } 2>&1 | ForEach-Object { $lines.Add("$_") }
        $lines | Should -Be one, 'after one', soft, two
    }

    It 'removes the clone when the block <Case>' -ForEach @(
        @{ Case = 'throws'; Block = { throw 'hard' }; Message = 'hard' }
        @{ Case = 'fails an assertion'; Block = { param($g) $g.State | Should -Be Stopped }; Message = '*but got*Running*' }
        @{ Case = 'runs what is not there'; Block = { param($g) Get-Guest "$g-not" -ErrorAction Stop }; Message = '*none of that name*' }
    ) {
        { Use-Guest $template $Block } | Should -Throw $Message
        Get-Guest | Should -BeNullOrEmpty
    }

    It 'does not mind a clone that the block has removed, renamed or stopped' {
        Use-Guest $template { param($g) $g | Remove-Guest -Force; 'gone' } | Should -Be gone
        Use-Guest $template { param($g) $null = $g | Rename-Guest -NewName other; $null = $g | Stop-Guest -Force; (Get-Guest).Name } | Should -Be other
        Get-Guest | Should -BeNullOrEmpty
    }

    It 'removes the clone when nobody takes more' {
        Use-Guest $template { 1..1000 } | Select-Object -First 1 | Should -Be 1
        Get-Guest | Should -BeNullOrEmpty
    }

    It 'removes the clone on Ctrl+C' {
        Stop-Running "Use-Guest '$TestDrive/web' { Start-Sleep 1000 }" { Get-Guest } | Should -Be Stopped
        Get-Guest | Should -BeNullOrEmpty
    }

    It 'logs its errors, and what became of the clone' {
        Use-Guest $template { 'ran' } -LogPath "$TestDrive/use.log" | Should -Be ran
        $null = Get-ErrorOf { Use-Guest "$TestDrive/none" { 'ran' } -LogPath "$TestDrive/use.log" }
        $lines = Get-Content "$TestDrive/use.log" | ConvertFrom-Json
        $lines | Where-Object level -EQ Error | ForEach-Object category | Should -Be Use-Guest
        "$($lines.message)" | Should -Match 'Guest \S+ started'
    }

    It 'runs no block when there is no agent to wait for, and removes the clone' {
        $script:ran = $false
        (Get-ErrorOf { Use-Guest $template { $script:ran = $true } -ForAgent -Timeout 0.1 }).Id | Should -BeIn GuestAgentMissing, GuestWaitTimeout
        $script:ran | Should -BeFalse
        Get-Guest | Should -BeNullOrEmpty
    }

    It 'runs nothing under -WhatIf, and says what is wrong: <Id>' -ForEach @(
        @{ Id = ''; Command = { Use-Guest $template { 'ran' } -WhatIf } }
        @{ Id = 'TemplateNotFound'; Command = { Use-Guest "$TestDrive/none" { 'ran' } -WhatIf } }
        @{ Id = 'TemplateNotFound'; Command = { Use-Guest "$TestDrive/none" { 'ran' } } }
        @{ Id = 'GuestPoolNotFound'; Command = { Use-Guest -Pool none { 'ran' } } }
    ) {
        (Get-ErrorOf $Command).Id | Should -Be $Id
        (& { try { & $Command } catch { $null } }) | Should -BeNullOrEmpty
    }
}
