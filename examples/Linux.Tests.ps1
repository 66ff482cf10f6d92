<#
.SYNOPSIS
A Pester suite of 100 tests, each on a Linux machine of its own.

.DESCRIPTION
Boots Debian's kernel once and makes a template of it; Use-Guest gives each test a fresh clone whose agent answers, and removes it afterwards. What a
test breaks is no other test's. Needs a guest with an agent, as tests/guests/get-linux.sh makes it.

.EXAMPLE
tests/guests/get-linux.sh ./output/linux-guest; Invoke-Pester ./examples/Linux.Tests.ps1

.EXAMPLE
Invoke-Pester -Container (New-PesterContainer ./examples/Linux.Tests.ps1 -Data @{ Linux = './guest' })

Takes the guest in another folder.
#>
[CmdletBinding()]
param(
    # The folder that get-linux.sh has made; PSVM_LINUX_GUEST or output/linux-guest when not given.
    [string] $Linux = $env:PSVM_LINUX_GUEST ? $env:PSVM_LINUX_GUEST : [IO.Path]::Combine($PSScriptRoot, '..', 'output', 'linux-guest')
)

BeforeAll {
    if (-not (Get-Module PsVm)) {
        Import-Module ([IO.Path]::Combine($PSScriptRoot, '..', 'output', 'PsVm'))
    }

    $boot = @{ Kernel = "$Linux/Image"; Initrd = "$Linux/initramfs.cpio"; CommandLine = 'console=ttyS0 quiet'; MachineType = 'virt-1.4' }
    $booted = Start-Guest -Memory 128MB @boot | Wait-Guest -ForAgent -Timeout 300
    $template = $booted | Checkpoint-Guest "$TestDrive/template"
    $booted | Remove-Guest -Force
}

Describe 'A machine of its own' {
    It 'has what its test wrote, and nothing else: <_>' -ForEach (1..100) {
        Use-Guest $template -ForAgent {
            param($guest)
            Invoke-GuestCommand $guest "echo $_ > /tmp/test-$_; ls /tmp" | ForEach-Object StdOut | Should -Be "test-$_"
        }
    }
}
