using PsVm.Machine.Templates;
using PsVm.Machine.Tests.Support;
using PsVm.Memory.Mapping;
using PsVm.Riscv.Tests;

namespace PsVm.Machine.Tests.Templates.Lazy;

/// <summary>Guests that run on a template while it is copied.</summary>
public sealed class LazyStartTests : LazyTest
{
    [Fact]
    public void A_guest_answers_long_before_its_template_is_there_and_is_any_clone_when_it_is()
    {
        GuestTemplate template = MakeLarge($"t{Guid.NewGuid():N}", out string check);
        TestSource source = Use(template, BeSlow);

        string guest = StartLazily(template);
        Ask(guest, "spin 1", "spin: ");
        GuestFill early = FillOf(guest);
        source.Delay = TimeSpan.FromMilliseconds(1);
        Assert.Equal(check, Check(guest)); // all pages of the pattern, each when it comes

        Assert.Equal((GuestFillState.Filling, template.Path, null), (early.State, early.Source, early.Destination));
        Assert.InRange(early.BytesFetched, ChunkSize, early.Bytes / 2);
        Assert.InRange(early.Bytes, PatternPages * 4096, LargeMemory);
        WaitForFill(guest, GuestFillState.Complete);
        Assert.Equal(FillOf(guest).Bytes, FillOf(guest).BytesFetched);
        Assert.Equal(template.Path, Host.Get(guest).Template);
        Assert.True(source.IsDisposed);
        Ask(guest, "touch 5", "touch: ");
        Host.Reset(guest);
        Assert.Equal(check, Check(guest));
        HostEvent told = Told(HostEventIds.TemplateFilled);
        Assert.Equal((HostEventLevel.Information, FillOf(guest).Bytes), (told.Level, told.Values["copiedBytes"]));
    }

    [Fact]
    public void What_is_fetched_is_fetched_once_for_all_guests_and_is_in_no_guests_own_memory()
    {
        GuestTemplate template = MakeLarge($"t{Guid.NewGuid():N}", out string check);
        TestSource source = Use(template, source => source.Delay = TimeSpan.FromMilliseconds(5));

        string[] guests = [.. Enumerable.Range(0, 5).Select(_ => StartLazily(template))];
        Assert.All(guests, guest => Assert.Equal(check, Check(guest)));
        WaitForFill(guests[0], GuestFillState.Complete);
        guests = [.. guests, StartLazily(template)]; // of a copy that is complete
        Assert.Equal(check, Check(guests[^1]));

        Assert.Equal(FillOf(guests[0]).Bytes, source.Reads.Sum(read => (long)read.Length));
        Assert.All(guests, guest => Assert.InRange(Host.Measure(guest, detailed: false).OwnBytes, 0, 2 << 20));
        Assert.Single(guests.Select(guest => Host.Get(guest).Backends.Single().Path).Distinct());
        Assert.Single(Leftovers(InTemp(template)));
        Array.ForEach(guests, End);
        Assert.Empty(Leftovers(InTemp(template)));
    }

    [Fact]
    public void A_copy_with_a_destination_becomes_a_template_that_needs_its_source_no_more()
    {
        GuestTemplate template = MakeLarge("t", out string check);
        TestSource source = Use(template, source => source.AnsweredReads = 0);
        string guest = StartLazily(template, At("copies/web"));
        Assert.Equal(At("copies/web"), Host.Get(guest).Template);
        Assert.False(Directory.Exists(At("copies/web")));
        source.Answers.Set();
        WaitForFill(guest, GuestFillState.Complete);

        TemplateReport report = GuestTemplates.Test(At("copies/web"), verify: true);
        Assert.True(report.IsValid, string.Join("; ", report.Errors));
        Assert.Equal((template.Id, template.RamBlocks.Single().Digest), (report.Template!.Id, report.Template.RamBlocks.Single().Digest));
        GuestTemplates.Remove(template.Path);
        string second = StartLazily(template, At("copies/web"));
        Assert.Null(Host.Get(second).Fill);
        Assert.Equal((check, check), (Check(guest), Check(second)));

        // What is made of either is made on the copy.
        Ask(guest, "touch 7", "touch: ");
        GuestTemplate changes = Make(guest, new CheckpointOptions { Path = At("copies/changes"), Differential = true });
        Assert.Equal(At("copies/web"), changes.Parent!.Path);
        Assert.Equal(Check(guest), Check(Clone(changes)));
        Host.Stop(guest);
        Assert.Equal(check, Check(Host.StartAgain(Host.Get(guest).Reference, CancellationToken.None).Name));
    }

