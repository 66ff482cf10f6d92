namespace PsVm.Machine.Tests.Templates;

/// <summary>Clones of a Linux guest that are put back to their template.</summary>
public sealed class LinuxResetTests(LinuxTemplate linux) : TemplateTest, IClassFixture<LinuxTemplate>
{
    private const string Draw = "read -r x </proc/sys/kernel/random/uuid; echo $x";

    [SkippableFact]
    public void Nothing_of_the_life_before_is_left_and_random_numbers_are_new()
    {
        string clone = Clone(linux.GetOrSkip());
        HashSet<string> drawn = [];
        for (int turn = 0; turn < 5; turn++)
        {
            Assert.Equal("none", Run(clone, "cat /tmp/mark 2>/dev/null || echo none"));
            Assert.Equal("1000000", Run(clone, "echo here >/tmp/mark; head -c 1000000 /dev/zero | tr '\\0' x >/tmp/x; wc -c </tmp/x"));
            Assert.True(drawn.Add(Run(clone, Draw)), "drawn twice");

            Host.Reset(clone);
        }

        Assert.InRange(long.Parse(Run(clone, "cat /sys/class/rtc/rtc0/since_epoch"), null), DateTimeOffset.UtcNow.ToUnixTimeSeconds() - 60,
            DateTimeOffset.UtcNow.ToUnixTimeSeconds() + 1);
        Assert.Contains("crng reseeded due to virtual machine fork", Run(clone, "dmesg | grep crng"), StringComparison.Ordinal);
        Assert.DoesNotContain("rcu", Run(clone, "dmesg | grep -iE 'stall|lockup|hung' | head -1; echo end"), StringComparison.Ordinal);
    }

    [SkippableFact]
    public void With_the_templates_identity_it_draws_the_same_each_time()
    {
        string clone = Clone(linux.GetOrSkip());

        string[] drawn = [.. Enumerable.Range(0, 3).Select(_ =>
        {
            Host.Reset(clone, keepIdentity: true);
            return Run(clone, Draw);
        })];

        // How much time has passed goes into the numbers, too, so that they are not always the same; a new seed they never are.
        Assert.DoesNotContain("crng reseeded due to virtual machine fork", Run(clone, "dmesg | grep crng"), StringComparison.Ordinal);
        Assert.All(drawn, uuid => Assert.True(Guid.TryParse(uuid, out _), uuid));
    }

    [SkippableFact]
    public void It_can_be_reset_at_any_moment_and_when_it_has_powered_off()
    {
        string clone = Clone(linux.GetOrSkip());
        Random random = new(1);
        for (int turn = 0; turn < 60; turn++)
        {
            Host.WriteConsole(clone, "head -c 3000000 /dev/urandom | sha256sum; find / -xdev | sort | md5sum\n");
            Thread.Sleep(TimeSpan.FromMilliseconds(random.NextDouble() * 30));
            Host.Reset(clone, keepIdentity: turn % 3 == 0);
        }

        Assert.Equal("42", Run(clone, "echo $((6 * 7))"));
        Host.WriteConsole(clone, "poweroff -f\n");
        Assert.True(Host.WaitForState(clone, GuestState.Stopped, Patience, CancellationToken.None));
        Host.Reset(clone);
        Assert.Equal("43", Run(clone, "echo $((6 * 7 + 1))"));
    }
}
