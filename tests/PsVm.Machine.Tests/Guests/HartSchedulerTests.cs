using System.Diagnostics;
using PsVm.Machine.Devices;
using PsVm.Machine.Scheduling;
using PsVm.Machine.Tests.Support;
using PsVm.Riscv;

namespace PsVm.Machine.Tests;

/// <summary>The scheduler with harts that run a few instructions of machine mode.</summary>
public sealed class HartSchedulerTests : IDisposable
{
    private const uint JumpToItself = 0x0000_006f; // j .
    private const uint WaitForInterrupt = 0x1050_0073; // wfi
    private const uint JumpBack4 = 0xffdf_f06f; // j .-4

    // lui a0, 0x100; lui a1, 5; addi a1, a1, 0x555; sw a1, 0(a0): asks the board to power off.
    private static readonly uint[] PowerOff = [0x0010_0537, 0x0000_55b7, 0x5555_8593, 0x00b5_2023, JumpToItself];

    private readonly HartScheduler _scheduler = new(threads: 1), _patient = new(threads: 1, SharedTime.Patience);
    private readonly List<BareMachine> _machines = [];

    public void Dispose()
    {
        _machines.ForEach(machine => machine.Group.Stop());
        _machines.ForEach(machine => machine.Group.WaitUntilEnded(CancellationToken.None));
        _scheduler.Dispose();
        _patient.Dispose();
        _machines.ForEach(machine => machine.Dispose());
    }

    [Fact]
    public void Guests_share_the_CPU_evenly_however_many_harts_they_have()
    {
        RunSomethingElse(); // what the runtime compiles then is nobody's time here
        BareMachine[] guests = [.. new[] { 1, 4, 1 }.Select(harts => Make(_patient, harts, JumpToItself))];
        TimeSpan[] had = SharedTime.Measure(had => had.Sum(time => time.TotalMilliseconds) > 300, guests);

        double all = had.Sum(time => time.TotalMilliseconds);
        Assert.All(had, time => Assert.InRange(time.TotalMilliseconds / all, 0.2, 0.5));
        Assert.All(guests[1].Group.Harts, hart => Assert.NotEqual(TimeSpan.Zero, hart.CpuTime));
    }

    [Fact]
    public void A_guest_that_slept_gets_nothing_back_for_it()
    {
        BareMachine busy = Make(_patient, 1, JumpToItself);
        busy.Group.Release();
        WaitFor(() => busy.CpuTime.TotalMilliseconds > 300);

        BareMachine late = Make(_patient, 1, JumpToItself);
        TimeSpan[] had = SharedTime.Measure(had => had[1].TotalMilliseconds > 100, busy, late);

        Assert.InRange(had[0].TotalMilliseconds, 30, 400);
    }

    [Fact]
    public void Nobody_looks_for_threads_that_do_not_come_back_while_no_other_hart_waits()
    {
        BareMachine alone = Make(1, JumpToItself);
        alone.Group.Release();
        WaitFor(() => alone.CpuTime > 4 * HartScheduler.Patience);
        Assert.Equal(0, _scheduler.Looks);

        Make(1, JumpToItself).Group.Release();
        WaitFor(() => _scheduler.Looks > 0);
    }

    [Fact]
    public void A_hart_that_waits_does_not_run()
    {
        BareMachine guest = Make(2, WaitForInterrupt, JumpBack4);
        guest.Group.Release();
        WaitFor(() => guest.Group.Harts.All(hart => hart.Exits.Wait > 0 && hart.Place == HartPlace.Parked));
        long before = guest.Instructions;

        RunSomethingElse();

        Assert.Equal(before, guest.Instructions);
    }

