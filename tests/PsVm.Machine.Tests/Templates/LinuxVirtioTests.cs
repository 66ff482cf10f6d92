using PsVm.Memory.Options;

namespace PsVm.Machine.Tests.Templates;

/// <summary>Debian's drivers on the virtio devices.</summary>
public sealed class LinuxVirtioTests : TemplateTest
{
    private const string Random = "head -c 16 /dev/hwrng | od -An -tx1 | tr -d ' '";

    [SkippableFact]
    public void The_kernel_and_its_clones_have_random_bytes_of_their_own()
    {
        string guest = BootOrSkip();
        Assert.StartsWith("virtio_rng", Run(guest, "cat /sys/class/misc/hw_random/rng_current"), StringComparison.Ordinal);
        List<string> random = [.. Enumerable.Range(0, 4).Select(_ => Run(guest, Random))];
        Assert.Equal("1000000", Run(guest, "head -c 1000000 /dev/hwrng | wc -c"));
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t") });

        // What was asked of the device before, and not taken yet, is in the template's RAM; behind that each clone is on its own.
        string[] clones = [.. Enumerable.Range(0, 4).Select(_ => Clone(template))];
        random.AddRange(clones.Select(clone => Run(clone, $"head -c 4096 /dev/hwrng >/dev/null; {Random}")));
        random.Add(Run(guest, Random));

        Assert.All(random, bytes => Assert.Matches("^[0-9a-f]{32}$", bytes));
        Assert.Equal(random.Distinct(), random);
        Assert.Equal("", Complaints(clones[0]));
    }

    [SkippableTheory]
    [InlineData("virt-1.3", false)]
    [InlineData("virt-1.4", true)]
    public void The_kernel_counts_on_new_pages_without_a_fence_where_the_machine_says_so(string machineType, bool knows)
    {
        string guest = BootOrSkip(machineType);

        Assert.Equal(knows ? "yes" : "no", Run(guest, "grep -q _svvptc /proc/cpuinfo && echo yes || echo no"));
        Assert.Equal("8388608", Run(guest, "head -c 8388608 /dev/zero >/tmp/x; wc -c </tmp/x"));
        Assert.Equal("", Complaints(guest));
    }

    [SkippableFact]
    public void A_driver_can_leave_and_come_again()
    {
        string guest = BootOrSkip();

        Assert.Equal("", Run(guest, "for i in 1 2 3; do rmmod virtio_rng && insmod /modules/virtio-rng.ko.xz; done"));

        Assert.Matches("^[0-9a-f]{32}$", Run(guest, Random));
    }

    [SkippableFact]
    public void The_kernel_has_the_port_of_the_agent_and_so_do_clones_and_their_next_boot()
    {
        const string Names = "cat /sys/class/virtio-ports/*/name";
        string guest = BootOrSkip();
        Assert.Equal("org.qemu.guest_agent.0", Run(guest, Names));
        string clone = Clone(Make(guest, new CheckpointOptions { Path = At("t") }));

        Assert.Equal("org.qemu.guest_agent.0", Run(clone, Names));
        Host.Reset(clone);
        Assert.Equal("org.qemu.guest_agent.0", Run(clone, Names));
        Assert.Equal("", Complaints(clone, "virtio_console.*(rror|ail)"));
    }

    private string BootOrSkip(string machineType = MachineTypes.WithSlots)
    {
        LinuxGuest linux = LinuxGuest.GetOrSkip();
        string modules = Path.Combine(Path.GetDirectoryName(linux.Kernel)!, "modules");
        Skip.IfNot(Directory.Exists(modules), $"no {modules}: tests/guests/get-linux.sh fetches them");
        return Boot(new GuestOptions
        {
            Memory = 128 << 20, Kernel = linux.Kernel, Initrd = linux.Initrd, CommandLine = "console=ttyS0 quiet",
            MachineType = machineType,
        });
    }
}
