BeforeAll {
    . "$PSScriptRoot/Common.ps1"

    # A template of Linux whose agent answers, and two clones of it; nothing where there is no Linux guest.
    function Start-AgentFleet {
        $linux = $env:PSVM_LINUX_GUEST
        if (-not ($linux -and (Test-Path "$linux/Image") -and [Text.Encoding]::Latin1.GetString([IO.File]::ReadAllBytes("$linux/initramfs.cpio")).Contains('psvm-agent'))) {
            return $false
        }

        $g = Start-Guest linux -Memory 128MB -MachineType virt-1.4 -Kernel "$linux/Image" -Initrd "$linux/initramfs.cpio" -CommandLine 'console=ttyS0 quiet' |
            Wait-Guest -ForAgent -Timeout 300
        $g.Agent | Should -Be Answers
        $null = $g | Checkpoint-Guest "$TestDrive/agents"
        Remove-Guest linux -Force
        $null = Start-Guest -Template "$TestDrive/agents" -Count 2 -NameFormat 'web-{0}'
        $true
    }
}

Describe 'Invoke-GuestCommand' {
    BeforeAll { $there = Start-AgentFleet }
    AfterAll { Clear-PsVm }
    BeforeEach { if (-not $there) { Set-ItResult -Skipped -Because 'PSVM_LINUX_GUEST names no folder with a Linux guest and an agent' } }

    It 'gives an object for each guest' {
        $results = Invoke-GuestCommand -Guest web-* -Command 'uname -s; echo oh >&2; exit 3'
        $results | Should -BeOfType PsVm.GuestCommandResult
        $results.Guest | Sort-Object | Should -Be web-1, web-2
        $results.StdOut | Should -Be Linux, Linux
        $results.StdErr | Should -Be oh, oh
        $results.ExitCode | Should -Be 3, 3
        $results | Out-String | Should -Match 'web-1 +3 +[0-9.]+ ms Linux +oh'
    }

    It 'takes guests from the pipeline, scripts in braces, arguments and input' {
        $results = Get-Guest web-* | Invoke-GuestCommand -ScriptBlock { echo "$1|$2"; cat } -ArgumentList 'a b', '$HOME' -InputObject 1, 'two'
        $results.StdOut | Should -Be (@("a b|`$HOME`n1`ntwo") * 2)
    }

    It 'runs a script of the host' {
        Set-Content "$TestDrive/s.sh" "echo script`necho `$1"
        (Invoke-GuestCommand web-1 -FilePath "$TestDrive/s.sh" -ArgumentList x).StdOut | Should -Be "script`nx"
        Invoke-GuestCommand web-1 -FilePath "$TestDrive/no.sh" -ErrorVariable problems -ErrorAction SilentlyContinue
        $problems.FullyQualifiedErrorId -replace ',.*' | Should -Be FileReadFailed
    }

    It 'makes errors of exit codes on request' {
        $result = Invoke-GuestCommand web-1 'echo why >&2; false' -FailOnExitCode -ErrorVariable problems -ErrorAction SilentlyContinue
        $result.ExitCode | Should -Be 1
        $problems.FullyQualifiedErrorId -replace ',.*' | Should -Be GuestCommandFailed
        "$problems" | Should -Match 'exit code 1: why'
    }

    It 'streams lines with their guest' {
        $lines = Invoke-GuestCommand web-* 'echo one; echo two >&2; printf three' -Stream
        ($lines | Where-Object Guest -EQ web-1) | Sort-Object | Should -Be one, three, two
        $lines | Out-String | Should -Match 'web-1 \| one'
    }

    It 'ends commands that take too long' {
        Invoke-GuestCommand web-1 'sleep 1000' -Timeout 1 -ErrorVariable problems -ErrorAction SilentlyContinue
        $problems.FullyQualifiedErrorId -replace ',.*' | Should -Be GuestCommandTimeout
        (Invoke-GuestCommand web-1 'pidof sleep || echo none').StdOut | Should -Be none
    }

    It 'makes each clone of Start-Guest -Identity one of its own' {
        $clones = Start-Guest -Template "$TestDrive/agents" -Count 2 -NameFormat 'id-{0}' -Identity @{ HostName = 'host-{0:d2}'; MachineId = $true; Script = { echo $1 >/tmp/who } }
        $clones | Wait-Guest -ForAgent -Timeout 60 | ForEach-Object IdentityState | Should -Be Applied, Applied
        $results = $clones | Invoke-GuestCommand -Command 'hostname; cat /etc/machine-id /tmp/who' | Sort-Object Guest
        $results.StdOut | Should -Be @("host-01`n$($clones[0].Uuid.ToString('n'))`nhost-01", "host-02`n$($clones[1].Uuid.ToString('n'))`nhost-02")
        $clones | Remove-Guest -Force
        (Get-ErrorOf { Start-Guest -Template "$TestDrive/agents" -Identity @{ HostName = 'a b' } }).Id | Should -Be GuestIdentityInvalid
        { Start-Guest -Template "$TestDrive/agents" -Identity @{ Hostnme = 'a' } } | Should -Throw '*HostName*'
    }

    It 'does nothing under -WhatIf' {
        Invoke-GuestCommand web-1 'touch /tmp/whatif' -WhatIf | Should -BeNullOrEmpty
        (Invoke-GuestCommand web-1 'test -e /tmp/whatif').ExitCode | Should -Be 1
    }

    It 'runs as a job' {
        $results = Invoke-GuestCommand web-* 'echo job' -AsJob | Receive-Job -Wait -AutoRemoveJob
        $results.StdOut | Should -Be job, job
    }

    It 'copies files both ways' {
        $bytes = [byte[]]::new(100000)
        [Random]::new(3).NextBytes($bytes)
        [IO.File]::WriteAllBytes("$TestDrive/in.bin", $bytes)
        $copies = Copy-GuestItem "$TestDrive/in.bin" web-*:/tmp/
        $copies.Bytes | Should -Be 100000, 100000
        $null = New-Item -ItemType Directory "$TestDrive/back"
        $copy = Copy-GuestItem web-2:/tmp/in.bin "$TestDrive/back"
        $copy.HostPath | Should -Be "$TestDrive/back/in.bin"
        (Get-FileHash "$TestDrive/back/in.bin").Hash | Should -Be (Get-FileHash "$TestDrive/in.bin").Hash
    }

    It 'copies folders both ways, and goes into those that are there' {
        $null = New-Item -ItemType Directory "$TestDrive/site/a b", "$TestDrive/fetched"
        Set-Content "$TestDrive/site/a b/it's" 'text'
        $null = New-Item -ItemType SymbolicLink "$TestDrive/site/link" -Target 'a b'
        $copies = Copy-GuestItem "$TestDrive/site" web-*:/tmp/ -Recurse
        $copies.Items | Should -Be 4, 4
        $copies.GuestPath | Should -Be '/tmp/site', '/tmp/site'
        $copy = Copy-GuestItem web-2:/tmp/site/ "$TestDrive/fetched" -Recurse
        $copy.HostPath | Should -Be "$TestDrive/fetched/site"
        Get-Content "$TestDrive/fetched/site/a b/it's" | Should -Be text
        (Get-Item "$TestDrive/fetched/site/link").LinkTarget | Should -Be 'a b'
        (Copy-GuestItem web-2:/proc/version "$TestDrive/fetched" -Recurse).Items | Should -Be 1

        $null = Invoke-GuestCommand web-1 'mkfifo /tmp/site/pipe'
        $null = Copy-GuestItem web-1:/tmp/site "$TestDrive/again" -Recurse -WarningVariable warned -WarningAction SilentlyContinue
        "$warned" | Should -BeLike "*'web-1'*'pipe'*"
    }

    It 'says what cannot be copied: <From> to <To>' -ForEach @(
        @{ From = './a'; To = './b'; Id = 'CopyPathInvalid' }
        @{ From = 'web-1:/a'; To = 'web-2:/b'; Id = 'CopyPathInvalid' }
        @{ From = 'web-*:/etc/x'; To = './b'; Id = 'CopyPathInvalid' }
        @{ From = 'web-1:/tmp/'; To = './b'; Id = 'CopyPathInvalid' }
        @{ From = 'nope:/tmp/a'; To = './b'; Id = 'GuestNotFound' }
        @{ From = 'web-1:/no/such'; To = './b'; Id = 'GuestAgentRefused' }
        @{ From = './no-such'; To = 'web-1:/tmp/'; Id = 'GuestCopyFailed' }
    ) {
        Copy-GuestItem $From $To -ErrorVariable problems -ErrorAction SilentlyContinue
        $problems.FullyQualifiedErrorId -replace ',.*' | Should -Be $Id
    }

    It 'gives copies, and clones of a pool, an identity' {
        $copies = Copy-Guest web-1 -Count 2 -NameFormat 'copy-{0}' -Identity @{ HostName = 'c{0:d2}' } | Wait-Guest -ForAgent -Timeout 60
        (Invoke-GuestCommand copy-* hostname | Sort-Object Guest).StdOut | Should -Be c01, c02
        $copies | Remove-Guest -Force
        $null = New-GuestPool "$TestDrive/agents" -Name held -Size 1 -Grow -Identity @{ HostName = 'held-{0}' }
        $taken = Start-Guest -Pool held -Count 2 -NameFormat 'taken-{0}' | Wait-Guest -ForAgent -Timeout 60
        (Invoke-GuestCommand taken-* hostname | Sort-Object Guest).StdOut | Should -Be held-1, held-2
        $taken | Remove-Guest -Force
        Remove-GuestPool held -Confirm:$false
        (Get-ErrorOf { New-GuestPool "$TestDrive/agents" -Name no -Identity @{ HostName = 'a b' } }).Id | Should -Be GuestIdentityInvalid
        (Get-ErrorOf { New-GuestPool "$TestDrive/agents" -Name no -Identity @{ HostName = '{1}' } }).Id | Should -Be NameFormatInvalid
    }

    It 'shows the network' {
        $null = Invoke-GuestCommand web-1 'ip link set lo up'
        $lo = Get-GuestNetwork web-1 | Where-Object Name -EQ lo
        "$($lo.Addresses)" | Should -Match '127.0.0.1/8'
        $lo | Out-String | Should -Match 'web-1 +lo .*127.0.0.1/8'
    }

    It 'sets the clock of clones' {
        $guest = Get-Guest web-1
        for ($i = 0; -not $guest.ClockSetAt -and $i -lt 300; $i++) { Start-Sleep -Milliseconds 100 }
        $guest | Format-List | Out-String | Should -Match '(?s)Agent +: Answers.*ClockSetAt'
        $now = [DateTimeOffset]::UtcNow.ToUnixTimeSeconds()
        [long](Invoke-GuestCommand web-1 'date +%s').StdOut | Should -BeGreaterOrEqual ($now - 1)
    }
}

Describe 'A guest without an agent' {
    AfterAll { Clear-PsVm }

    It 'is told how to get one' {
        $null = Start-Guest old -Memory 32MB
        $quiet = @{ ErrorAction = 'SilentlyContinue'; ErrorVariable = '+problems' }
        Invoke-GuestCommand old true @quiet
        Get-GuestNetwork old @quiet
        Copy-GuestItem old:/a ./b @quiet
        $problems.FullyQualifiedErrorId -replace ',.*' | Should -Be (@('GuestAgentMissing') * 3)
        $problems.ErrorDetails.RecommendedAction | Should -Match 'virt-1.4.*apt install qemu-guest-agent'
    }
}
