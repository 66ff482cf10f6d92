using System.Buffers.Binary;
using System.Runtime.InteropServices;
using PsVm.Machine.State;

namespace PsVm.Machine.Devices.Virtio.Balloon;

/// <summary>
/// A memory balloon: the guest puts pages in that it does not use, and the host has them until the guest takes them out again; with
/// statistics of the guest's memory, deflation by a guest that is out of memory, and reporting of free pages. Free page hinting is left
/// out.
/// </summary>
/// <remarks>
/// <para>
/// Source: VIRTIO 1.2, section 5.5. Page numbers are no addresses that are believed: what is not writable RAM is passed over. Neighbours of
/// one buffer are given back in one go, as whole host pages: one of them is given back when the last of its pages is put in.
/// </para>
/// <para>
/// While the memory is being copied, pages that are put in wait in their queue, and those that are reported are passed over: the guest
/// cannot use them before they are answered.
/// </para>
/// </remarks>
/// <param name="port">Its transport.</param>
/// <param name="ram">The guest's RAM; null: it is only looked at.</param>
/// <param name="wanted">Pages that are to be in it to begin with.</param>
internal sealed class VirtioBalloon(VirtioPort port, IBalloonRam? ram, uint wanted = 0) : IVirtioDevice, IDisposable
{
    /// <summary>The most page numbers of a buffer that count: as many as Linux gives. The guest keeps what the others mean.</summary>
    public const int MostNumbers = 256;

    // What a discard costs beside the memory that it frees, in bytes that could be moved meanwhile: a few system calls.
    private const long DiscardCost = 8 << 10;

    // So many pages are looked at in the time in which a byte could be moved.
    private const long PagesPerByte = 8;

    private const ulong TellsHost = 1 << 0, HasStatistics = 1 << 1, DeflatesOnOom = 1 << 2, HasPoison = 1 << 4, HasReporting = 1 << 5;
    private const int Inflate = 0, Deflate = 1;
    private const int MostPages = int.MaxValue;

    private static readonly TimeSpan s_untilTriedAgain = TimeSpan.FromMilliseconds(20);

    private readonly BalloonPages _pages = new(ram?.PageCount ?? MostPages);
    private Timer? _again;
    private uint _wanted = wanted;
    private uint _actual;
    private uint _poison;
    private int _statisticsQueue = -1, _reportingQueue = -1;
    private volatile bool _isWaiting; // what is put in waits until the memory is not copied any more
    private bool _wantsStatistics;
    private bool _hasLooked; // at the buffer in the queue of statistics
    private bool _hasDriver;
    private bool _agreesOnPoison;
    private long _freed;
    private long _refused;
    private BalloonStatistics? _statistics;

    public uint DeviceId => 5;

    public ulong Features => TellsHost | HasStatistics | DeflatesOnOom | HasPoison | HasReporting;

    // Linux wants 32 entries for reports; which of the last two queues is which depends on what is agreed on.
    public IReadOnlyList<int> QueueSizes { get; } = [128, 128, 128, 128];

    public int ConfigSize => 16;

    /// <summary>Pages that are in it, of writable RAM. Safe from any thread, as what follows is.</summary>
    public long Pages => _pages.Count;

    /// <summary>Pages that are to be in it.</summary>
    public uint Wanted => Volatile.Read(ref _wanted);

    /// <summary>A driver is there.</summary>
    public bool HasDriver => Volatile.Read(ref _hasDriver);

    /// <summary>Bytes that the host got back, by inflation and reports.</summary>
    public long Freed => Interlocked.Read(ref _freed);

    /// <summary>Pages that the guest named and that could not be given back: no writable RAM, or the host refused.</summary>
    public long Refused => Interlocked.Read(ref _refused);

    /// <summary>What the driver said last; null: nothing.</summary>
    public BalloonStatistics? Statistics => Volatile.Read(ref _statistics);

    /// <summary>Has the driver put pages in, or take some out, until so many are in it. On any thread.</summary>
    public void Want(uint pages)
    {
        Volatile.Write(ref _wanted, pages);
        port.NotifyConfigChanged();
    }

    /// <summary>Has the driver tell its statistics anew. On any thread.</summary>
    public void AskForStatistics()
    {
        Volatile.Write(ref _wantsStatistics, true);
        if (Volatile.Read(ref _statisticsQueue) is >= 0 and int queue)
        {
            port.Kick(queue);
        }
    }

