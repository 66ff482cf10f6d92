using PsVm.Memory.Native;

namespace PsVm.Machine.Guests;

/// <summary>What a guest's own memory comes to while it runs, against its limit and the host's reserve. Safe from any thread.</summary>
/// <remarks>
/// A page that a guest comes to own takes a page fault of a thread that runs its harts. So what a slice had of faults bounds what the guest
/// has grown by in it, at the price of one system call; the kernel's page map is read only when that much would pass a limit. A guest that
/// waits, or works in the memory that it has, is never looked at.
/// </remarks>
/// <param name="account">What it may have.</param>
/// <param name="watch">Who watches the host's memory.</param>
/// <param name="measure">Its own bytes, by the kernel's page map; null: they cannot be had any more.</param>
/// <param name="bytesPerFault">The most bytes that one fault brings.</param>
/// <param name="exceeded">
/// Told once that it has too much, until it is told to go on. On a hart's thread, or that of whoever changes a limit.
/// </param>
internal sealed class OwnMemoryMeter(
    OwnMemoryAccount account, MemoryWatch watch, Func<long?> measure, Func<long> bytesPerFault, Action<MemoryExcess> exceeded)
{
    private readonly Lock _gate = new();
    private long _touched;
    private long _measured;
    private int _isStopped;

    /// <summary>What it may have.</summary>
    public OwnMemoryAccount Account => account;

    /// <summary>The most bytes by which it may have grown since it was measured.</summary>
    public long Touched => Volatile.Read(ref _touched);

    /// <summary>Its own bytes when they were measured last.</summary>
    public long Measured => Volatile.Read(ref _measured);

    /// <summary>Its own bytes when memory became short; null: it was not looked at since. The watch's.</summary>
    public long? Baseline { get; set; }

    /// <summary>Its guest has ended. The watch's.</summary>
    public bool IsOver { get; set; }

    /// <summary>It was held or stopped for what it has, and was not told to go on.</summary>
    public bool IsStopped => Volatile.Read(ref _isStopped) != 0;

    /// <summary>A slice of one of its harts has ended on this thread.</summary>
    public void OnSlice()
    {
        long faults = KernelCalls.TakeThreadPageFaults();
        if (faults == 0)
        {
            return;
        }

        long bytes = faults * bytesPerFault();
        long touched = Interlocked.Add(ref _touched, bytes);
        if (account.Limit is var limit and not 0 && Volatile.Read(ref _measured) + touched > limit)
        {
            CheckLimit();
        }

        watch.Touched(bytes);
    }

    /// <summary>Its own bytes, measured now; null: it has no RAM any more.</summary>
    public long? Measure()
    {
        lock (_gate)
        {
            // What is touched while the map is read counts again.
            long touched = Volatile.Read(ref _touched);
            if (measure() is not { } own)
            {
                return null;
            }

            Interlocked.Add(ref _touched, -touched);
            Volatile.Write(ref _measured, own);
            return own;
        }
    }

    /// <summary>Measures it, and has it held or stopped when that is more than its limit.</summary>
    public void CheckLimit()
    {
        if (account.Limit is var limit and not 0 && !IsStopped && Measure() is { } own && own > limit)
        {
            Stop(
                new MemoryExcess(
                    HostEventIds.OwnMemoryLimitPassed,
                    $"its own memory of {ByteSize.ToText(own)} passed its limit of {ByteSize.ToText(limit)}"));
        }
    }

    /// <summary>Has it held or stopped, once.</summary>
    public void Stop(MemoryExcess excess)
    {
        if (Interlocked.Exchange(ref _isStopped, 1) == 0)
        {
            exceeded(excess);
        }
    }

    /// <summary>Finds out whether it may go on.</summary>
    /// <param name="guest">Its name.</param>
    /// <exception cref="GuestException">It still has too much, or the host too little.</exception>
    public void CheckMayGoOn(string guest)
    {
        if (!IsStopped)
        {
            return;
        }

        if (account.Limit is var limit and not 0 && Measure() is { } own && own > limit)
        {
            throw new GuestException(
                GuestErrorIds.OwnMemoryLimitPassed,
                $"Expected guest '{guest}' to have at most {ByteSize.ToText(limit)} of own memory, found {ByteSize.ToText(own)}.",
                guest,
                "Raise its limit with Set-Guest -OwnMemoryLimit, or power it off with Stop-Guest -Force.");
        }

        watch.CheckRoom(guest);
    }

    /// <summary>It goes on.</summary>
    public void GoOn() => Volatile.Write(ref _isStopped, 0);
}

/// <summary>That a guest has too much memory, or the host too little.</summary>
/// <param name="EventId">One of <see cref="HostEventIds"/>.</param>
/// <param name="Reason">What was found, as a clause.</param>
internal sealed record MemoryExcess(string EventId, string Reason);
