using System.Diagnostics;

namespace PsVm.Riscv.Memory;

/// <summary>A guest's RAM: blocks at physical addresses. Shared by all harts of a guest, and by whatever else reaches RAM.</summary>
/// <remarks>
/// Harts have their fast way through the TLB, which is filled from here. Everybody else (SBI, loader, devices, checkpoints) reads and
/// writes through this class alone: it knows the ends of blocks, holes and read-only blocks, answers with a value instead of failing,
/// and tells of what was written to those who keep decoded code or count dirty pages.
/// </remarks>
public sealed unsafe partial class PhysicalMemory
{
    internal const int PageShift = 12;
    internal const ulong PageSize = 1ul << PageShift;

    private Hart[] _harts = []; // replaced as a whole: others look while a guest is put together
    private Region[] _regions = [];
    private DirtyPages? _dirty;
    private IPageGuard? _guard;

    /// <summary>Whether there is any; a board that is only looked at has none.</summary>
    public bool HasRam => _regions.Length != 0;

    /// <summary>
    /// Nobody writes it but the guest's harts, and those who come through here: no other process and no other guest has it. Set before the
    /// first hart is made.
    /// </summary>
    public bool IsPrivate { get; set; }

    /// <summary>
    /// How often other harts than one have ended a run; null: one of them runs, or others may write. As long as it stays the same, whoever
    /// writes code that the hart has decoded has told it.
    /// </summary>
    /// <remarks>
    /// A hart runs, stores, counts and runs no more. Counts are read on both sides: a run that ends meanwhile shows in the second one, and
    /// one that has ended is in the first.
    /// </remarks>
    internal long? RunsOfOthers(Hart hart)
    {
        long runs = 0;
        foreach (Hart other in _harts)
        {
            if (other == hart)
            {
                continue;
            }

            long before = other.Runs;
            if (other.IsRunning || other.Runs != before)
            {
                return null;
            }

            runs += before;
        }

        return IsPrivate ? runs : null;
    }

    /// <summary>Pages in all ranges.</summary>
    internal long PageCount => _regions.Length == 0 ? 0 : _regions[^1].FirstPage + (long)(_regions[^1].Length >> PageShift);

    /// <summary>Adds a range of RAM; all ranges are added before the first hart is made.</summary>
    /// <param name="address">Guest physical address; a multiple of 4096.</param>
    /// <param name="host">Host address of the first byte; a multiple of 4096.</param>
    /// <param name="length">Bytes; a multiple of 4096.</param>
    /// <param name="readOnly">Stores by the guest are access faults.</param>
    /// <exception cref="ArgumentException">Unaligned, empty, beyond the last address, or overlapping another range.</exception>
    /// <exception cref="InvalidOperationException">A hart exists already.</exception>
    public void AddRam(ulong address, nint host, ulong length, bool readOnly)
    {
        if (length == 0 || ((address | length | (ulong)host) & (PageSize - 1)) != 0)
        {
            throw new ArgumentException($"RAM at 0x{address:x}, host 0x{host:x}, {length} bytes: not whole pages of {PageSize} bytes");
        }

        // The last page is left out, so that one past the end of a range is always an address.
        if (address > ulong.MaxValue - PageSize || length > ulong.MaxValue - PageSize - address)
        {
            throw new ArgumentException($"RAM at 0x{address:x}, {length} bytes, ends beyond the last address");
        }

        if (_regions.Any(r => address < r.Base + r.Length && r.Base < address + length))
        {
            throw new ArgumentException($"RAM at 0x{address:x}, {length} bytes, overlaps RAM that is there already");
        }

        if (_harts.Length != 0)
        {
            throw new InvalidOperationException("RAM cannot be added once a hart exists");
        }

        _regions = [.. _regions, new Region(address, length, (byte*)host, PageCount, readOnly)];
    }

    /// <summary>Begins to note which pages are written, all of them as not written yet, or ends it. Not on a hart's thread.</summary>
    public void TrackDirtyPages(bool track)
    {
        Volatile.Write(ref _dirty, track ? new DirtyPages(PageCount) : null);
        ForgetTranslations();
    }

    /// <summary>Which pages were written since they were last asked for, and from now on are not. Not on a hart's thread.</summary>
    /// <remarks>
    /// Harts may run: what they wrote to these pages is there when this returns, and what they write later marks its page again.
    /// </remarks>
    /// <returns>One bit a page, counted over all blocks in the order of their addresses; null: they are not tracked.</returns>
    public ulong[]? TakeDirtyPages()
    {
        ulong[]? taken = Volatile.Read(ref _dirty)?.Take();
        if (taken is not null)
        {
            ForgetTranslations();
        }

        return taken;
    }

    /// <summary>
    /// Has a guard asked before the first write to each page from now on, whoever writes, or no longer. Not on a hart's thread; who is no
    /// hart does not write meanwhile.
    /// </summary>
    /// <remarks>
    /// Who wants all pages as they are at one moment has the harts stand still meanwhile. Those that run may write some pages without
    /// asking until this returns, after the guard was asked about others.
    /// </remarks>
    /// <param name="guard">
    /// Is asked; null: nobody is. One that was set before may be asked until this returns, and a hart's write behind that.
    /// </param>
    public void Guard(IPageGuard? guard)
    {
        Volatile.Write(ref _guard, guard);
        if (guard is not null)
        {
            ForgetTranslations();
        }
    }

