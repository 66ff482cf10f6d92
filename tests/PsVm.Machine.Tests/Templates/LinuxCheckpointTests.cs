using Xunit.Abstractions;

namespace PsVm.Machine.Tests.Templates;

/// <summary>A Linux guest that is checkpointed while it works.</summary>
public sealed class LinuxCheckpointTests(LinuxTemplate linux, ITestOutputHelper output) : TemplateTest, IClassFixture<LinuxTemplate>
{
    // Processes, page tables, copies on write and the page cache, a few times a second; what is wrong ends it, and says so.
    private const string Work =
        "(while cp /tmp/f /tmp/g && cmp /tmp/f /tmp/g && md5sum -c /tmp/s >/dev/null && gzip -c /tmp/g | gunzip | md5sum -c /tmp/p "
        + ">/dev/null; "
        + "do echo >>/tmp/n; rm /tmp/g; done; echo WR''ONG) & uname";

    [SkippableTheory]
    [InlineData(1, 20)]
    [InlineData(2, 5)]
    public void Each_clone_of_a_guest_that_works_works_on_with_the_right_checksums(int harts, int checkpoints)
    {
        string working = Start(harts);
        Run(working, "dmesg -n 1; head -c 20000 /dev/urandom >/tmp/f; md5sum /tmp/f >/tmp/s; md5sum </tmp/f >/tmp/p; >/tmp/n; uname");
        string sum = Run(working, "cat /tmp/s");
        Run(working, Work);
        AssertWorks(working, sum);
        for (int round = 0; round < checkpoints; round++)
        {
            // Each third one is of a clone of the guest before, and each third one differential.
            bool isDifferential = round % 3 == 2;
            GuestTemplate template = Make(working, new CheckpointOptions { Path = At($"t{round}"), Differential = isDifferential });
            output.WriteLine(
                $"{round}: stood for {template.Pause!.Value.TotalMilliseconds:f2} ms, {template.RamBlocks[0].ChangedBytes >> 10} KiB "
                    + "changed");
            string clone = Clone(template);
            AssertWorks(clone, sum);
            if (round % 3 == 1)
            {
                AssertWorks(working, sum); // whose checkpoints were none of its business
                (working, clone) = (clone, working);
            }

            End(clone);
        }
    }

    /// <summary>A guest whose shell waits: a clone, or one that boots with several harts.</summary>
    private string Start(int harts)
    {
        GuestTemplate template = linux.GetOrSkip();
        if (harts == 1)
        {
            return Clone(template);
        }

        LinuxGuest files = LinuxGuest.GetOrSkip();
        string booted = Boot(new GuestOptions
        {
            Memory = 256 << 20, Harts = harts, Kernel = files.Kernel, Initrd = files.Initrd, CommandLine = "console=ttyS0 quiet",
        });
        GuestTemplate made = Make(booted, new CheckpointOptions { Path = At("booted") });
        End(booted);
        return Clone(made);
    }

    /// <summary>It gets on, all that it has found is right, and its kernel has nothing to complain of.</summary>
    private void AssertWorks(string guest, string sum)
    {
        int before = Count(guest);
        for (int wait = 0; Count(guest) < before + 2; wait++)
        {
            Assert.DoesNotContain("WRONG", Host.ReadConsole(guest, 0).Text, StringComparison.Ordinal);
            Assert.True(wait < 1000, "it does not get on");
        }

        Assert.Equal(sum, Run(guest, "md5sum /tmp/f"));
        Assert.Equal("end", Run(guest, "dmesg | grep -iE 'BUG|Oops|stall|lockup|corrupt|hung' | head -1; echo end"));
    }

    private int Count(string guest) => int.Parse(Run(guest, "wc -l </tmp/n"), null);
}
