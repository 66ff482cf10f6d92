using PsVm.Memory.Mapping;

namespace PsVm.Machine.Guests;

/// <summary>
/// Keeps guests from taking the last memory of the host, or of its control group: the kernel would kill the process, and all guests with
/// it. Safe from any thread.
/// </summary>
/// <remarks>
/// <para>
/// Guests tell what they touch, each after a slice; when that comes to the allowance, which gets the smaller the nearer the reserve is,
/// whoever told it looks how much memory there is. When the last look was a while ago, a thread of its own does, and nobody waits for it.
/// So guests that touch nothing new cost nothing, and one that grows is looked at the more often the faster it does.
/// </para>
/// <para>
/// While memory is short (less than the reserve) guests are measured, and who grows is held: <see cref="OvercommitDecision"/> says who.
/// Others that touch memory wait for the look meanwhile, so nothing is lost but what the slices that run then bring.
/// </para>
/// </remarks>
/// <param name="read">What memory there is; it is told how much would be enough.</param>
/// <param name="reserve">Bytes that are to be left; 0: nobody watches.</param>
/// <param name="isShort">Told once that memory has become short, and of how much there is.</param>
internal sealed class MemoryWatch(Func<long, MemoryRoom> read, Func<long> reserve, Action<MemoryRoom, long> isShort)
{
    // Where it has more than its share above the reserve again, it is short no more.
    private const int Hysteresis = 8;

    // Others than guests take memory as well, in milliseconds. Looks four times as often, the first at once, kept the runtime from
    // compiling what a guest begins with for good: a boot of 1.7 s took 0.2 s longer.
    private const long LongestUnseen = 1000;

    private const long FirstAllowance = 16L << 20;

    private readonly Lock _gate = new();
    private readonly List<OwnMemoryMeter> _meters = [];
    private long _touched;
    private long _allowance = FirstAllowance;
    private long _lookedAt;
    private bool _isShort;

    /// <summary>A guest is there, unless it has ended before it began.</summary>
    public void Add(OwnMemoryMeter meter)
    {
        lock (_gate)
        {
            if (meter.IsOver)
            {
                return;
            }

            if (_meters.Count == 0)
            {
                Volatile.Write(ref _lookedAt, Environment.TickCount64);
            }

            _meters.Add(meter);
        }
    }

    /// <summary>A guest has ended.</summary>
    public void Remove(OwnMemoryMeter meter)
    {
        lock (_gate)
        {
            meter.IsOver = true;
            _meters.Remove(meter);
        }
    }

    /// <summary>Guests that are there.</summary>
    internal int Count
    {
        get
        {
            lock (_gate)
            {
                return _meters.Count;
            }
        }
    }

    /// <summary>Guests have touched memory, as much as that at most, which may be new.</summary>
    public void Touched(long bytes)
    {
        long lookedAt = Volatile.Read(ref _lookedAt), now = Environment.TickCount64;
        if (Interlocked.Add(ref _touched, bytes) > Volatile.Read(ref _allowance))
        {
            LookIf(() => Volatile.Read(ref _touched) > Volatile.Read(ref _allowance));
        }
        else if (now - lookedAt >= LongestUnseen && Interlocked.CompareExchange(ref _lookedAt, now, lookedAt) == lookedAt)
        {
            _ = Task.Run(() => LookIf(() => true));
        }
    }

    private void LookIf(Func<bool> isDue)
    {
        lock (_gate)
        {
            if (isDue())
            {
                Look();
            }
        }
    }

    /// <summary>Finds out whether there is room for a guest that was held to go on.</summary>
    /// <exception cref="GuestException">There is not (<see cref="GuestErrorIds.MemoryReserveReached"/>).</exception>
    public void CheckRoom(string guest)
    {
        lock (_gate)
        {
            long wanted = reserve();
            if (wanted > 0 && read(2 * wanted) is var room && room.Bytes <= wanted)
            {
                throw new GuestException(
                    GuestErrorIds.MemoryReserveReached,
                    $"Expected more than the reserve of {ByteSize.ToText(wanted)} of memory for guest '{guest}' to go on, found "
                    + $"{ByteSize.ToText(Math.Max(0, room.Bytes))} ({room.Source}).",
                    guest,
                    "Stop other guests, or lower the reserve with Set-MemoryBackendPolicy -MemoryReserve.");
            }
        }
    }

    /// <summary>Whether there is more memory than the reserve.</summary>
    public bool HasRoom()
    {
        lock (_gate)
        {
            return reserve() is var wanted && (wanted == 0 || read(2 * wanted).Bytes > wanted);
        }
    }

    /// <summary>Looks how much memory there is. Under the gate.</summary>
    private void Look()
    {
        long wanted = reserve();
        MemoryRoom room = wanted > 0 ? read(2 * wanted) : new(long.MaxValue, "");
        Volatile.Write(ref _allowance, OvercommitDecision.Allowance(room.Bytes, wanted));
        if (room.Bytes > wanted)
        {
            if (_isShort && room.Bytes > wanted + (wanted / Hysteresis))
            {
                _isShort = false;
                _meters.ForEach(meter => meter.Baseline = null);
            }
        }
        else if (!_isShort)
        {
            _isShort = true;
            isShort(room, wanted);
            MeasureAll();
        }
        else
        {
            HoldWhoGrows(room, wanted);
        }

        Volatile.Write(ref _touched, 0);
        Volatile.Write(ref _lookedAt, Environment.TickCount64);
    }

    private void MeasureAll()
    {
        foreach (OwnMemoryMeter meter in _meters)
        {
            meter.Baseline = meter.Touched == 0 ? meter.Measured : meter.Measure();
        }
    }

    private void HoldWhoGrows(MemoryRoom room, long wanted)
    {
        List<OwnMemoryMeter> suspects = [];
        List<long> growths = [];
        foreach (OwnMemoryMeter meter in _meters)
        {
            // Who has touched no more than what is harmless has grown by no more.
            if (!meter.IsStopped && meter.Touched > OvercommitDecision.Harmless && meter.Measure() is { } own)
            {
                suspects.Add(meter);
                growths.Add(own - (meter.Baseline ??= own));
            }
        }

        if (OvercommitDecision.Choose(room.Bytes, wanted, growths) is { } who)
        {
            string grown = ByteSize.ToText(growths[who]);
            suspects[who].Stop(new MemoryExcess(
                HostEventIds.MemoryReserveReached,
                $"it grew by {grown} while {ByteSize.ToText(Math.Max(0, room.Bytes))} of memory were left, less than the reserve of "
                + $"{ByteSize.ToText(wanted)} ({room.Source})"));
        }
    }
}
