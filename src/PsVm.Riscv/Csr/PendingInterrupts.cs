namespace PsVm.Riscv.Csr;

/// <summary>
/// Where the bits of mip come from: lines of devices and other harts, timers, and what programs wrote. Lines and the machine's timer are
/// safe from any thread, the rest is the hart's.
/// </summary>
/// <param name="clock">The time.</param>
internal sealed class PendingInterrupts(IGuestClock clock)
{
    private const ulong Software = (ulong)InterruptLines.SupervisorSoftware, Timer = (ulong)InterruptLines.SupervisorTimer;
    private const ulong External = (ulong)InterruptLines.SupervisorExternal;

    private ulong _supervisorTimerCompare = ulong.MaxValue, _machineTimerCompare = ulong.MaxValue;
    private uint _lines;
    private bool _writtenExternal, _writtenTimer;

    /// <summary>mtimecmp of the ACLINT.</summary>
    public ulong MachineTimerCompare
    {
        get => Volatile.Read(ref _machineTimerCompare);
        set => Volatile.Write(ref _machineTimerCompare, value);
    }

    /// <summary>stimecmp.</summary>
    public ulong SupervisorTimerCompare
    {
        get => Volatile.Read(ref _supervisorTimerCompare);
        set => Volatile.Write(ref _supervisorTimerCompare, value);
    }

    /// <summary>The earliest time at which an enabled timer fires.</summary>
    /// <param name="enabled">mie.</param>
    /// <param name="comparator">The supervisor's timer is stimecmp; so below.</param>
    public ulong NextTimer(ulong enabled, bool comparator) => Math.Min(
        (enabled & (ulong)InterruptLines.MachineTimer) != 0 ? MachineTimerCompare : ulong.MaxValue,
        (enabled & Timer) != 0 && comparator ? SupervisorTimerCompare : ulong.MaxValue);

    /// <summary>mip as it stands now.</summary>
    public ulong Pending(bool comparator)
    {
        ulong pending = Volatile.Read(ref _lines);
        ulong now = clock.Now;
        bool timer = comparator ? now >= _supervisorTimerCompare : _writtenTimer;
        pending |= timer ? Timer : 0;
        pending |= now >= MachineTimerCompare ? (ulong)InterruptLines.MachineTimer : 0;
        return pending | (_writtenExternal ? External : 0);
    }

    /// <summary>mip without what is a line's alone of the bit that programs and a line share.</summary>
    public ulong Written(bool comparator) => (Pending(comparator) & ~External) | (_writtenExternal ? External : 0);

    /// <summary>Raises or lowers lines. Safe from any thread.</summary>
    public void SetLines(InterruptLines lines, bool level)
    {
        if (level)
        {
            Interlocked.Or(ref _lines, (uint)lines);
        }
        else
        {
            Interlocked.And(ref _lines, ~(uint)lines);
        }
    }

    /// <summary>Writes the bits of a mask as programs do; gives the lines as they were.</summary>
    public uint Write(ulong value, ulong mask)
    {
        uint software = (uint)(Software & mask);
        uint before = (value & software) != 0 ? Interlocked.Or(ref _lines, software) : Interlocked.And(ref _lines, ~software);
        if ((mask & Timer) != 0)
        {
            _writtenTimer = (value & Timer) != 0;
        }

        if ((mask & External) != 0)
        {
            _writtenExternal = (value & External) != 0;
        }

        return before;
    }
}
