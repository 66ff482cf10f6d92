#!/usr/bin/env pwsh

<#
.SYNOPSIS
Makes a Debian machine, a template of it, and clones that serve HTTP.

.DESCRIPTION
Makes a root image of Debian trixie for riscv64 out of Debian's packages, has a guest install them, boots it from that disk, installs a web
server with apt inside it, makes a template of it, and starts clones, each with a host name, machine-id and SSH host keys of its own and a
port of the host's. Shows what each clone answers, and the time of each step. What is made stays in Path for the next time, and what is
there is not made again; the clones end with the script, unless they are to be kept.

Needs apt with a Debian mirror, dpkg-deb, cpio, mkfs.ext4 and passt, and no privileges: the packages come through the machine's own apt
configuration (tests/guests/debian.sh), files get their owners in the guest, and mkfs.ext4 fills the image without mounting it.

.EXAMPLE
examples/Build-Debian.ps1

Makes all of it in output/debian.

.EXAMPLE
examples/Build-Debian.ps1 -NoNetwork

Makes a Debian without a web server, and asks the clones' agents who they are.

.EXAMPLE
examples/Build-Debian.ps1 -Path /srv/debian -Size 4G -Clones 3 -Keep
#>
[CmdletBinding()]
param(
    # Where kernel, image and template go.
    [string] $Path = [IO.Path]::Combine($PSScriptRoot, '..', 'output', 'debian'),

    # Size of the root disk, which takes no more room on the host than is written.
    [ValidatePattern('^\d+[MG]$')]
    [string] $Size = '2G',

    # Number of clones.
    [ValidateRange(1, 1000)]
    [int] $Clones = 10,

    # RAM of the machine and of each clone.
    [string] $Memory = '512MB',

    # The first clone's port of the host; the others have those behind it.
    [ValidateRange(1024, 64000)]
    [int] $Port = 8081,

    # Guests have no network, so that passt is not needed: nothing is installed by apt, and who a clone is its agent says.
    [switch] $NoNetwork,

    # The clones stay; Get-Guest -Label example=debian | Remove-Guest ends them.
    [switch] $Keep
)

$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $true
if (-not (Get-Module PsVm)) {
    Import-Module ([IO.Path]::Combine($PSScriptRoot, '..', 'output', 'PsVm'))
}

$tools = @{ 'apt-get' = 'apt'; 'dpkg-deb' = 'dpkg'; cpio = 'cpio'; 'mkfs.ext4' = 'e2fsprogs' }
if (-not $NoNetwork) { $tools.passt = 'passt' }
$missing = @($tools.GetEnumerator().Where{
    -not (Get-Command $_.Key -CommandType Application -ErrorAction Ignore) -and -not (Test-Path "/usr/sbin/$($_.Key)")
})
if ($missing) {
    throw "Expected the tools of this example, found that $($missing.Key -join ', ') are missing: apt install $($missing.Value -join ' ')"
}

$null = New-Item -ItemType Directory -Force $Path
$Path = (Get-Item $Path).FullName
$first, $base = "$Path/root.first", "$Path/root.base"
$root, $template = ($NoNetwork ? ($base, "$Path/template.alone") : ("$Path/root.img", "$Path/template"))
$network = $NoNetwork ? @{} : @{ Network = @{ Backend = 'Passt' } }
$machine = @{
    MachineType = 'virt-1.4'
    Memory      = $Memory
    Kernel      = "$Path/Image"
    Initrd      = "$Path/initramfs.cpio"
}
$arguments = 'console=ttyS0 quiet net.ifnames=0'
$own = @{ example = 'debian'; run = "$([Guid]::NewGuid())" }
$times = [Collections.Generic.List[object]]::new()

function Measure-Step([string] $name, [scriptblock] $step) {
    Write-Verbose $name
    $clock = [Diagnostics.Stopwatch]::StartNew()
    & $step
    $times.Add([pscustomobject]@{ Step = $name; Seconds = [Math]::Round($clock.Elapsed.TotalSeconds, 1) })
}

# Runs a line of the guest's shell; that it fails is an error.
function Invoke-In([object] $guest, [string] $command) {
    $result = Invoke-GuestCommand $guest $command -FailOnExitCode -Timeout 15m
    Write-Verbose $result.StdOut
}

# A guest that powers itself off, and has its disk written then.
function Complete-Guest([object] $guest) {
    $null = $guest | Wait-Guest -State Stopped -Timeout 5m
    $guest | Remove-Guest -Force
}

