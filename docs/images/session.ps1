# What the README's picture of a session shows; docs/Export-Session.ps1 runs it. The module is imported, ./guest holds a Linux kernel.
$linux = @{
    Kernel = './guest/Image'; Initrd = './guest/initramfs.cpio'
    CommandLine = 'console=ttyS0 quiet tick'
}
$guest = Start-Guest web -Memory 256MB @linux
$guest | Wait-Guest -ForText 'TICK 2' -Timeout 120
$guest | Checkpoint-Guest -Path ./templates/web
$took = Measure-Command {
    $fleet = Start-Guest -Template ./templates/web -Count 100 -NameFormat 'web-{0:d3}'
}
"100 Linux guests of 256 MiB started in $([int] $took.TotalMilliseconds) ms"
$fleet | Select-Object -First 3
$own = $fleet | Measure-Guest | Measure-Object OwnBytes -Sum
"Of their 25 GiB they have $([PsVm.ByteSize]::ToText($own.Sum)) for themselves"
$fleet[0].Backends | Format-List Share, EffectiveMode, Reason
$fleet | Export-MemoryMap -Path ./fleet.svg -Duration 0:0:5
