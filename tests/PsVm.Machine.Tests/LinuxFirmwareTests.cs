using System.Globalization;
using PsVm.Machine.Tests.Templates;
using PsVm.Memory;

namespace PsVm.Machine.Tests;

/// <summary>What Debian's kernel makes of the built-in SBI.</summary>
public sealed class LinuxFirmwareTests : TemplateTest
{
    private const string Awake = "PM: suspend exit";

    [SkippableFact]
    public void It_finds_the_extensions()
    {
        string guest = BootLinux();

        string[] lines = Run(guest, "dmesg | grep -E 'SBI|pmu-sbi' | cut -d']' -f2 | tr '\\n' '|'")
            .Split('|', StringSplitOptions.TrimEntries);

        Assert.Contains("SBI specification v3.0 detected", lines);
        Assert.Contains("suspend: SBI SUSP extension detected", lines);
        Assert.Contains("riscv-pmu-sbi: SBI PMU extension is available", lines);
        Assert.Contains("riscv-pmu-sbi: 16 firmware and 2 hardware counters", lines);
        Assert.Equal("cpu", Run(guest, "ls /sys/bus/event_source/devices | grep '^cpu$'"));
    }

    [SkippableTheory]
    [InlineData(1)]
    [InlineData(2)]
    public void Suspended_to_RAM_it_uses_nothing_and_console_input_wakes_it(int harts)
    {
        string guest = BootLinux(harts);
        Suspend(guest);
        GuestInfo asleep = Host.Get(guest);
        Thread.Sleep(500);
        Assert.Equal((asleep.Instructions, GuestState.Running), (Host.Get(guest).Instructions, Host.Get(guest).State));

        Host.WriteConsole(guest, "\n");

        WaitFor(guest, Awake);
        WaitFor(guest, "back");
        Assert.Equal($"{harts}", Run(guest, "nproc"));
        AssertHostsTime(guest);
    }

    [SkippableFact]
    public void A_clone_of_a_suspended_guest_wakes_and_has_the_hosts_time()
    {
        string guest = BootLinux();
        Suspend(guest);
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("asleep") });
        End(guest);
        Thread.Sleep(3000); // what a clone would be behind with the time that it had

        string clone = Clone(template);

        WaitFor(clone, Awake);
        WaitFor(clone, "back");
        AssertHostsTime(clone);
        Assert.Contains(
            "crng reseeded due to virtual machine fork", Run(clone, "dmesg | grep crng"), StringComparison.Ordinal);
    }

    [SkippableFact]
    public void A_read_only_backend_is_ROM_to_it_and_no_memory()
    {
        const long size = 192 << 20, romSize = 64 << 20;
        LinuxGuest linux = LinuxGuest.GetOrSkip();
        string rom = At("rom");
        using (FileStream file = File.Create(rom))
        {
            file.Write([0x42, 0x10, 0xad, 0xde]);
            file.SetLength(romSize);
        }

        Backends.Create(new MemoryBackendOptions { Id = "ram", Size = size });
        Backends.Create(new MemoryBackendOptions { Id = "rom", Path = rom, Size = romSize, ReadOnly = true });

        string guest = Boot(new GuestOptions
        {
            BackendIds = ["ram", "rom"],
            Kernel = linux.Kernel,
            Initrd = linux.Initrd,
            CommandLine = "console=ttyS0",
        });

        Assert.Equal("mtd-rom", Run(guest, "tr -d '\\0' </proc/device-tree/rom@8c000000/compatible"));
        Assert.Equal("0xDEAD1042", Run(guest, "devmem 0x8c000000 32"));
        long kilobytes = long.Parse(Run(guest, "awk '/MemTotal/ { print $2 }' /proc/meminfo"), CultureInfo.InvariantCulture);
        Assert.InRange(kilobytes, size / 2 >> 10, size >> 10); // the kernel keeps some for itself
    }

    private string BootLinux(int harts = 1)
    {
        LinuxGuest linux = LinuxGuest.GetOrSkip();
        string guest = Boot(new GuestOptions
        {
            Memory = 256 << 20,
            Harts = harts,
            Kernel = linux.Kernel,
            Initrd = linux.Initrd,
            CommandLine = "console=ttyS0",
        });
        Run(guest, "true");
        return guest;
    }

    /// <summary>Suspends it, with its console left on, and waits until no hart has anything to do.</summary>
    private void Suspend(string guest)
    {
        Run(guest, "echo enabled >/sys/class/tty/ttyS0/power/wakeup; echo set");
        Host.WriteConsole(guest, "echo mem >/sys/power/state; echo ba''ck\n");
        Assert.True(SpinWait.SpinUntil(() => Host.IsAsleep(guest), Patience));
        Host.Suspend(guest); // the slice in which it fell asleep is over after it
        Host.Resume(guest);
    }

    private void AssertHostsTime(string guest)
    {
        long earliest = DateTimeOffset.UtcNow.ToUnixTimeSeconds() - 1; // the real-time clock tells whole seconds
        long time = long.Parse(Run(guest, "date +%s"), CultureInfo.InvariantCulture);
        Assert.InRange(time, earliest - 1, DateTimeOffset.UtcNow.ToUnixTimeSeconds() + 1);
    }
}