    [Fact]
    public void A_guest_wants_the_CPU_while_its_harts_have_something_to_do_and_may_run()
    {
        BareMachine busy = Make(1, JumpToItself), idle = Make(1, WaitForInterrupt, JumpBack4), limited = Make(1, JumpToItself);
        Assert.False(busy.Group.WantsCpu); // it is held
        limited.Group.ChangeCpu(null, 0.01);
        Array.ForEach([busy, idle, limited], guest => guest.Group.Release());
        WaitFor(() => idle.Group.Harts.All(hart => hart.Exits.Wait > 0 && hart.Place == HartPlace.Parked));
        WaitFor(() => limited.Group.Account.Exhaustions > 0 && limited.Group.Harts.All(hart => hart.Place == HartPlace.Parked));

        Assert.True(busy.Group.WantsCpu);
        Assert.False(idle.Group.WantsCpu);
        Assert.True(limited.Group.WantsCpu);
        busy.Group.Hold(CancellationToken.None);
        Assert.False(busy.Group.WantsCpu);
    }

    [Fact]
    public void A_hart_that_waits_for_a_store_goes_to_the_end_of_the_queue_and_never_sleeps()
    {
        // auipc a0, 0; lr.w a1, (a0); wrs.nto; j .-8: nobody stores there.
        BareMachine guest = Make(2, 0x0000_0517, 0x1005_25af, 0x00d0_0073, 0xff9f_f06f);
        guest.Group.Release();
        WaitFor(() => guest.Group.Harts.All(hart => hart.Exits.Wait > 1_000)); // on one thread: they give way to each other

        Assert.All(guest.Group.Harts, hart => Assert.Equal((0, 0), (hart.Exits.Slice, hart.Exits.Requested)));
        RunSomethingElse();
    }

    [Fact]
    public void A_timer_wakes_its_hart()
    {
        BareMachine guest = Make(2, WaitForInterrupt, JumpToItself);
        guest.Board.Harts[1].TryWriteCsr(0x304, 1 << 7); // mie.MTIE
        guest.Board.SetTimer(1, guest.Board.Clock.Now + (guest.Board.Clock.Frequency / 100));
        guest.Group.Release();

        WaitFor(() => guest.Group.Harts[1].Exits.Slice > 0);

        Assert.Equal(0, guest.Group.Harts[0].Exits.Slice);
        Assert.True(guest.Board.Clock.Now >= guest.Board.GetTimer(1));
    }

    [Fact]
    public void A_line_wakes_its_hart()
    {
        BareMachine guest = Make(2, WaitForInterrupt, JumpToItself);
        guest.Board.Harts[1].TryWriteCsr(0x304, 1 << 3); // mie.MSIE
        guest.Group.Release();
        WaitFor(() => guest.Group.Harts.All(hart => hart.Exits.Wait > 0));

        guest.Board.SetInterrupt(1, InterruptLines.MachineSoftware, true);

        WaitFor(() => guest.Group.Harts[1].Exits.Slice > 0);
        Assert.Equal(0, guest.Group.Harts[0].Exits.Slice);
    }

    [Fact]
    public void No_signal_is_lost_on_a_hart_about_to_wait()
    {
        BareMachine guest = Make(1, WaitForInterrupt, JumpBack4);
        ScheduledHart hart = guest.Group.Harts[0];
        guest.Group.Release();
        for (int i = 0; i < 20_000; i++)
        {
            long before = guest.Instructions;
            _scheduler.Wake(hart);
            WaitFor(() => guest.Instructions > before);
        }
    }

    [Fact]
    public void Waits_hear_that_they_are_cancelled_and_leave_the_harts_as_they_were()
    {
        using ManualResetEventSlim isInSlice = new(), goOn = new();
        BareMachine guest = Make(2, JumpToItself);
        guest.OnSlice = () =>
        {
            isInSlice.Set();
            goOn.Wait();
        };
        try
        {
            AssertCancels(guest.Group.WaitUntilEnded);
            AssertCancels(stop => guest.Group.WaitUntilFirstRun(stop));
            guest.Group.Release();
            isInSlice.Wait();

            AssertCancels(guest.Group.Hold);

            Assert.False(guest.Group.IsHeld);
            Assert.InRange(guest.Group.Running, 1, 2); // another thread may have taken the place of the one that waits
        }
        finally
        {
            goOn.Set();
        }

        long before = guest.Instructions;
        WaitFor(() => guest.Instructions > before && guest.Group.Harts.All(hart => hart.Exits.Slice > 2));
        guest.Group.Hold(CancellationToken.None);
        using CancellationTokenSource cancelled = new();
        cancelled.Cancel();
        guest.Group.Hold(cancelled.Token); // there is nothing to wait for
        Assert.True(guest.Group.IsHeld);
    }

