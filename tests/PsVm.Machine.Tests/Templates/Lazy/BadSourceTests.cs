using PsVm.Machine.Templates;

namespace PsVm.Machine.Tests.Templates.Lazy;

/// <summary>Sources that fail, end too early, lie, or do not answer: the guests on them pay, and nobody else.</summary>
public sealed class BadSourceTests : LazyTest
{
    [Fact]
    public void A_source_that_fails_ends_the_guests_that_need_it_with_file_offset_and_cause()
    {
        GuestTemplate template = MakeLarge($"t{Guid.NewGuid():N}", out string check);
        string other = Clone(template);
        Use(
            template,
            source => source.OnRead = (_, offset, _) => source.Reads.Count < 20 ? null : throw new IOException("the line is cut"));

        string guest = StartLazily(template);
        Host.WriteConsole(guest, "check\r");

        Assert.True(Host.WaitForState(guest, GuestState.Failed, Patience, CancellationToken.None));
        PsVmError failure = Host.Get(guest).Failure!;
        Assert.Equal((GuestErrorIds.LazySourceFailed, template.RamBlocks.Single().File), (failure.Id, failure.Target));
        Assert.Matches(@"Expected \d+ bytes at \d+ in '.*ram0\.bin', .*found: the line is cut", failure.Message);
        Assert.Equal((GuestFillState.Failed, failure), (FillOf(guest).State, FillOf(guest).Failure));
        Assert.Equal(check, Check(other));
        Assert.Equal(HostEventLevel.Warning, Told(HostEventIds.TemplateFillFailed).Level);

        // What failed is nobody's any more: the next one begins anew.
        Use(template);
        Assert.Equal(check, Check(StartLazily(template)));
        Assert.Equal(check, Check(Host.StartAgain(Host.Get(guest).Reference, CancellationToken.None).Name));
    }

    [Fact]
    public void A_guest_that_needs_no_more_lives_when_its_source_has_failed()
    {
        GuestTemplate template = MakeLarge($"t{Guid.NewGuid():N}", out _);
        bool isCut = false;
        Use(template, source =>
        {
            BeSlow(source);
            source.OnRead = (_, _, _) => !Volatile.Read(ref isCut) ? null : throw new IOException("the line is cut");
        });
        string guest = StartLazily(template);
        Ask(guest, "spin 1", "spin: ");

        Volatile.Write(ref isCut, true);
        WaitForFill(guest, GuestFillState.Failed);

        Ask(guest, "spin 1", "spin: ");
        Assert.Equal(GuestState.Running, Host.Get(guest).State);
        Host.WriteConsole(guest, "check\r");
        Assert.True(Host.WaitForState(guest, GuestState.Failed, Patience, CancellationToken.None));
    }

