using System.Runtime.InteropServices;
using PsVm.Machine.Tests.Support;
using PsVm.Machine.Tests.Templates;
using PsVm.Memory;
using PsVm.Riscv.Tests;

namespace PsVm.Machine.Tests.Guests;

/// <summary>
/// Lives of a guest that are put together at the same time, of which one gets its place. Templates to verify make that take long.
/// </summary>
public sealed class SuccessionTests : TemplateTest
{
    private const long Large = 128 << 20;
    private const int MostMissed = 100;
    private const ulong DebugConsole = 0x4442434e;

    [Fact]
    public void Who_is_suspended_before_it_has_begun_does_not_begin()
    {
        File.WriteAllBytes(At("spin"), GuestProgram.Spin);
        for (int i = 0; i < 50; i++)
        {
            string name = $"g{i}";
            Thread suspends = new(() =>
            {
                SpinWait.SpinUntil(() => Host.List().Count > 0, Patience);
                Host.Suspend(name);
            });
            suspends.Start();
            Host.Start(new GuestOptions { Name = name, Kernel = At("spin"), Memory = Memory }, CancellationToken.None);
            suspends.Join();

            long before = Host.Get(name).Instructions;
            Thread.Sleep(5);
            Assert.Equal((i, GuestState.Suspended, before), (i, Host.Get(name).State, Host.Get(name).Instructions));
            End(name);
        }
    }