    [Fact]
    public void Threads_that_do_not_come_back_keep_nobody_else_waiting()
    {
        using ManualResetEventSlim goOn = new();
        BareMachine[] stuck = [Make(1, JumpToItself), Make(2, JumpToItself)];
        Array.ForEach(stuck, guest => guest.OnSlice = goOn.Wait);
        BareMachine sleeper = Make(1, WaitForInterrupt, JumpToItself);
        try
        {
            sleeper.Board.Harts[0].TryWriteCsr(0x304, 1 << 7); // mie.MTIE
            sleeper.Group.Release();
            WaitFor(() => sleeper.Group.Harts[0].Place == HartPlace.Parked && sleeper.Group.Harts[0].Exits.Wait > 0);
            Array.ForEach(stuck, guest => guest.Group.Release());
            WaitFor(() => stuck.Sum(guest => guest.Group.Running) == 3);

            RunSomethingElse();
            sleeper.Board.SetTimer(0, sleeper.Board.Clock.Now + (sleeper.Board.Clock.Frequency / 100));
            WaitFor(() => sleeper.Group.Harts[0].Exits.Slice > 0);
            sleeper.Group.Hold(CancellationToken.None);
        }
        finally
        {
            goOn.Set();
        }

        WaitFor(() => _scheduler.Threads == 1);
        RunSomethingElse();
    }

    private static void AssertCancels(Action<CancellationToken> wait)
    {
        using CancellationTokenSource source = new();
        Exception? thrown = null;
        var waiting = new Thread(() => thrown = Record.Exception(() => wait(source.Token))) { IsBackground = true };
        waiting.Start();
        Assert.False(waiting.Join(50));
        source.Cancel();
        Assert.True(waiting.Join(TimeSpan.FromMinutes(1)), "does not hear that it is cancelled");
        Assert.IsAssignableFrom<OperationCanceledException>(thrown);
    }

    [Fact]
    public void Held_harts_stand_still_and_go_on_when_released()
    {
        BareMachine guest = Make(3, JumpToItself);
        for (int i = 0; i < 200; i++)
        {
            guest.Group.Release();
            guest.Group.WaitUntilFirstRun(CancellationToken.None);
            guest.Group.Hold(CancellationToken.None);
            Assert.Equal(0, guest.Group.Running);
        }

        long held = guest.Instructions;
        RunSomethingElse();
        Assert.Equal(held, guest.Instructions);

        guest.Group.Release();
        WaitFor(() => guest.Instructions > held);
    }

    [Fact]
    public void A_signal_to_a_held_hart_does_not_run_it()
    {
        BareMachine guest = Make(1, JumpToItself);

        guest.Board.Wake(0);
        RunSomethingElse();

        Assert.Equal(0, guest.Instructions);
    }

    [Fact]
    public void A_hart_that_throws_ends_its_own_group_only()
    {
        BareMachine neighbour = Make(1, JumpToItself);
        BareMachine failing = Make(1, PowerOff);
        failing.OnPower = () => throw new InvalidOperationException("the switch broke");
        neighbour.Group.Release();
        failing.Group.Release();

        failing.Group.WaitUntilEnded(CancellationToken.None);

        Assert.Equal("the switch broke", Assert.Single(failing.Failures).Message);
        long before = neighbour.Instructions;
        WaitFor(() => neighbour.Instructions > before);
    }

    [Fact]
    public void Who_cannot_be_told_of_an_end_ends_neither_the_thread_nor_the_wait_of_others()
    {
        BareMachine failing = Make(1, PowerOff);
        failing.OnPower = () => throw new InvalidOperationException("the switch broke");
        failing.OnFailure = () => throw new InvalidOperationException("nobody listens");
        failing.OnEnd = () => throw new InvalidOperationException("nobody is there");
        failing.Group.Release();
        failing.Group.WaitUntilEnded(CancellationToken.None);

        Assert.Equal("nobody is there", failing.Group.Unheard?.Message);
        RunSomethingElse();
    }