    [Fact]
    public void A_source_that_ends_too_early_is_told_by_where_it_ends()
    {
        GuestTemplate template = MakeLarge($"t{Guid.NewGuid():N}", out _);
        string file = template.RamBlocks.Single().File;
        Use(template, source => source.OnRead = (_, _, _) =>
        {
            if (source.Reads.Count == 8)
            {
                File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
                using FileStream cut = File.OpenWrite(file);
                cut.SetLength(6 << 20);
            }

            return null;
        });

        string guest = StartLazily(template);
        Host.WriteConsole(guest, "check\r");

        Assert.True(Host.WaitForState(guest, GuestState.Failed, Patience, CancellationToken.None));
        Assert.Contains($"found: it ends at {6 << 20} of {LargeMemory} bytes", Host.Get(guest).StopReason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_source_that_gives_wrong_data_is_found_out_and_leaves_no_template(bool hasDestination)
    {
        GuestTemplate template = MakeLarge($"t{Guid.NewGuid():N}", out string check);
        string other = Clone(template);
        string? destination = hasDestination ? At("copy") : null;
        Use(template, source => source.OnRead = (_, offset, bytes) =>
        {
            bytes.Span[^1] ^= (byte)(offset >= 8 << 20 ? 1 : 0);
            return null;
        });

        string[] guests = [StartLazily(template, destination), StartLazily(template, destination)];

        foreach (string guest in guests)
        {
            Assert.True(Host.WaitForState(guest, GuestState.Failed, Patience, CancellationToken.None));
            Assert.Equal(GuestErrorIds.TemplateDigestMismatch, Host.Get(guest).Failure!.Id);
            Assert.Contains(template.RamBlocks.Single().File, Host.Get(guest).StopReason, StringComparison.Ordinal);
        }

        Assert.False(Directory.Exists(At("copy")));
        Assert.Equal(check, Check(other));
        Array.ForEach(guests, guest => Host.Remove(guest));
        Assert.Empty(Leftovers(destination ?? InTemp(template)));
    }

    [Fact]
    public void A_copy_that_somebody_cuts_short_ends_its_guests_and_becomes_no_template()
    {
        GuestTemplate template = MakeLarge("t", out string check);
        string other = Clone(template);
        TestSource source = Use(template, source => source.AnsweredReads = 25);
        string guest = StartLazily(template, At("copy"));
        Assert.True(SpinWait.SpinUntil(() => source.Reads.Count == 25, Patience));

        string file = Host.Get(guest).Backends.Single().Path!;
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        using (FileStream cut = File.OpenWrite(file))
        {
            cut.SetLength(4096);
        }

        source.Answers.Set();
        Host.WriteConsole(guest, "check\r");

        // What it finds first: that a page is not there, or that what has come is not what was recorded.
        Assert.True(Host.WaitForState(guest, GuestState.Failed, Patience, CancellationToken.None));
        Assert.True(SpinWait.SpinUntil(() => FillOf(guest).State == GuestFillState.Failed, Patience));
        Assert.False(Directory.Exists(At("copy")));
        Assert.Equal(check, Check(other));
        Host.Remove(guest);
        Assert.Empty(Leftovers(At("copy")));
    }

    [Fact]
    public async Task A_source_that_does_not_answer_keeps_its_guests_waiting_and_nobody_else()
    {
        // More guests that wait than there are threads to run harts.
        GuestTemplate template = MakeLarge($"t{Guid.NewGuid():N}", out string check);
        TestSource source = Use(template, source => source.AnsweredReads = 12);
        string other = Clone(template);
        string[] guests = [.. Enumerable.Range(0, (2 * Environment.ProcessorCount) + 4).Select(_ => StartLazily(template))];
        Array.ForEach(guests, guest => Host.WriteConsole(guest, "check\r"));
        Assert.True(SpinWait.SpinUntil(() => source.IsWaiting, Patience));

        Assert.Equal(check, Check(other));
        Assert.All(guests, guest => Assert.DoesNotContain("check: ", Host.ReadConsole(guest, 0).Text, StringComparison.Ordinal));
        await Task.Run(() =>
        {
            Host.Suspend(guests[0]);
            Host.Resume(guests[0]);
            Host.Reset(guests[0]);
            Host.Stop(guests[1]);
            Host.Remove(guests[1]);
            Assert.Equal(GuestState.Running, Host.Get(guests[2]).State);
            using CancellationTokenSource enough = new(TimeSpan.FromMilliseconds(100));
            Assert.ThrowsAny<OperationCanceledException>(
                () => Host.Checkpoint(guests[2], new CheckpointOptions { Path = At("no") }, null, enough.Token));
            Task<string> ends = Task.Run(() => ErrorOf(() => Make(guests[3], new CheckpointOptions { Path = At("no") })));
            Host.Stop(guests[3]);
            Assert.Equal(GuestErrorIds.GuestStopped, ends.Result);
        }).WaitAsync(Patience); // an operator who waits for the source waits for ever

        source.Answers.Set();
        Assert.Equal(check, Check(guests[2]));
        Assert.Equal(check, Check(guests[0]));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_host_ends_while_a_source_does_not_answer_and_leaves_nothing(bool hasDestination)
    {
        GuestTemplate template = MakeLarge($"t{Guid.NewGuid():N}", out _);
        TestSource source = Use(template, source => source.AnsweredReads = 5);
        string destination = At("copy");
        StartLazily(template, hasDestination ? destination : null);
        Assert.True(SpinWait.SpinUntil(() => source.IsWaiting, Patience));

        Host.Dispose();

        Assert.Empty(Leftovers(hasDestination ? destination : InTemp(template)));
        Assert.False(source.IsDisposed);
        source.Answers.Set();
        Assert.True(SpinWait.SpinUntil(() => source.IsDisposed, Patience));
        Assert.False(Directory.Exists(destination));
    }
}