    [Fact]
    public async Task Of_two_who_start_a_stopped_guest_one_does_and_its_console_lives()
    {
        string source = Boot(new GuestOptions { Memory = Large });
        Host.Suspend(source);
        FillRam();
        GuestTemplate template = Make(source, new CheckpointOptions { Path = At("t"), Digest = true });
        End(source);
        string web = Clone(new GuestOptions { Name = "web", Template = template.Path, Verify = true });
        Host.Stop(web);

        using Barrier together = new(2);
        Exception?[] ends = await Task.WhenAll(StartAgain(), StartAgain());

        GuestException late = Assert.IsType<GuestException>(Assert.Single(ends.OfType<Exception>()));
        Assert.Equal(GuestErrorIds.GuestNotStopped, late.ErrorId);
        Assert.Single(Happened(HostEventIds.GuestStopped, web));
        Assert.Single(Backends.List());
        await AssertConsoleLives(web, () => Check(web));

        Task<Exception?> StartAgain() => Task.Factory.StartNew<Exception?>(
            () =>
            {
                together.SignalAndWait();
                return Record.Exception(() => Host.StartAgain(web, CancellationToken.None));
            },
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
    }

    [Fact]
    public async Task A_guest_that_is_stopped_while_it_reboots_and_then_started_has_a_console_that_lives()
    {
        string web = CloneOfOneThatRebootsWhenTypedTo(typed: "");
        int missed = -1;
        do
        {
            missed++;
            Host.WriteConsole(web, "x");
            Until(() => IsBetweenLives(web) || Host.Get(web).Reboots > missed);
        }
        while (!IsBetweenLives(web) && missed < MostMissed);

        Host.Stop(web);
        Host.StartAgain(web, CancellationToken.None);

        Assert.Single(Happened(HostEventIds.GuestStopped, web));
        Assert.Equal((GuestState.Running, 0), (Host.Get(web).State, Host.Get(web).Reboots));
        await AssertConsoleLives(web, () => Host.WriteConsole(web, "x"));
        Until(() => Host.Get(web).Reboots == 1);
    }

    [Fact]
    public void What_was_typed_and_waited_at_the_checkpoint_waits_for_each_life()
    {
        string web = CloneOfOneThatRebootsWhenTypedTo(typed: "x");

        Until(() => Host.Get(web).Reboots >= 2);
    }

    [Fact]
    public async Task What_is_said_of_a_guest_while_its_next_life_is_put_together_holds()
    {
        string web = CloneOfOneThatRebootsWhenTypedTo(typed: "");
        Host.Stop(web);
        Task<GuestInfo> start = Task.Run(() => Host.StartAgain(web, CancellationToken.None));
        Until(() => Backends.List().Count == 1); // its RAM is mapped, to be verified now

        Host.Change(web, new GuestChange { Name = "front", Notes = "mine" });
        await start;

        GuestInfo front = Host.Get("front");
        Assert.Equal((GuestState.Running, "mine", "front"), (front.State, front.Notes, Backends.List().Single().Info.Guest));
        Assert.Equal("front", Host.Change("front", new GuestChange { Notes = "" }).Name);
    }

    [Fact]
    public async Task What_is_said_of_a_guest_while_life_follows_life_holds()
    {
        const int Lives = 200;
        string web = Boot(new GuestOptions { Name = "web", Memory = Memory });
        int said = 0;
        Task lives = Task.Run(() =>
        {
            for (int life = 0; life < Lives || Volatile.Read(ref said) <= Lives; life++)
            {
                Host.Stop(web);
                Host.StartAgain(web, CancellationToken.None);
            }
        });
        while (!lives.IsCompleted)
        {
            string notes = $"{Interlocked.Increment(ref said)}";
            Host.Change(web, new GuestChange { Notes = notes, Name = said % 2 == 0 ? "web" : "WEB" });
            Assert.Equal(notes, Host.Get(web).Notes);
        }

        await lives;
    }

    /// <summary>A clone that is verified at each start, of a guest that reads its console and reboots on the first character.</summary>
    private string CloneOfOneThatRebootsWhenTypedTo(string typed)
    {
        const ulong buffer = 0x8030_0000;
        const int read = 200, reboot = 400;
        GuestProgram program = new GuestProgram().Print('!');
        program.PadTo(read);
        program.Call(DebugConsole, 1, 1, buffer, 0).JumpIfDifferent(Asm.A1, Asm.Zero, reboot).Jump(read);
        program.PadTo(reboot);
        program.Print('r').Store32(0x10_0000, 0x7777).Jump(program.Here);
        File.WriteAllBytes(At("kernel"), program.ToKernel());
        string source = Host.Start(new GuestOptions { Memory = Large, Kernel = At("kernel") }, CancellationToken.None).Name;
        WaitFor(source, "!");
        Host.Suspend(source);
        if (typed.Length > 0)
        {
            Host.WriteConsole(source, typed);
        }

        FillRam();
        GuestTemplate template = Make(source, new CheckpointOptions { Path = At("t"), Digest = true });
        End(source);
        return Clone(new GuestOptions { Name = "web", Template = template.Path, Verify = true });
    }

    /// <summary>Who waits for output gets it, and who types is heard.</summary>
    private async Task AssertConsoleLives(string guest, Action type)
    {
        long position = Host.ReadConsole(guest, 0).NextPosition;
        ConsoleExpectation more = new() { Pattern = "[a-z]", IsRegex = true, From = position };
        Task<ConsoleMatch?> heard = Task.Run(() => Host.WaitForOutput(guest, more, Patience, CancellationToken.None));
        await Task.Delay(200); // where the console is closed, nobody waits
        type();
        Assert.NotNull(await heard);
    }

    /// <summary>The guest's next life has RAM, which is verified now.</summary>
    private bool IsBetweenLives(string guest) => Host.Get(guest).EndedAt is not null && Backends.List().Count == 1;

    /// <summary>Has a guest hold data all over: holes need not be read to be verified.</summary>
    private void FillRam()
    {
        byte[] data = [.. Enumerable.Repeat((byte)0x5a, 1 << 20)];
        MemoryBackend ram = Backends.List().Single();
        for (long offset = 32 << 20; offset < ram.Size; offset += data.Length)
        {
            Marshal.Copy(data, 0, ram.Address + (nint)offset, data.Length);
        }
    }

    private IEnumerable<HostEvent> Happened(string id, string guest) =>
        Host.ReadEvents(0).Events.Where(happened => happened.Id == id && happened.Guest?.Name == guest);

    private static void Until(Func<bool> condition) => Assert.True(SpinWait.SpinUntil(condition, Patience), "it never happened");
}
