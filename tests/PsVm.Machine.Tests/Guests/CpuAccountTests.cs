using System.Diagnostics;
using PsVm.Machine.Scheduling;
using PsVm.Machine.Tests.Support;

namespace PsVm.Machine.Tests.Guests;

/// <summary>Who runs next and when, by accounts and a run queue alone: no hart runs, and time is what the test says.</summary>
public sealed class CpuAccountTests : IDisposable
{
    private const long Slice = TimeSpan.TicksPerMillisecond;
    private static readonly long s_millisecond = Stopwatch.Frequency / 1_000;

    private readonly HartScheduler _scheduler = new(threads: 1);
    private const int Crowd = 16;

    private readonly RunQueue _queue = new(Crowd);
    private readonly List<BareMachine> _machines = [];

    public void Dispose()
    {
        _scheduler.Dispose();
        _machines.ForEach(machine => machine.Dispose());
    }

    [Theory]
    [InlineData(100, 300)]
    [InlineData(1, 10_000)]
    [InlineData(100, 100, 100)]
    [InlineData(50, 100, 200, 650)]
    public void Busy_guests_run_in_proportion_to_their_weights(params int[] weights)
    {
        HartGroup[] guests = [.. weights.Select(weight => Queue(new CpuAccount(weight)))];
        Dictionary<HartGroup, long> had = Run(slices: 3 * weights.Sum(), _ => Slice);

        Assert.All(
            guests.Zip(weights),
            guest => Assert.InRange(had.GetValueOrDefault(guest.First) / Slice, (3 * guest.Second) - 3, (3 * guest.Second) + 3));
    }

    [Fact]
    public void CPU_time_counts_and_not_the_number_of_slices()
    {
        var random = new Random(1);
        HartGroup little = Queue(new CpuAccount(100)), much = Queue(new CpuAccount(300));
        Dictionary<HartGroup, long> had = Run(slices: 20_000, guest => guest == little ? random.Next(1, 1_000) : random.Next(1, 20_000));

        Assert.InRange(had[much] / (double)had[little], 2.95, 3.05);
    }

    [Fact]
    public void A_guest_gets_no_more_by_having_many_harts()
    {
        HartGroup one = Queue(new CpuAccount()), four = Queue(new CpuAccount(), harts: 4);
        Dictionary<HartGroup, long> had = Run(slices: 10_000, _ => Slice);

        Assert.InRange(had[one] / Slice, 4_990, 5_010);
        Assert.InRange(had[four] / Slice, 4_990, 5_010);
    }

    [Fact]
    public void One_of_low_weight_runs_on_alone_and_a_newcomer_waits_for_nothing_that_it_had()
    {
        Queue(new CpuAccount(CpuAccount.LeastWeight));
        Run(slices: 100, _ => Slice);
        HartGroup late = Queue(new CpuAccount());

        // A hundred slices for each of the other; and not the ten thousand that the other has had before.
        Assert.InRange(Run(slices: 1_010, _ => Slice)[late] / Slice, 990, 1_010);
    }

    [Fact]
    public void A_guest_that_is_given_more_does_not_wait_for_what_it_had_with_less()
    {
        HartGroup changed = Queue(new CpuAccount(CpuAccount.LeastWeight), harts: 2);
        HartGroup other = Queue(new CpuAccount());
        Run(slices: 10, _ => Slice); // the first is a hundred slices ahead now

        _queue.Change(changed, 100, null);

        Dictionary<HartGroup, long> had = Run(slices: 20, _ => Slice);
        Assert.InRange(had[changed] / Slice, 8, 12);
        _queue.Change(changed, 300, null);
        had = Run(slices: 400, _ => Slice);
        Assert.InRange(had[changed] / (double)had[other], 2.8, 3.2);
    }

    [Fact]
    public void Short_work_is_done_in_one_turn_where_many_wait()
    {
        List<HartGroup> guests = [.. Enumerable.Range(0, 2 * Crowd).Select(_ => Queue(new CpuAccount()))];
        List<HartGroup> ran = [];
        Run(slices: 12 * Crowd, guest =>
        {
            ran.Add(guest);
            return Slice;
        });

        // Ten slices of the first, ten of the second and so on, in the order in which they came.
        Assert.Equal(guests.SelectMany(guest => Enumerable.Repeat(guest, 10)).Take(ran.Count), ran);
    }