try {
    # Each step that is done leaves an image of another name; one that was broken off can be done again.
    if (-not (Test-Path $base)) {
        if (-not (Test-Path $first)) {
            Measure-Step 'get and unpack packages' {
                $packages = 'systemd-sysv', 'udev', 'ifupdown', 'dhcpcd-base', 'iproute2', 'openssh-server', 'qemu-guest-agent'
                & "$PSScriptRoot/debian/make-root.sh" $Path $Size @packages
            }
        }

        Measure-Step 'install them in a guest' {
            $guest = Start-Guest @machine -CommandLine "$arguments init=/second-stage" -Disk $first -Label $own -NoReboot
            $null = $guest | Wait-Guest -ForPattern 'SECOND-STAGE (done|failed)|ROOT-FAILED' -Timeout 2h
            $said = Receive-GuestConsole $guest -All
            if ("$said" -notmatch 'SECOND-STAGE done') {
                throw "Expected the packages to install themselves, found:`n$($said | Select-Object -Last 30 | Out-String)"
            }

            Complete-Guest $guest
            Move-Item $first $base
        }
    }

    if (-not (Test-Path $root)) {
        Measure-Step 'boot, apt install lighttpd, power off' {
            # It writes an image of its own: clones read that, and their template has what was written since.
            & cp --sparse=always $base "$root.new"
            $guest = Start-Guest @machine @network -CommandLine $arguments -Disk "$root.new" -Label $own
            $guest = $guest | Wait-Guest -ForAgent -Timeout 10m
            Invoke-In $guest 'DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends lighttpd'
            Invoke-In $guest 'apt-get clean'
            $null = Invoke-GuestCommand $guest 'systemctl poweroff --no-block'
            Complete-Guest $guest
            Move-Item "$root.new" $root
        }
    }

    $disk = @{ Path = $root; Name = 'root'; Overlay = 'Memory' }
    if (-not (Test-GuestTemplate $template)) {
        $guest = Measure-Step 'boot' {
            $guest = Start-Guest @machine @network -CommandLine $arguments -Disk $disk -Label $own
            $guest = $guest | Wait-Guest -ForAgent -Timeout 10m
            Invoke-In $guest 'systemctl is-system-running --wait || systemctl --failed --no-legend'
            $guest
        }

        Measure-Step 'make a template' {
            $null = $guest | Checkpoint-Guest -Path $template -Force
            $guest | Remove-Guest -Force
        }
    }

    # What a clone serves: who it is.
    $page = { mkdir -p /var/www/html; printf '%s %s\n' "$(hostname)" "$(cat /etc/machine-id)" > /var/www/html/index.html }
    $fleet = [Collections.Generic.List[object]]::new()
    Measure-Step "start $Clones clones" {
        foreach ($number in 1..$Clones) {
            $name = 'debian-{0:d2}' -f $number
            $who = @{ HostName = $name; MachineId = $true; SshHostKeys = $true; Script = $page }
            if (-not $NoNetwork) { $network.Network.Forward = "$($Port + $number - 1):80" }
            $fleet.Add((Start-Guest -Template $template -Name $name -Disk $disk @network -Identity $who -Label $own))
        }
    }

    Measure-Step 'until all are who they are to be' {
        $null = $fleet | Wait-Guest -ForAgent -Timeout 10m
    }

    $rows = foreach ($number in 1..$Clones) {
        $guest, $at = $fleet[$number - 1], ($Port + $number - 1)
        $clock = [Diagnostics.Stopwatch]::StartNew()
        $answer = $NoNetwork ? (Invoke-GuestCommand $guest 'cat /var/www/html/index.html').StdOut
            : (Invoke-WebRequest "http://127.0.0.1:$at/" -MaximumRetryCount 30 -RetryIntervalSec 1 -TimeoutSec 30).Content
        $elapsed = $clock.Elapsed
        $hostName, $machineId = "$answer".Trim() -split ' '
        $before = [DateTimeOffset]::UtcNow
        $there = [DateTimeOffset]::FromUnixTimeMilliseconds([long](Invoke-GuestCommand $guest 'date +%s%3N').StdOut)
        $middle = $before + ([DateTimeOffset]::UtcNow - $before) / 2
        [pscustomobject]@{
            Guest        = $guest.Name
            Port         = $NoNetwork ? $null : $at
            HostName     = $hostName
            MachineId    = $machineId
            'Clock, ms'  = [int]($there - $middle).TotalMilliseconds
            'Answer, ms' = [int]$elapsed.TotalMilliseconds
        }
    }

    $rows | Format-Table -AutoSize
    $distinct = foreach ($column in 'HostName', 'MachineId') { @($rows.$column | Sort-Object -Unique).Count }
    "$Clones clones: $($distinct[0]) host names, $($distinct[1]) machine-ids"
    $times | Format-Table -AutoSize
}
finally {
    if (-not $Keep) {
        Get-Guest -Label "run=$($own.run)" | Remove-Guest -Force
    }
}