    [Fact]
    public void The_end_is_told_once_whoever_stops_the_group()
    {
        BareMachine[] guests = [Make(2, JumpToItself), Make(1, WaitForInterrupt), Make(1, PowerOff), Make(1, JumpToItself)];
        guests[2].OnPower = guests[2].Group.Stop;
        Array.ForEach(guests[..3], guest => guest.Group.Release());

        Array.ForEach(guests, guest => guest.Group.Stop());
        Array.ForEach(guests, guest => guest.Group.Stop());
        Array.ForEach(guests, guest => guest.Group.WaitUntilEnded(CancellationToken.None));
        Array.ForEach(guests, guest => guest.Group.Release());

        Assert.All(guests, guest => Assert.Equal((1, 0), (guest.Ends, guest.Group.Running)));
    }

    [Fact]
    public void Harts_of_one_guest_run_side_by_side()
    {
        using var scheduler = new HartScheduler(threads: 2);
        using var guest = new BareMachine(scheduler, 2, JumpToItself);
        guest.Group.Release();
        WaitFor(() => guest.Group.Running == 2);
        guest.Group.Stop();
        guest.Group.WaitUntilEnded(CancellationToken.None);
    }

    [Fact]
    public void Deadlines_come_in_order_and_can_be_taken_out()
    {
        var random = new Random(1);
        var heap = new DeadlineHeap();
        BareMachine guest = Make(1, JumpToItself);
        List<ScheduledHart> there = [];
        for (int step = 0; step < 5_000; step++)
        {
            if (random.Next(5) < 3)
            {
                var hart = new ScheduledHart(guest.Group, guest.Board, guest.Board.Harts[0]) { Deadline = random.Next(1_000) };
                heap.Add(hart);
                there.Add(hart);
            }
            else if (there.Count > 0)
            {
                ScheduledHart gone = random.Next(2) == 0 ? heap.First : there[random.Next(there.Count)];
                heap.Remove(gone);
                heap.Remove(gone);
                there.Remove(gone);
            }

            Assert.Equal(there.Count == 0 ? long.MaxValue : there.Min(hart => hart.Deadline), heap.Next);
        }
    }

    [Fact]
    public void A_bell_that_was_rung_before_ends_one_wait()
    {
        var bell = new Doorbell();
        bell.Ring();
        bell.Ring();

        bell.Wait(long.MaxValue);

        long until = Stopwatch.GetTimestamp() + (Stopwatch.Frequency / 500);
        bell.Wait(until);
        Assert.True(Stopwatch.GetTimestamp() >= until);
    }

    [Fact]
    public void A_bell_ends_the_wait_of_another_thread()
    {
        var there = new Doorbell();
        var back = new Doorbell();
        var echo = new Thread(() =>
        {
            for (int i = 0; i < 10_000; i++)
            {
                there.Wait(long.MaxValue);
                back.Ring();
            }
        });
        echo.Start();
        for (int i = 0; i < 10_000; i++)
        {
            there.Ring();
            back.Wait(long.MaxValue);
        }

        echo.Join();
    }

    private BareMachine Make(int harts, params uint[] program) => Make(_scheduler, harts, program);

    private BareMachine Make(HartScheduler scheduler, int harts, params uint[] program)
    {
        var machine = new BareMachine(scheduler, harts, program);
        _machines.Add(machine);
        return machine;
    }

    /// <summary>Gives the scheduler's thread something to do, so that it comes by everything else too.</summary>
    private void RunSomethingElse()
    {
        BareMachine other = Make(1, JumpToItself);
        other.Group.Release();
        WaitFor(() => other.Group.Harts[0].Exits.Slice > 5);
        other.Group.Hold(CancellationToken.None);
    }

    private static void WaitFor(Func<bool> condition) =>
        Assert.True(SpinWait.SpinUntil(condition, TimeSpan.FromMinutes(1)), "gave up waiting");
}
