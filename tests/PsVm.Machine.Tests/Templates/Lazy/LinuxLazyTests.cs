namespace PsVm.Machine.Tests.Templates.Lazy;

/// <summary>Linux guests that run while their RAM comes.</summary>
public sealed class LinuxLazyTests(LinuxTemplate linux) : LazyTest, IClassFixture<LinuxTemplate>
{
    [SkippableFact]
    public void Its_shell_answers_while_its_RAM_comes_and_all_of_it_is_right()
    {
        GuestTemplate template = linux.GetOrSkip();
        TestSource source = Use(template, source => source.Delay = TimeSpan.FromMilliseconds(100));
        string expected = Sum(Clone(template));

        string[] guests = [StartLazily(template), StartLazily(template)];
        Assert.Equal("42", Run(guests[0], "echo $((6 * 7))"));
        GuestFill early = FillOf(guests[0]);
        source.Delay = TimeSpan.FromMilliseconds(1);

        Assert.Equal(GuestFillState.Filling, early.State);
        Assert.InRange(early.BytesFetched, ChunkSize, early.Bytes - ChunkSize);
        Assert.All(guests, guest => Assert.Equal(expected, Sum(guest)));
        WaitForFill(guests[0], GuestFillState.Complete);
        Assert.All(
            guests,
            guest => Assert.DoesNotContain(
                "rcu", Run(guest, "dmesg | grep -iE 'stall|lockup|hung|oops' | head -1; echo end"), StringComparison.Ordinal));
        Assert.NotEqual(Host.Get(guests[0]).GenerationId, Host.Get(guests[1]).GenerationId);
    }

    private string Sum(string guest) => Run(guest, "cat /bin/* /lib/*.so* 2>/dev/null | md5sum");
}
