# tests/guests/get-linux.sh with stand-ins for apt and dpkg-deb: what it says while it works.
BeforeAll {
    $script:get = [IO.Path]::GetFullPath([IO.Path]::Combine($PSScriptRoot, '..', 'guests', 'get-linux.sh'))
    $null = [IO.Directory]::CreateDirectory("$TestDrive/bin")
    $tools = @{
        'apt-get'   = @'
#!/bin/bash
case "$*" in
    *--print-uris*) echo "'http://user:secret@packages.example.org:8081/debian/dists/trixie/InRelease' x 0" ;;
    *"$FAIL_AT"*)
        echo "E: Failed to fetch http://user:secret@packages.example.org:8081/debian/x  Could not connect to packages.example.org:8081" >&2
        exit 100 ;;
    *update*) echo 'dlstatus:1:50:Retrieving file 1 of 2' >&3 ;;
    *download*)
        for percent in 0 10.5 30.25 60 100; do echo "dlstatus:1:$percent:Retrieving file 1 of 1" >&3; done
        touch "${@: -1}_1_riscv64.deb" ;;
esac
'@
        'apt-cache' = @'
#!/bin/bash
case "$*" in
    *linux-image-riscv64) echo 'Depends: linux-image-6.12.117+deb13-riscv64 (= 1)' ;;
    *) echo 'Size: 112345678' ;;
esac
'@
        'dpkg-deb'  = @'
#!/bin/bash
root=$(mktemp -d)
modules=$root/usr/lib/modules/6/kernel/drivers
mkdir -p "$root"/usr/bin "$root"/boot "$root"/usr/lib/riscv64-linux-gnu/opensbi/generic "$modules"/virtio
echo x | tee "$modules"/virtio/virtio_{mmio,blk,balloon,net}.ko.xz "$modules"/{virtio-rng,failover,net_failover,netfs,9pnet,9pnet_virtio,9p}.ko.xz >/dev/null
echo x | tee "$root"/usr/bin/busybox "$root"/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_{jump.elf,dynamic.bin} >/dev/null
printf '%56sRSC' >"$root/boot/vmlinux-6"
tar -c -C "$root" .
rm -r "$root"
'@
    }
    foreach ($tool in $tools.Keys) {
        [IO.File]::WriteAllText("$TestDrive/bin/$tool", $tools[$tool].Replace("`r", ''))
        chmod +x "$TestDrive/bin/$tool"
    }

    # What it says, and how it ends; on a terminal of its own when asked.
    function Get-Linux([string] $folder, [string] $failAt = 'nothing fails', [switch] $onTerminal) {
        $more = "PATH='$TestDrive/bin':`$PATH FAIL_AT='$failAt' '$get' '$TestDrive/$folder'"
        if (-not $onTerminal) {
            $said = (bash -c "$more 2>&1") -join "`n"
        }
        else {
            # From the file that script writes: PowerShell would take the carriage returns for ends of lines.
            $null = script -qec "bash -c `"$more`"" "$TestDrive/typescript"
            $said = [IO.File]::ReadAllText("$TestDrive/typescript")
        }

        @{ Text = $said; ExitCode = $LASTEXITCODE }
    }
}

Describe 'get-linux.sh' {
    BeforeEach {
        if (-not (Get-Command cpio -ErrorAction Ignore) -or -not (Test-Path /usr/share/keyrings/debian-archive-keyring.*)) {
            Set-ItResult -Skipped -Because 'it needs cpio and the keys of Debian''s archive'
        }
    }

    It 'says what it downloads and how far it is, in plain lines' {
        $said = Get-Linux plain
        $said.ExitCode | Should -Be 0 -Because $said.Text
        $said.Text | Should -Match '(?m)^get-linux.sh: get linux-image-6.12.117\+deb13-riscv64, 113 MB \(2 of 3\)$'
        $said.Text | Should -Match '(?m)^get-linux.sh: get linux-image-6.12.117\+deb13-riscv64, 113 MB \(2 of 3\): 50 %$'
        $said.Text | Should -Match "(?m)^get-linux.sh: made $([regex]::Escape("$TestDrive/plain"))`$"
        $said.Text | Should -Not -Match '[\r\e]'
        $said.Text -split "`n" | Where-Object { $_ -notlike 'get-linux.sh: made *' -and $_.Length -gt 79 } | Should -BeNullOrEmpty
        (Get-Linux plain).Text | Should -BeNullOrEmpty -Because 'what is complete needs nothing'
    }

    It 'changes one line on a terminal' {
        if (-not (Get-Command script -ErrorAction Ignore)) {
            Set-ItResult -Skipped -Because 'it needs script, which gives a program a terminal'
        }

        $said = Get-Linux terminal -onTerminal
        $said.Text | Should -Match '\r\e\[Kget-linux.sh: get opensbi, 113 MB \(3 of 3\): 60 %\r\e\[K'
        $said.Text | Should -Match '(?s)list of Debian[^\n]*made ' -Because 'no line is ended before the last'
    }

    It 'names no host when <Step> fails' -ForEach @(
        @{ Step = 'update'; Says = '*no Debian mirror*(tried: 1)*' }
        @{ Step = 'download opensbi'; Says = '*cannot download opensbi*' }
    ) {
        $said = Get-Linux "fails-$($Step.Length)" -failAt $Step
        $said.ExitCode | Should -Be 1
        $said.Text | Should -BeLike $Says
        $said.Text | Should -BeLike '*Failed to fetch the mirror/debian/x*'
        $said.Text | Should -Not -Match 'example|secret|8081'
    }
}
