BeforeAll {
    . "$PSScriptRoot/Common.ps1"
    $base = (Get-Module PsVm).ModuleBase
    $socket = "psvm-$PID"
    # pwsh as a dotnet tool runs in the process dotnet.
    $program = [Environment]::ProcessPath
    $library = @(if ([IO.Path]::GetFileNameWithoutExtension($program) -eq 'dotnet') { [IO.Path]::Combine($PSHOME, 'pwsh.dll') })
    $noTmux = -not (Get-Command tmux -CommandType Application -ErrorAction Ignore)

    function Get-Screen { ((tmux -L $socket capture-pane -p) -join "`n").TrimEnd() }

    function Wait-Screen([string] $pattern) {
        $until = [datetime]::UtcNow.AddSeconds(120)
        while ((Get-Screen) -notmatch $pattern) {
            if ([datetime]::UtcNow -gt $until) { throw "Expected $pattern on the screen, found:`n$(Get-Screen)" }
            Start-Sleep -Milliseconds 50
        }
    }

    function Send-Text([string] $text) { tmux -L $socket send-keys -l $text }
    function Send-Key([string] $key) { tmux -L $socket send-keys $key }

    function Enter-Web {
        Send-Text 'cls'
        Send-Key Enter
        Wait-Screen '^READY>$'
        Send-Text 'Enter-GuestConsole web'
        Send-Key Enter
        Wait-Screen "Connected to guest 'web'; Ctrl\+\] leaves"
    }
}

Describe 'Enter-GuestConsole without a terminal' {
    AfterAll { Clear-PsVm }

    It 'refuses, by <_>' -ForEach 'name', 'object', 'pipeline' {
        $how = @{ name = 'Enter-GuestConsole web'; object = 'Enter-GuestConsole $g'; pipeline = '$g | Enter-GuestConsole' }[$_]
        $script = "Import-Module '$base/PsVm.psd1'; `$g = Start-Guest -Name web -Memory 32MB; $how 2>&1 | ForEach-Object FullyQualifiedErrorId"
        # Nothing is piped in: the input of the other process is no terminal, wherever the tests run.
        $null | & $program @library -NoProfile -NonInteractive -Command $script 3>$null | Where-Object { $_ } |
            Select-Object -First 1 | Should -BeLike 'ConsoleNotTerminal,*'
    }

    It 'says that there is no such guest' {
        (Get-ErrorOf { Enter-GuestConsole nope }).Id | Should -Be GuestNotFound
    }
}

Describe 'Enter-GuestConsole in a terminal' {
    BeforeAll {
        if ($noTmux) { return }
        $start = "function prompt { 'READY> ' }; Import-Module '$base/PsVm.psd1'; " +
            '$null = Start-Guest -Name web -Memory 32MB | Wait-Guest -ForText GUEST-UP -Timeout 60'
        Set-Content "$TestDrive/start.ps1" $start
        tmux -L $socket -f /dev/null -u new-session -d -x 80 -y 24 $program @library -NoProfile -NoLogo -NoExit -Command ". '$TestDrive/start.ps1'"
        Wait-Screen 'READY>$'
    }

    AfterAll {
        if (-not $noTmux) { tmux -L $socket kill-server }
    }

    It 'types, and Ctrl+] leaves' {
        if ($noTmux) { Set-ItResult -Skipped -Because 'tmux is not installed'; return }
        Enter-Web
        Send-Text 'touch 3'
        Send-Key Enter
        Wait-Screen 'touch: pages=3'
        Send-Key 'C-]'
        Wait-Screen '(?s)pages=3.*READY>$'
    }

    It 'leaves a prompt that is whole after a hostile guest' {
        if ($noTmux) { Set-ItResult -Skipped -Because 'tmux is not installed'; return }
        Enter-Web
        # The embedded guest prints what it does not know: questions to the terminal, a scroll region, the line drawing set, no cursor.
        Send-Text "`e[5n`e[6n`e[c`e[3;5r`e(0`e[?25l`e[?1003h`e[6n"
        Send-Key Enter
        # The letters are lines by now; that the terminal has taken it all, its mouse mode tells.
        $until = [datetime]::UtcNow.AddSeconds(120)
        while ((tmux -L $socket display-message -p '#{mouse_any_flag}') -ne '1' -and [datetime]::UtcNow -lt $until) { Start-Sleep -Milliseconds 50 }
        tmux -L $socket display-message -p '#{mouse_any_flag} #{cursor_flag}' | Should -Be '1 0'
        Send-Key 'C-]'
        Wait-Screen '(?m)^READY>$'
        Send-Text '"who" + "le"'
        Send-Key Enter
        Wait-Screen '(?m)^READY> "who" \+ "le"\n^whole$'
        tmux -L $socket display-message -p '#{mouse_any_flag} #{cursor_flag}' | Should -Be '0 1'
    }

    It 'ends when the guest stops' {
        if ($noTmux) { Set-ItResult -Skipped -Because 'tmux is not installed'; return }
        Enter-Web
        # Ends the line in which the terminal's answers to the hostile guest stand.
        Send-Key Enter
        Send-Text 'off'
        Send-Key Enter
        Wait-Screen "(?s)Guest 'web' has stopped\..*READY>$"
    }
}
