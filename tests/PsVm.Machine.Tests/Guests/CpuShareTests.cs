using System.Diagnostics;
using PsVm.Machine.Scheduling;
using PsVm.Machine.Tests.Support;

namespace PsVm.Machine.Tests.Guests;

/// <summary>Weights and limits of guests that run. What is compared is CPU time that was counted, never how fast the host was.</summary>
public sealed class CpuShareTests : IDisposable
{
    private const uint JumpToItself = 0x0000_006f; // j .
    private const uint WaitForInterrupt = 0x1050_0073; // wfi
    private const uint JumpBack4 = 0xffdf_f06f; // j .-4

    // One thread for what shares a CPU, two for what has one each; and no more where the host keeps them waiting in the midst of a slice.
    private readonly HartScheduler _one = new(threads: 1, SharedTime.Patience), _two = new(threads: 2, SharedTime.Patience);
    private readonly List<BareMachine> _machines = [];

    // What the runtime compiles when harts run for the first time would be counted as the time of whoever is first.
    public CpuShareTests()
    {
        BareMachine first = Make(_one, new CpuAccount(), 1);
        RunUntil(() => first.Group.Harts[0].Exits.Slice > 5, first);
    }

    public void Dispose()
    {
        _machines.ForEach(machine => machine.Group.Stop());
        _machines.ForEach(machine => machine.Group.WaitUntilEnded(CancellationToken.None));
        _one.Dispose();
        _two.Dispose();
        _machines.ForEach(machine => machine.Dispose());
    }

    [Fact]
    public void Guests_of_weights_100_and_300_get_the_CPU_as_1_to_3()
    {
        BareMachine little = Make(_one, new CpuAccount(100), 1), much = Make(_one, new CpuAccount(300), 2);
        TimeSpan[] had = SharedTime.Measure(had => (had[0] + had[1]).TotalMilliseconds > 800, little, much);

        Assert.InRange(had[1] / had[0], 2.3, 3.9);
    }

    [Fact]
    public void A_change_of_weight_counts_for_guests_that_run()
    {
        BareMachine first = Make(_one, new CpuAccount(1), 1), second = Make(_one, new CpuAccount(), 1);
        TimeSpan[] had = SharedTime.Measure(had => had[1].TotalMilliseconds > 200, first, second);
        Assert.True(had[1] > 10 * had[0], $"{had[1]} beside {had[0]}");

        first.Group.ChangeCpu(400, null);
        had = SharedTime.Measure(had => had[0].TotalMilliseconds > 400, first, second);

        Assert.InRange(had[0] / had[1], 2.8, 5.5);
    }

    // Limits that are less than a busy host gives the harts' threads: who gets less than its limit never comes to it.
    [Theory]
    [InlineData(0.05)]
    [InlineData(0.02)]
    public void A_guest_with_a_limit_uses_that_part_of_a_CPU_whatever_runs_beside_it(double limit)
    {
        BareMachine limited = Make(_two, new CpuAccount(limit: limit), 2), twin = Make(_two, new CpuAccount(), 1);
        long began = Stopwatch.GetTimestamp();
        RunUntil(() => limited.Group.Account.Exhaustions >= 10, limited, twin);
        TimeSpan elapsed = Stopwatch.GetElapsedTime(began);

        // Of the time that went by it has its part at most, and the budget of the last period, however busy the host is.
        double budget = limit * 100;
        Assert.InRange(limited.CpuTime.TotalMilliseconds, 9 * budget, (elapsed.TotalMilliseconds * limit) + budget + 10);
        Assert.Equal(0, twin.Group.Account.Exhaustions);
    }

    [Theory]
    [InlineData(0.05)]
    [InlineData(0.02)]
    public void What_a_guest_with_a_limit_does_not_use_its_twin_gets(double limit)
    {
        // On one thread, of which the host may give as little as it likes: of that both have the same until the budget is spent, but for a
        // slice that began before, and from then on the twin has all.
        const double slice = 2;
        BareMachine limited = Make(_one, new CpuAccount(limit: limit), 2), twin = Make(_one, new CpuAccount(), 1);
        long before = 0, exhaustions = 0;
        TimeSpan[] had = SharedTime.Measure(
            had =>
            {
                before = had.All(time => time == TimeSpan.Zero) ? limited.Group.Account.Exhaustions : before; // when both run
                exhaustions = limited.Group.Account.Exhaustions - before;
                return exhaustions >= 10;
            },
            limited,
            twin);

        Assert.InRange(had[0].TotalMilliseconds, 0, had[1].TotalMilliseconds + (exhaustions * slice));
    }