    public void ReadConfig(Span<byte> config)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(config, Wanted);
        BinaryPrimitives.WriteUInt32LittleEndian(config[4..], _actual);
        BinaryPrimitives.WriteUInt32LittleEndian(config[12..], _poison);
    }

    public void WriteConfig(int offset, ReadOnlySpan<byte> bytes)
    {
        uint value = bytes.Length == sizeof(uint) ? BinaryPrimitives.ReadUInt32LittleEndian(bytes) : 0;
        if (bytes.Length == sizeof(uint) && offset == 4)
        {
            _actual = value;
        }
        else if (bytes.Length == sizeof(uint) && offset == 12 && (_agreesOnPoison || !HasDriver))
        {
            _poison = value; // Linux says it before it says that it is there
        }
    }

    public void Activate(ulong features)
    {
        int next = Deflate + 1;
        Volatile.Write(ref _statisticsQueue, (features & HasStatistics) != 0 ? next++ : -1);
        _reportingQueue = (features & HasReporting) != 0 ? next : -1;
        _agreesOnPoison = (features & HasPoison) != 0;
        _poison = _agreesOnPoison ? _poison : 0;
        Volatile.Write(ref _hasDriver, true);
    }

    public bool Accepts(int queue) =>
        queue == _statisticsQueue ? Volatile.Read(ref _wantsStatistics) || !_hasLooked : queue != Inflate || !_isWaiting;

    public void Handle(int queue, VirtioChain chain)
    {
        if (queue == _statisticsQueue)
        {
            Look(chain);
            return;
        }

        if (queue == _reportingQueue)
        {
            Report(chain);
        }
        else if (queue <= Deflate && !Move(chain, isIn: queue == Inflate))
        {
            _isWaiting = true;
            port.PutBack(chain);
            _again ??= new Timer(_ => TryAgain());
            _again.Change(s_untilTriedAgain, Timeout.InfiniteTimeSpan);
            return;
        }

        port.Complete(chain, 0);
    }

    public void Reset()
    {
        _pages.Clear();
        (_actual, _poison, _reportingQueue, _isWaiting, _hasLooked) = (0, 0, -1, false, false);
        Volatile.Write(ref _statisticsQueue, -1);
        Volatile.Write(ref _hasDriver, false);
        Volatile.Write(ref _statistics, null);
    }

    void IStateful.Transfer(StateStream state)
    {
        uint wanted = Wanted;
        state.Transfer(ref wanted);
        state.Transfer(ref _actual);
        state.Transfer(ref _poison);
        _pages.Transfer(state);
        Volatile.Write(ref _wanted, wanted);
    }

    // What waits is looked at again once the guest goes on, or a clone of it: no driver tells of it twice.
    public void Drain(CancellationToken cancellation) => TryAgain();

    public void Dispose() => _again?.Dispose();

    private void TryAgain()
    {
        if (_isWaiting)
        {
            _isWaiting = false;
            port.Kick(Inflate);
        }
    }

    /// <summary>
    /// Reads what the driver says, and leaves the buffer in its queue; gives it back where it is asked for more: what it holds was said
    /// before.
    /// </summary>
    private void Look(VirtioChain chain)
    {
        bool isAsked = Volatile.Read(ref _wantsStatistics);
        Volatile.Write(ref _wantsStatistics, false);
        _hasLooked = !isAsked;
        if (isAsked)
        {
            port.Complete(chain, 0);
            return;
        }

        Volatile.Write(ref _statistics, BalloonStatistics.Read(chain, Pages));
        port.PutBack(chain);
    }

    /// <summary>Puts the pages of a buffer in, or takes them out.</summary>
    /// <returns>False: they cannot be given back yet, and nothing else may be done with them.</returns>
    private bool Move(VirtioChain chain, bool isIn)
    {
        Span<uint> numbers = stackalloc uint[MostNumbers];
        int count = chain.Read(0, MemoryMarshal.AsBytes(numbers)) / sizeof(uint);
        numbers = numbers[..count];
        if (!BitConverter.IsLittleEndian)
        {
            BinaryPrimitives.ReverseEndianness(numbers, numbers);
        }

        numbers.Sort();
        for (int i = 0; i < count;)
        {
            (uint first, uint last) = (numbers[i], numbers[i]);
            for (i++; i < count && numbers[i] - last <= 1; i++)
            {
                last = numbers[i];
            }

            if (!Move(chain, first, (long)last - first + 1, isIn))
            {
                return false;
            }
        }

        return true;
    }

    private bool Move(VirtioChain chain, uint frame, long count, bool isIn)
    {
        long writable = 0;
        foreach (BalloonStretch stretch in Clip(frame, count))
        {
            writable += stretch.Count;
            if (!isIn)
            {
                _pages.Remove(stretch.First, stretch.Count);
                continue;
            }

            _pages.Add(stretch.First, stretch.Count);
            (long first, long end) = stretch.Outward;
            for (long start = first; start < end;)
            {
                // The host pages beside each other that have all their pages in the balloon; the first and the last may have others, too.
                long next = start;
                chain.Charge(stretch.HostPage / PagesPerByte);
                while (next < end && _pages.HasAll(next, stretch.HostPage))
                {
                    next += stretch.HostPage;
                    chain.Charge(stretch.HostPage / PagesPerByte);
                }

                if (next > start && !Discard(chain, start, next - start))
                {
                    return false;
                }

                start = Math.Max(next, start + stretch.HostPage);
            }
        }

        Interlocked.Add(ref _refused, isIn ? count - writable : 0);
        return true;
    }

    /// <summary>Gives pages back that the guest does not use for now, and that hold zeros or what they held when it does.</summary>
    private void Report(VirtioChain chain)
    {
        foreach (AddressRange range in chain.Writable)
        {
            // Whole pages in the range.
            ulong frame = (range.Start + (GuestBalloon.PageSize - 1)) / GuestBalloon.PageSize, end = range.End / GuestBalloon.PageSize;
            foreach (BalloonStretch stretch in frame < end ? Clip(frame, (long)(end - frame)) : [])
            {
                (long first, long past) = stretch.Inward;
                if (_poison == 0 && !stretch.KeepsReported && first < past)
                {
                    _ = Discard(chain, first, past - first);
                }
            }
        }
    }

    private IEnumerable<BalloonStretch> Clip(ulong frame, long count)
    {
        if (ram is null)
        {
            return [];
        }

        ulong start = Math.Max(frame, ram.FirstFrame), end = Math.Min(frame + (ulong)count, ram.FirstFrame + (ulong)ram.PageCount);
        return start < end ? ram.Writable((long)(start - ram.FirstFrame), (long)(end - start)) : [];
    }

    private bool Discard(VirtioChain chain, long first, long count)
    {
        chain.Charge(DiscardCost);
        BalloonOutcome outcome = ram!.Discard(first, count, out long freed);
        Interlocked.Add(ref _freed, freed);
        Interlocked.Add(ref _refused, outcome == BalloonOutcome.Failed ? count : 0);
        return outcome != BalloonOutcome.Later;
    }
}
