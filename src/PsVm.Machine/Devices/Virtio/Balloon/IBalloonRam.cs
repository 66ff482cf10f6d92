namespace PsVm.Machine.Devices.Virtio.Balloon;

/// <summary>
/// The RAM that a balloon takes pages of and gives back. Its pages are counted from its first address; ROM and gaps count, too.
/// </summary>
internal interface IBalloonRam
{
    /// <summary>Number of the page frame of its first page: guest physical address / 4096.</summary>
    ulong FirstFrame { get; }

    /// <summary>Pages of 4096 bytes.</summary>
    long PageCount { get; }

    /// <summary>The stretches of writable RAM in a range of pages, each with the pages that the host can give back one by one.</summary>
    /// <param name="first">Number of the first page.</param>
    /// <param name="count">How many, all of them below <see cref="PageCount"/>.</param>
    IEnumerable<BalloonStretch> Writable(long first, long count);

    /// <summary>Gives whole host pages of one stretch back to the host, as the policy of their memory says.</summary>
    /// <param name="first">Number of the first page.</param>
    /// <param name="count">How many.</param>
    /// <param name="freed">Bytes that the host got back.</param>
    BalloonOutcome Discard(long first, long count, out long freed);
}

/// <summary>Pages of writable RAM in one block.</summary>
/// <param name="First">Number of the first.</param>
/// <param name="Count">How many.</param>
/// <param name="BlockStart">Number of the block's first page.</param>
/// <param name="HostPage">Pages of the guest in one page of what backs the block; a power of two.</param>
/// <param name="KeepsReported">A page that is discarded holds neither what it held nor zeros, so one that is only reported is not.</param>
internal readonly record struct BalloonStretch(long First, long Count, long BlockStart, long HostPage, bool KeepsReported)
{
    /// <summary>The whole host pages that have a page in it.</summary>
    public (long First, long End) Outward => (Down(First), Down(First + Count - 1) + HostPage);

    /// <summary>The whole host pages in it; none, where the end is not beyond the start.</summary>
    public (long First, long End) Inward => (Down(First + HostPage - 1), Down(First + Count));

    // Blocks begin and end with host pages.
    private long Down(long page) => BlockStart + ((page - BlockStart) & -HostPage);
}

/// <summary>What came of a discard.</summary>
internal enum BalloonOutcome
{
    /// <summary>It was done; what held memory may have been freed.</summary>
    Done,

    /// <summary>The memory must stay as it is for now: it is being copied.</summary>
    Later,

    /// <summary>It was refused, or failed.</summary>
    Failed,
}
