using PsVm.Memory;
using Xunit.Abstractions;

namespace PsVm.Machine.Tests.Templates;

/// <summary>Clones of a Linux guest.</summary>
public sealed class LinuxCloneTests(LinuxTemplate linux, ITestOutputHelper output) : TemplateTest, IClassFixture<LinuxTemplate>
{
    private const int Clones = 100;
    private const int Asked = 8;

    [SkippableFact]
    public void Clones_read_different_random_bytes_show_the_hosts_time_and_leave_the_template_as_it_is()
    {
        GuestTemplate template = linux.GetOrSkip();
        string before = Sha256(template.RamBlocks.Single().File);

        string[] clones = [.. Enumerable.Range(0, Clones).Select(_ => Clone(template))];
        output.WriteLine(
            $"start latency, median of {Clones}: {Median(clones.Select(clone => Host.Get(clone).StartLatency.TotalMilliseconds)):f2} ms");
        output.WriteLine($"own memory, median of {Clones}: {Median(clones.Select(clone => Ram(clone).Measure().Own / 1024.0)):f0} KiB");

        // The shell reads the first itself, which makes no process: from all of them. Both come from the same pool.
        string[] uuids = [.. clones.Select(clone => Run(clone, "read -r x </proc/sys/kernel/random/uuid; echo $x"))];
        string[] random = [.. clones[..Asked].Select(clone => Run(clone, "head -c 16 /dev/urandom | od -An -tx1 | tr -d ' '"))];
        output.WriteLine(
            $"own memory after a command, median of {Clones}: {Median(clones.Select(clone => Ram(clone).Measure().Own / 1024.0)):f0} KiB");

        Assert.All(random, bytes => Assert.Matches("^[0-9a-f]{32}$", bytes));
        Assert.All(uuids, uuid => Assert.True(Guid.TryParse(uuid, out _), uuid));
        Assert.Equal((Asked, Clones), (random.Distinct().Count(), uuids.Distinct().Count()));
        Assert.Equal(Clones, clones.Select(clone => Host.Get(clone).GenerationId).Distinct().Count());
        Assert.Equal(Clones, clones.Select(clone => Host.Get(clone).Uuid).Distinct().Count());
        Assert.InRange(
            long.Parse(Run(clones[0], "cat /sys/class/rtc/rtc0/since_epoch"), null), DateTimeOffset.UtcNow.ToUnixTimeSeconds() - 60,
            DateTimeOffset.UtcNow.ToUnixTimeSeconds() + 1);
        Assert.DoesNotContain("rcu", Run(clones[0], "dmesg | grep -iE 'stall|lockup|hung' | head -1; echo end"), StringComparison.Ordinal);

        // What is written, and what is discarded, in one clone is its own.
        Assert.Equal("1000000", Run(clones[0], "head -c 1000000 /dev/zero | tr '\\0' x >/tmp/x; wc -c </tmp/x"));
        foreach (string clone in clones)
        {
            Host.Suspend(clone);
            Assert.Equal(1 << 20, Ram(clone).Discard(16 << 20, 1 << 20).BytesAsked);
            End(clone);
        }

        Assert.Equal(before, Sha256(template.RamBlocks.Single().File));
    }

    [SkippableFact]
    public void Guests_restored_with_their_identity_read_the_same_random_bytes_at_first()
    {
        // What makes the test above one that can fail: without a new generation id Linux has no reason to reseed.
        GuestTemplate template = linux.GetOrSkip();
        GuestOptions restore = new() { Template = template.Path, KeepIdentity = true };

        string[] restored = [Clone(restore), Clone(restore)];

        Assert.Single(restored.Select(guest => Host.Get(guest).GenerationId).Distinct());
        Assert.Single(restored.Select(guest => Host.Get(guest).Uuid).Distinct());
        Assert.DoesNotContain("crng reseeded due to virtual machine fork", Run(restored[0], "dmesg | grep crng"), StringComparison.Ordinal);
        Assert.Contains("crng reseeded due to virtual machine fork", Run(Clone(template), "dmesg | grep crng"), StringComparison.Ordinal);
    }

    private MemoryBackend Ram(string guest)
    {
        ulong address = Host.Get(guest).Backends.Single().Address;
        return Backends.List().Single(backend => (ulong)backend.Address == address);
    }

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted[sorted.Length / 2];
    }
}

/// <summary>A template of a Linux guest of 256 MiB that is up and whose shell waits; made once.</summary>
public sealed class LinuxTemplate : TemplateTest
{
    private GuestTemplate? _template;

    public GuestTemplate GetOrSkip()
    {
        LinuxGuest linux = LinuxGuest.GetOrSkip();
        return _template ??= Make(linux);
    }

    private GuestTemplate Make(LinuxGuest linux)
    {
        string guest = Boot(
            new GuestOptions { Memory = 256 << 20, Kernel = linux.Kernel, Initrd = linux.Initrd, CommandLine = "console=ttyS0 quiet" });
        Run(guest, "true");
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("linux") });
        End(guest);
        return template;
    }
}
