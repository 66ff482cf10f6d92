namespace PsVm.Riscv.Memory;

/// <content>
/// RAM of which pages come later. A hart that comes to one that is not there leaves its run before the instruction; whoever else does
/// waits.
/// </content>
public sealed unsafe partial class PhysicalMemory
{
    private IPageSource? _source;

    /// <summary>Has a source asked for each page before its first use from now on, or no longer.</summary>
    /// <param name="source">Is asked; set before a hart has run. Null: all pages are there.</param>
    public void FillFrom(IPageSource? source) => Volatile.Write(ref _source, source);

    /// <summary>Some pages may be still to come.</summary>
    internal bool IsFilled => Volatile.Read(ref _source) is not null;

    /// <summary>
    /// Whether all RAM of a range is there. Does not wait: what is not is asked for. Addresses that are no RAM do not count.
    /// </summary>
    /// <param name="address">First address.</param>
    /// <param name="length">Bytes.</param>
    public bool TryHave(GuestAddress address, ulong length)
    {
        if (length == 0 || Volatile.Read(ref _source) is not { } source)
        {
            return true;
        }

        bool has = true;
        ulong last = address.Value + Math.Min(length - 1, ulong.MaxValue - address.Value);
        foreach (Region region in _regions)
        {
            ulong first = Math.Max(address.Value, region.Base), end = Math.Min(last, region.Base + (region.Length - 1));
            if (first <= end)
            {
                has &= source.TryHave(region.PageAt(first), region.PageAt(end) - region.PageAt(first) + 1);
            }
        }

        return has;
    }

    /// <summary>Whether a hart may look at a page now, by its number; else it is asked for.</summary>
    internal bool TryHave(long page) => Volatile.Read(ref _source)?.TryHave(page, 1) != false;

    /// <summary>Returns when pages of a block are there.</summary>
    /// <returns>False: they cannot be had.</returns>
    private bool Await(Region region, ulong offset, int size)
    {
        if (Volatile.Read(ref _source) is not { } source)
        {
            return true;
        }

        long first = region.PageAt(region.Base + offset);
        return source.Await(first, region.PageAt(region.Base + offset + (ulong)size - 1) - first + 1);
    }
}
