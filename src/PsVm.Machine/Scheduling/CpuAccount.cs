using System.Diagnostics;

namespace PsVm.Machine.Scheduling;

/// <summary>
/// What a guest may have of the host's CPUs, and what it has had. A guest passes it on to its next life. Changed under the scheduler's
/// gate, except while no hart uses it; the settings may be read from any thread.
/// </summary>
/// <remarks>
/// <para>
/// Weight: CPU time counts the less, the higher the weight is, and next runs whoever has the lowest count. So guests that all want the CPU
/// get it in proportion to their weights, and one that is alone gets all of it.
/// </para>
/// <para>
/// Limit: in each period a guest has a budget of CPU time, which its harts spend together. Whoever has spent it waits for the next period.
/// What the last slice took beyond it is taken off the next budget.
/// </para>
/// <para>Source: the Linux kernel's documentation, admin-guide/cgroup-v2 (Weights; cpu.weight, cpu.max) and scheduler/sched-bwc.</para>
/// </remarks>
internal sealed class CpuAccount
{
    /// <summary>Weight of a guest for which none was asked; the count of its CPU time is that time.</summary>
    public const int DefaultWeight = 100;

    /// <summary>Bounds of weights.</summary>
    public const int LeastWeight = 1, MostWeight = 10_000;

    /// <summary>Bounds of limits, in CPUs.</summary>
    public const double LeastLimit = 0.01, MostLimit = 1_000;

    /// <summary>A period, in ticks of <see cref="TimeSpan"/>.</summary>
    public const long PeriodTicks = 100 * TimeSpan.TicksPerMillisecond;

    private static readonly long s_periodStamps = PeriodTicks * Stopwatch.Frequency / TimeSpan.TicksPerSecond;

    private long _periodBegan;
    private double _spent;

    /// <summary>Opens an account.</summary>
    /// <param name="weight">Share of the CPU, beside those of others; null: as most guests have it.</param>
    /// <param name="limit">Most host CPUs; null or 0: all.</param>
    /// <exception cref="GuestException">There is no such weight or limit.</exception>
    public CpuAccount(int? weight = null, double? limit = null)
    {
        Check(weight, limit, null);
        (Weight, Limit) = (weight ?? DefaultWeight, limit ?? 0);
    }

    /// <summary>Share of the CPU, beside those of others.</summary>
    public int Weight { get; private set; }

    /// <summary>Most host CPUs; 0: all.</summary>
    public double Limit { get; private set; }

    /// <summary>CPU time that it has had, in ticks of <see cref="TimeSpan"/>, as its weight makes it count.</summary>
    public double VirtualTime { get; private set; }

    /// <summary>How often it had spent its budget.</summary>
    public long Exhaustions { get; private set; }

    private double Budget => Limit * PeriodTicks;

    /// <summary>Throws when a weight or a limit cannot be.</summary>
    /// <exception cref="GuestException">
    /// <see cref="GuestErrorIds.CpuWeightInvalid"/>, <see cref="GuestErrorIds.CpuLimitInvalid"/>.
    /// </exception>
    public static void Check(int? weight, double? limit, string? guest)
    {
        if (weight is < LeastWeight or > MostWeight)
        {
            throw new GuestException(
                GuestErrorIds.CpuWeightInvalid,
                $"Expected a CPU weight of {LeastWeight} to {MostWeight}, found {weight}.",
                guest,
                $"Most guests have {DefaultWeight}; one of {2 * DefaultWeight} gets twice as much of a busy host.");
        }

        if (limit is not (null or 0 or (>= LeastLimit and <= MostLimit)))
        {
            throw new GuestException(
                GuestErrorIds.CpuLimitInvalid,
                FormattableString.Invariant(
                    $"Expected a CPU limit of {LeastLimit} to {MostLimit} host CPUs, or 0 for none, found {limit}."),
                guest,
                "Give a number of CPUs, such as 0.5 or 2.");
        }
    }

    /// <summary>Changes what the guest may have; it begins a new period.</summary>
    /// <param name="weight">Another weight; null: as it is.</param>
    /// <param name="limit">Another limit; null: as it is.</param>
    /// <param name="virtualNow">What those have had who run now.</param>
    public void Change(int? weight, double? limit, double virtualNow)
    {
        if (weight is { } wanted)
        {
            // What it is ahead of others weighs differently now: a guest that gets more is not to wait as long as one that gets little.
            VirtualTime = virtualNow + (Math.Max(0, VirtualTime - virtualNow) * Weight / wanted);
            Weight = wanted;
        }

        if (limit is { } most)
        {
            (Limit, _spent) = (most, 0);
        }
    }

    /// <summary>A guest that was idle starts from what others have had, and gets nothing back for the time that it slept.</summary>
    public void CatchUp(double virtualNow) => VirtualTime = Math.Max(VirtualTime, virtualNow);

    /// <summary>Accounts for a slice.</summary>
    /// <param name="cpuTicks">Host CPU time that it took, in ticks of <see cref="TimeSpan"/>.</param>
    /// <param name="now">When it ended, as <see cref="Stopwatch.GetTimestamp"/> counts.</param>
    public void Charge(long cpuTicks, long now)
    {
        VirtualTime += Math.Max(cpuTicks, 1) * (double)DefaultWeight / Weight;
        if (Limit == 0)
        {
            return;
        }

        BeginPeriod(now);
        bool hadBudget = _spent < Budget;
        _spent += cpuTicks;
        if (hadBudget && _spent >= Budget)
        {
            Exhaustions++;
        }
    }

    /// <summary>When its harts may run.</summary>
    /// <param name="now">As <see cref="Stopwatch.GetTimestamp"/> counts.</param>
    /// <returns><paramref name="now"/>, or later.</returns>
    public long MayRunAt(long now)
    {
        if (Limit == 0)
        {
            return now;
        }

        BeginPeriod(now);
        if (_spent < Budget)
        {
            return now;
        }

        long begins = _periodBegan + ((long)(_spent / Budget) * s_periodStamps);
        Debug.Assert(begins > now, "a guest without budget must not be looked at again at once");
        return begins;
    }

    private void BeginPeriod(long now)
    {
        long periods = (now - _periodBegan) / s_periodStamps;
        if (periods > 0)
        {
            _spent = Math.Max(0, _spent - (periods * Budget));
            _periodBegan = _spent > 0 ? _periodBegan + (periods * s_periodStamps) : now;
        }
    }
}
