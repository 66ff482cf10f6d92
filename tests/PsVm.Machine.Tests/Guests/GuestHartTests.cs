using System.Diagnostics;
using PsVm.Machine.Board;
using PsVm.Machine.Tests.Support;
using PsVm.Memory;
using PsVm.Riscv.Tests;

namespace PsVm.Machine.Tests.Guests;

/// <summary>Harts of guests side by side, and what they have of time.</summary>
public sealed class GuestHartTests : ProgramGuestTest
{
    [Fact]
    public void A_waiting_hart_wakes_for_its_timer()
    {
        const int sie = 0x104, stimecmp = 0x14d, time = 0xc01;
        const ulong timerInterrupt = 1 << 5, tenMilliseconds = 100_000;
        GuestProgram program = new GuestProgram()
            .Load(Asm.T0, timerInterrupt)
            .Emit(Asm.Csrrs(0, sie, Asm.T0), Asm.Csrrs(Asm.T0, time, 0))
            .Load(Asm.T1, tenMilliseconds)
            .Emit(Asm.Add(Asm.T0, Asm.T0, Asm.T1), Asm.Csrrw(0, stimecmp, Asm.T0), Asm.Wfi)
            .PowerOff();
        Start("g", Kernel(program.ToKernel()));

        Assert.True(Host.WaitForState("g", GuestState.Stopped, Patience, CancellationToken.None));
    }

    [Fact]
    public unsafe void Time_does_not_pass_for_a_suspended_guest()
    {
        const int before = 0x1000, after = 0x1008, typed = 0x1010;
        MemoryBackend ram = Backends.Create(new MemoryBackendOptions { Id = "ram", Size = Memory });
        GuestProgram program = new GuestProgram().StoreTime(MemoryMap.RamStart + before).Print('x');
        int poll = program.Here;
        program
            .Call(DebugConsole, 1, 1, MemoryMap.RamStart + typed, 0)
            .Load(Asm.T0, 1)
            .JumpIfDifferent(Asm.A1, Asm.T0, poll)
            .StoreTime(MemoryMap.RamStart + after)
            .PowerOff();
        long begin = Stopwatch.GetTimestamp();
        Host.Start(new GuestOptions { Name = "g", Kernel = Kernel(program.ToKernel()), BackendIds = ["ram"] }, CancellationToken.None);
        Assert.True(Host.WaitForText("g", "x", Patience, CancellationToken.None));

        Host.Suspend("g");
        long suspended = Stopwatch.GetTimestamp();
        Thread.Sleep(100);
        TimeSpan held = Stopwatch.GetElapsedTime(suspended);
        Host.Resume("g");
        Host.WriteConsole("g", "y");
        Assert.True(Host.WaitForState("g", GuestState.Stopped, Patience, CancellationToken.None));

        ulong ticks = *(ulong*)(ram.Address + after) - *(ulong*)(ram.Address + before);
        Assert.InRange(TimeSpan.FromTicks((long)ticks), TimeSpan.FromTicks(1), Stopwatch.GetElapsedTime(begin) - held);
    }

    [Fact]
    public void Many_guests_run_side_by_side()
    {
        const int guests = 24;
        string kernel = Kernel(GuestProgram.Spin);
        string[] names = [.. Enumerable.Range(0, guests).Select(_ => Start(null, kernel))];

        Assert.All(names, name => Until(() => Host.Get(name).Instructions > 1_000_000));
        Assert.All(Host.List(), guest => Assert.Equal(GuestState.Running, guest.State));

        Parallel.ForEach(names, name => Host.Stop(name));
        Assert.All(Host.List(), guest => Assert.Equal(GuestState.Stopped, guest.State));
        Parallel.ForEach(names, name => Host.Remove(name));
        Assert.Empty(Host.List());
    }

    [Fact]
    public void Calls_from_many_threads_do_not_trip_over_each_other()
    {
        string kernel = Kernel(GuestProgram.Wait);
        Parallel.For(0, 8, index =>
        {
            for (int i = 0; i < 10; i++)
            {
                string name = $"g{index}";
                Start(name, kernel);
                Host.WriteConsole(name, "x");
                Parallel.Invoke(
                    () => Ignoring(GuestErrorIds.GuestStopped, () => Host.Suspend(name)),
                    () => Ignoring(GuestErrorIds.GuestStopped, () => Host.Resume(name)),
                    () => Ignoring(GuestErrorIds.GuestStopped, () => Host.WriteConsole(name, "y")),
                    () => Host.List(),
                    () => Host.Stop(name));
                Host.Remove(name);
            }
        });

        Assert.Empty(Host.List());
    }

    [Fact]
    public void A_hart_starts_another_and_sees_it_stop()
    {
        const ulong stopped = 1;
        GuestProgram program = new();
        int first = program.Here + 90;
        program.Jump(first);

        // The second hart prints what it was given in a1. What follows the stop must not run.
        ulong second = program.Address;
        program.Emit(Asm.Addi(Asm.A0, Asm.A1, 0)).CallWithRegisters(DebugConsole, 2).Call(HartState, 1).Print('!').PadTo(first);

        program.Call(HartState, 0, 1, second, 'B');
        int poll = program.Here;
        program.Call(HartState, 2, 1).Load(Asm.T0, stopped).JumpIfDifferent(Asm.A1, Asm.T0, poll).Print('A').PowerOff();
        Host.Start(
            new GuestOptions { Name = "g", Kernel = Kernel(program.ToKernel()), Memory = Memory, Harts = 2 }, CancellationToken.None);

        Assert.True(Host.WaitForState("g", GuestState.Stopped, Patience, CancellationToken.None));

        Assert.Equal("BA", Host.ReadConsole("g", 0).Text);
    }

    [Fact]
    public void Harts_that_fence_each_other_do_not_lock_up()
    {
        const ulong rounds = 20_000;
        GuestProgram program = new();
        int first = program.Here + 90;
        program.Jump(first);
        ulong second = program.Address;
        program.Load(Asm.A3, rounds).Repeat(Asm.A3, RemoteFence).Call(HartState, 1).PadTo(first);
        program.Call(HartState, 0, 1, second, 0).Load(Asm.A3, rounds).Repeat(Asm.A3, RemoteFence);
        int poll = program.Here;
        program.Call(HartState, 2, 1).Load(Asm.T0, 1).JumpIfDifferent(Asm.A1, Asm.T0, poll).PowerOff();
        Host.Start(
            new GuestOptions { Name = "g", Kernel = Kernel(program.ToKernel()), Memory = Memory, Harts = 2 }, CancellationToken.None);

        Assert.True(Host.WaitForState("g", GuestState.Stopped, Patience, CancellationToken.None));

        static void RemoteFence(GuestProgram loop) => loop.Call(0x52464e43, 1, 0, ulong.MaxValue);
    }
}