    [Fact]
    public void A_copy_with_a_destination_is_made_also_when_its_guests_have_gone()
    {
        GuestTemplate template = MakeLarge("t", out string check);
        Use(template, source => source.Delay = TimeSpan.FromMilliseconds(5));

        End(StartLazily(template, At("copy")));

        Assert.True(SpinWait.SpinUntil(() => GuestTemplates.Exists(At("copy")), Patience));
        Assert.Equal(check, Check(Clone(GuestTemplates.Read(At("copy")))));
    }

    [Fact]
    public void What_clones_touch_first_is_fetched_first()
    {
        GuestTemplate template = MakeLarge("t", out _);
        PageRange[] first = [new(200 * ChunkSize, ChunkSize), new(100 * ChunkSize, 2 * ChunkSize), new(150 * ChunkSize, 4096)];
        new WorkingSet([first]).Write(template);
        TestSource source = Use(template);

        string guest = StartLazily(template, arrange: options => options with { Name = "web" });
        WaitForFill(guest, GuestFillState.Complete);

        // Between them comes what the guest needs, one chunk at a time.
        long[] order = [.. source.Reads.Select(read => read.Offset / ChunkSize)];
        int[] places = [.. new long[] { 200, 100, 150 }.Select(chunk => Array.IndexOf(order, chunk))];
        Assert.All(places, place => Assert.InRange(place, 0, order.Length / 3));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Programs_that_rewrite_themselves_come_to_the_same_end(int harts)
    {
        File.WriteAllBytes(At("kernel"), ChurnProgram.Of(harts, 1 << 20));

        // Little of the CPU, so that it is not through before it is suspended, however long that takes.
        string source = Clone(new GuestOptions { Kernel = At("kernel"), Memory = ChurnProgram.Memory, Harts = harts, CpuLimit = 0.02 });
        Assert.True(SpinWait.SpinUntil(() => Host.Get(source).Instructions > 100_000, Patience));
        Host.Suspend(source);
        Host.Change(source, new GuestChange { CpuLimit = 0 });
        GuestTemplate template = Make(source, new CheckpointOptions { Path = At("t") });
        long position = Host.ReadConsole(source, 0).NextPosition;
        Host.Resume(source);
        WaitFor(source, ".");
        string expected = Host.ReadConsole(source, position).Text;
        for (int turn = 0; turn < 4; turn++)
        {
            Use(template, slow => slow.Delay = TimeSpan.FromMilliseconds(turn));
            string[] guests = [StartLazily(template), StartLazily(template)];
            foreach (string guest in guests)
            {
                WaitFor(guest, ".");
                Assert.Equal(expected, Host.ReadConsole(guest, 0).Text);
            }

            Array.ForEach(guests, End);
        }
    }

    [Fact]
    public void A_call_of_the_firmware_waits_for_the_text_that_it_prints()
    {
        // Behind much else that is fetched, on two pages of two chunks.
        const ulong text = 0x8080_0000 - 4;
        File.WriteAllBytes(At("kernel"), Print(text));
        string source = Clone(new GuestOptions { Kernel = At("kernel"), Memory = LargeMemory });
        WaitFor(source, "1");
        GuestTemplate template = Make(source, new CheckpointOptions { Path = At("t") });
        TestSource slow = Use(template, slow => slow.Delay = TimeSpan.FromMilliseconds(50));

        string guest = StartLazily(template);
        Host.WriteConsole(guest, "x");
        WaitFor(guest, "abcdefgh");

        Assert.Equal("abcdefgh", Host.ReadConsole(guest, 0).Text[..8]);
        Assert.Contains(slow.Reads, read => read is { Length: ChunkSize, Offset: (8 << 20) - ChunkSize });
    }

    /// <summary>Writes to 64 chunks and a text behind them, says so, and prints the text when somebody types.</summary>
    private static byte[] Print(ulong text)
    {
        GuestProgram program = new();
        program.Load(Asm.A1, 0x8040_0000).Load(Asm.A2, ChunkSize).Load(Asm.A3, 64);
        program.Repeat(Asm.A3, body => body.Emit(Asm.Sw(Asm.A2, Asm.A1, 0), Asm.Add(Asm.A1, Asm.A1, Asm.A2)));
        program.Store32(text, 0x64636261).Store32(text + 4, 0x68676665).Print('1');
        int waits = program.Here;
        program.CallWithRegisters(2, 0) // legacy getchar
            .Load(Asm.T0, ulong.MaxValue).Emit(Asm.Branch(0, Asm.A0, Asm.T0, (waits - program.Here) * 4));
        return program.Call(0x4442434e, 0, 8, text, 0).Emit(Asm.Wfi).Jump(program.Here).ToKernel();
    }
}