    /// <summary>
    /// Says that somebody who is not a hart wrote guest RAM, or took what was in it away, so that no hart runs stale decoded code. Called
    /// after the write, from any thread. Holes and addresses beyond RAM may be part of the range.
    /// </summary>
    /// <param name="address">Guest physical address.</param>
    /// <param name="length">Bytes; what of them is not RAM is passed over.</param>
    public void NotifyWritten(ulong address, ulong length)
    {
        if (length == 0)
        {
            return;
        }

        Interlocked.MemoryBarrier(); // a hart that comes to a page either sees what was written, or has marked it below
        ulong last = address + Math.Min(length - 1, ulong.MaxValue - address);
        foreach (Region region in _regions)
        {
            ulong first = Math.Max(address, region.Base), end = Math.Min(last, region.Base + (region.Length - 1));
            if (first <= end)
            {
                (long firstPage, long lastPage) = (region.PageAt(first), region.PageAt(end));
                Volatile.Read(ref _dirty)?.Mark(firstPage, lastPage - firstPage + 1);
                NotifyWritten(firstPage, lastPage);
            }
        }
    }

    /// <summary>As <see cref="NotifyWritten(ulong, ulong)"/>, for all RAM: anything may be another now.</summary>
    public void NotifyAllWritten() => Array.ForEach(_harts, hart => hart.RequestInstructionFence());

    /// <summary>Whether no other hart is there.</summary>
    internal bool IsOnly(Hart hart) => _harts is [var only] && only == hart;

    /// <summary>Whether a hart has decoded instructions of a page, by its number. Safe from any thread.</summary>
    internal bool HasCode(long page)
    {
        foreach (Hart hart in _harts)
        {
            if (hart.Blocks.HasCode(page))
            {
                return true;
            }
        }

        return false;
    }

    private void NotifyWritten(long firstPage, long lastPage)
    {
        foreach (Hart hart in _harts)
        {
            if (hart.Blocks.HasCode(firstPage, lastPage))
            {
                hart.RequestInstructionFence();
            }
        }
    }

    /// <summary>The block that holds an address, or null.</summary>
    internal Region? Find(ulong address)
    {
        foreach (Region region in _regions)
        {
            if (address - region.Base < region.Length)
            {
                return region;
            }
        }

        return null;
    }

    /// <summary>Number of the page behind a host address, which lies in RAM.</summary>
    internal long PageAt(byte* host)
    {
        foreach (Region region in _regions)
        {
            if ((ulong)(host - region.Host) < region.Length)
            {
                return region.FirstPage + ((host - region.Host) >> PageShift);
            }
        }

        throw new ArgumentException($"host address 0x{(nint)host:x} is not in RAM");
    }

    /// <summary>Notes that a hart is about to write a page, by its number.</summary>
    internal void MarkDirty(long page) => Volatile.Read(ref _dirty)?.Mark(page, 1);

    /// <summary>Asks the guard before a page is written, by its number; returns when it may be.</summary>
    internal void BeforeWrite(long page) => Volatile.Read(ref _guard)?.BeforeWrite(page, 1);

    /// <summary>The first write to a page would be noted or asked about, so a hart must not be able to write there unnoticed.</summary>
    internal bool WantsToKnowWriteTo(long page) => (Volatile.Read(ref _dirty) is { } dirty && !dirty.IsMarked(page))
        || Volatile.Read(ref _guard)?.IsGuarded(page) == true;

    /// <summary>Returns when no hart can write where it could write unnoticed before.</summary>
    /// <remarks>
    /// A hart that runs marks a page before it writes there and lets the page be written unnoticed from then on. It has done that write,
    /// and forgotten the page, when it has served a fence that was asked for later.
    /// </remarks>
    private void ForgetTranslations()
    {
        Array.ForEach(_harts, hart => hart.RequestAddressFence());
        foreach (Hart hart in _harts)
        {
            SpinWait spin = default;
            while (hart.IsFencePending)
            {
                spin.SpinOnce(sleep1Threshold: -1);
            }
        }
    }

    /// <summary>A hart runs on this RAM from now on. One thread at a time makes harts and disposes of them.</summary>
    internal void Register(Hart hart) => _harts = [.. _harts, hart];

    /// <summary>A hart is about to be disposed of: it is told of nothing any more by whoever asks for it from now on.</summary>
    internal void Unregister(Hart hart) => _harts = [.. _harts.Where(other => other != hart)];

    /// <summary>One range of RAM.</summary>
    /// <remarks>Safety: whoever made the RAM keeps the host memory mapped until the last hart is disposed of.</remarks>
    internal sealed class Region(ulong address, ulong length, byte* host, long firstPage, bool readOnly)
    {
        public readonly ulong Base = address;
        public readonly ulong Length = length;
        public readonly byte* Host = host;
        public readonly long FirstPage = firstPage;
        public readonly bool ReadOnly = readOnly;

        /// <summary>Number of the page at an address, counted over all ranges.</summary>
        public long PageAt(ulong address)
        {
            Debug.Assert(address - Base < Length, "an address of this block");
            return FirstPage + (long)((address - Base) >> PageShift);
        }
    }
}