    [Fact]
    public void Turns_are_slices_where_few_wait()
    {
        List<HartGroup> guests = [.. Enumerable.Range(0, Crowd).Select(_ => Queue(new CpuAccount()))];
        List<HartGroup> ran = [];
        Run(slices: 3 * Crowd, guest =>
        {
            ran.Add(guest);
            return Slice;
        });

        Assert.Equal([.. guests, .. guests, .. guests], ran);
    }

    [Theory]
    [InlineData(1, 100)]
    [InlineData(3, 2_000)]
    public void A_crowd_runs_in_proportion_to_weights_as_well(int harts, int heavy)
    {
        HartGroup favoured = Queue(new CpuAccount(heavy), harts);
        List<HartGroup> others = [.. Enumerable.Range(0, 2 * Crowd).Select(_ => Queue(new CpuAccount()))];
        Dictionary<HartGroup, long> had = Run(slices: 30_000, _ => Slice);

        double share = had[favoured] / (double)others.Average(guest => had[guest]);
        Assert.InRange(share, 0.95 * heavy / CpuAccount.DefaultWeight, 1.05 * heavy / CpuAccount.DefaultWeight);
        Assert.True(
            others.Max(guest => had[guest]) - others.Min(guest => had[guest]) <= 2 * RunQueue.LongTurn, "no more than a turn apart");
    }

    [Fact]
    public void Who_wakes_in_a_crowd_runs_next_for_a_turn()
    {
        for (int guest = 0; guest < 2 * Crowd; guest++)
        {
            Queue(new CpuAccount());
        }

        Run(slices: 1_003, _ => Slice);
        HartGroup late = Queue(new CpuAccount());
        List<HartGroup> ran = [];
        Run(slices: 20, guest =>
        {
            ran.Add(guest);
            return Slice;
        });

        Assert.Equal(Enumerable.Repeat(late, 10), ran[..10]);
        Assert.NotEqual(late, ran[10]);
    }

    [Theory]
    [InlineData(0.01, 1)]
    [InlineData(0.25, 1)]
    [InlineData(0.25, 4)]
    [InlineData(2, 4)]
    [InlineData(0.01, 64)]
    public void A_limited_guest_gets_its_limit_of_a_long_time_whatever_it_has_of_harts(double limit, int harts)
    {
        const long Milliseconds = 100_000;
        CpuAccount account = new(limit: limit);
        long began = 12_345 * s_millisecond, now = began, had = 0;
        while (now < began + (Milliseconds * s_millisecond))
        {
            long mayRunAt = account.MayRunAt(now);
            if (mayRunAt > now)
            {
                now = mayRunAt;
                continue;
            }

            // All harts begin a slice together and end it together.
            now += s_millisecond;
            for (int hart = 0; hart < harts; hart++)
            {
                account.Charge(Slice, now);
                had += Slice;
            }
        }

        // The bursts at the beginning and at the end: a budget, and a slice of each hart.
        double allowed = limit * Milliseconds * Slice;
        double burst = (limit * CpuAccount.PeriodTicks) + (harts * Slice);
        Assert.InRange(had, allowed - burst, allowed + burst);
        Assert.True(account.Exhaustions > 0, "it was never held back");
    }

    [Fact]
    public void Budgets_are_not_saved_up()
    {
        CpuAccount account = new(limit: 0.25);
        account.Charge(Slice, s_millisecond);
        long now = 3_600_000 * s_millisecond;
        int slices = 0;
        for (; account.MayRunAt(now) <= now; now += s_millisecond, slices++)
        {
            account.Charge(Slice, now);
        }

        Assert.Equal(25, slices);
        Assert.Equal(1, account.Exhaustions);
    }