    [Fact]
    public void A_guest_that_has_spent_its_budget_runs_no_instruction_and_leaves_the_CPU_to_others()
    {
        BareMachine limited = MakeInDebt(), other = Make(_one, new CpuAccount(), 1);

        limited.Group.Release();
        other.Group.Release();
        limited.Board.Wake(0);
        WaitFor(() => other.Group.Harts[0].Exits.Slice > 20);

        Assert.Equal(0, limited.Instructions);
    }

    [Fact]
    public void A_guest_that_has_spent_its_budget_is_held_and_stopped_at_once()
    {
        BareMachine limited = MakeInDebt();
        limited.Group.Release();
        limited.Group.Hold(CancellationToken.None);
        limited.Group.Release();

        limited.Group.Stop();
        limited.Group.WaitUntilEnded(CancellationToken.None);

        Assert.Equal((0, 1), (limited.Instructions, limited.Ends));
    }

    [Fact]
    public void Who_is_freed_of_its_limit_runs_at_once()
    {
        BareMachine limited = MakeInDebt();
        limited.Group.ChangeCpu(null, 0.5); // held: it begins with another budget
        limited.Group.Release();
        WaitFor(() => limited.Instructions > 0);

        limited.Group.ChangeCpu(null, CpuAccount.LeastLimit);
        limited.Group.Hold(CancellationToken.None);
        PutInDebt(limited);
        limited.Group.Release();
        long before = limited.Instructions;
        limited.Group.ChangeCpu(null, 0);
        WaitFor(() => limited.Instructions > before);
    }

    [Fact]
    public void No_signal_is_lost_on_a_guest_that_waits_for_its_next_period()
    {
        BareMachine guest = Make(_two, new CpuAccount(limit: CpuAccount.LeastLimit), 1, WaitForInterrupt, JumpBack4);
        guest.Group.Release();
        while (guest.Group.Account.Exhaustions < 10)
        {
            long before = guest.Instructions;
            guest.Board.Wake(0);
            WaitFor(() => guest.Instructions > before);
        }
    }

    [Fact]
    public void A_timer_that_fires_before_the_next_period_wakes_its_hart_in_it()
    {
        BareMachine guest = Make(_two, new CpuAccount(limit: 0.5), 1, WaitForInterrupt, JumpToItself);
        guest.Board.Harts[0].TryWriteCsr(0x304, 1 << 7); // mie.MTIE
        guest.Board.SetTimer(0, guest.Board.Clock.Now + (guest.Board.Clock.Frequency / 50));
        guest.Group.Account.Charge(70 * TimeSpan.TicksPerMillisecond, Stopwatch.GetTimestamp());
        guest.Group.Release();

        WaitFor(() => guest.Group.Harts[0].Exits.Slice > 0);
    }

    private BareMachine Make(HartScheduler scheduler, CpuAccount account, int harts, params uint[] program)
    {
        BareMachine machine = new(scheduler, account, harts, program.Length == 0 ? [JumpToItself] : program);
        _machines.Add(machine);
        return machine;
    }

    /// <summary>A guest that has its next budget in half an hour.</summary>
    private BareMachine MakeInDebt()
    {
        BareMachine machine = Make(_one, new CpuAccount(limit: CpuAccount.LeastLimit), 2);
        PutInDebt(machine);
        return machine;
    }

    private static void PutInDebt(BareMachine machine) =>
        machine.Group.Account.Charge(20 * TimeSpan.TicksPerSecond, Stopwatch.GetTimestamp());

    private static void RunUntil(Func<bool> condition, params BareMachine[] machines)
    {
        Array.ForEach(machines, machine => machine.Group.Release());
        WaitFor(condition);
        Array.ForEach(machines, machine => machine.Group.Hold(CancellationToken.None));
    }

    private static void WaitFor(Func<bool> condition) =>
        Assert.True(SpinWait.SpinUntil(condition, TimeSpan.FromMinutes(1)), "gave up waiting");
}