    [Fact]
    public void A_slice_beyond_the_budget_is_taken_off_the_next_ones()
    {
        CpuAccount account = new(limit: 0.1); // 10 ms
        long now = 5_000 * s_millisecond;
        account.Charge(35 * Slice, now);

        Assert.Equal(now + (300 * s_millisecond), account.MayRunAt(now));
        Assert.Equal(now + (300 * s_millisecond), account.MayRunAt(now + (299 * s_millisecond)));
        now += 300 * s_millisecond;
        Assert.Equal(now, account.MayRunAt(now));
        account.Charge(5 * Slice, now);
        Assert.Equal(now + (100 * s_millisecond), account.MayRunAt(now));
    }

    [Fact]
    public void A_change_of_the_limit_counts_at_once_and_forgets_what_was_owed()
    {
        CpuAccount account = new(limit: 0.01);
        account.Charge(1_000 * Slice, 0);
        Assert.True(account.MayRunAt(1) > 1);

        account.Change(null, 0.02, 0);
        Assert.Equal(1, account.MayRunAt(1));
        account.Charge(1_000 * Slice, 1);
        account.Change(null, 0, 0);
        Assert.Equal(2, account.MayRunAt(2));
        Assert.Equal((CpuAccount.DefaultWeight, 0), (account.Weight, account.Limit));
    }

    [Fact]
    public void Who_must_wait_is_told_a_time_to_come()
    {
        var random = new Random(1);
        for (int i = 0; i < 100_000; i++)
        {
            CpuAccount account = new(limit: CpuAccount.LeastLimit + (random.NextDouble() * random.Next(1, 64)));
            long now = random.NextInt64(1_000_000_000_000);
            account.Charge(random.NextInt64(1, 100_000_000), now);
            now += random.NextInt64(1_000_000_000);
            long mayRunAt = account.MayRunAt(now);
            Assert.True(mayRunAt >= now, "the past");
            Assert.Equal(mayRunAt, account.MayRunAt(mayRunAt)); // and then it may run
        }
    }

    [Theory]
    [InlineData(1, 0.01)]
    [InlineData(10_000, 1_000)]
    [InlineData(null, 0)]
    public void What_is_possible_is_taken(int? weight, double limit) => CpuAccount.Check(weight, limit, "web");

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(10_001)]
    public void A_weight_that_cannot_be_is_refused(int weight)
    {
        GuestException error = Assert.Throws<GuestException>(() => CpuAccount.Check(weight, null, "web"));
        Assert.Equal((GuestErrorIds.CpuWeightInvalid, "web"), (error.ErrorId, error.Error.Target));
        Assert.Equal($"Expected a CPU weight of 1 to 10000, found {weight}.", error.Message);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(0.009)]
    [InlineData(1_000.5)]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void A_limit_that_cannot_be_is_refused(double limit)
    {
        GuestException error = Assert.Throws<GuestException>(() => CpuAccount.Check(null, limit, "web"));
        Assert.Equal((GuestErrorIds.CpuLimitInvalid, "web"), (error.ErrorId, error.Error.Target));
        Assert.StartsWith("Expected a CPU limit of 0.01 to 1000 host CPUs, or 0 for none, found ", error.Message, StringComparison.Ordinal);
    }

    private HartGroup Queue(CpuAccount account, int harts = 1)
    {
        BareMachine machine = new(_scheduler, account, harts);
        _machines.Add(machine);
        foreach (ScheduledHart hart in machine.Group.Harts)
        {
            _queue.Add(hart);
        }

        return machine.Group;
    }

    /// <summary>Takes the first hart again and again, as one thread would.</summary>
    /// <returns>The CPU time of each guest.</returns>
    private Dictionary<HartGroup, long> Run(int slices, Func<HartGroup, long> ticksOf)
    {
        Dictionary<HartGroup, long> had = [];
        for (int i = 0; i < slices; i++)
        {
            ScheduledHart hart = _queue.Take()!;
            long ticks = ticksOf(hart.Group);
            hart.Group.Account.Charge(ticks, 0);
            hart.TurnTicks += ticks;
            had[hart.Group] = had.GetValueOrDefault(hart.Group) + ticks;
            _queue.AddAgain(hart);
        }

        return had;
    }
}
