using PsVm.Machine.Devices.Virtio.Balloon;
using PsVm.Memory;

namespace PsVm.Machine.Board.Slots;

/// <summary>
/// A guest's RAM as its balloon has it: each discard goes to the backend of its block, which does what its policy says, and tells harts.
/// </summary>
internal sealed class BalloonRam : IBalloonRam
{
    private const int PageShift = 12;

    private readonly (MemoryBackend Backend, long First, long Count, long HostPage)[] _blocks;

    /// <param name="ram">The RAM; it is there until the device has come to rest for good.</param>
    public BalloonRam(GuestRam ram)
    {
        FirstFrame = MemoryMap.RamStart >> PageShift;
        _blocks =
        [
            .. ram.Backends.Zip(ram.Memory.Blocks, (backend, block) => (
                backend,
                PageOf(block.Range.Start),
                (long)(block.Range.Size >> PageShift),
                Math.Max(1, backend.Outcome.PageSize >> PageShift))),
        ];
        PageCount = _blocks.Sum(block => block.Count);
    }

    public ulong FirstFrame { get; }

    public long PageCount { get; }

    public IEnumerable<BalloonStretch> Writable(long first, long count)
    {
        foreach ((MemoryBackend backend, long start, long pages, long hostPage) in _blocks)
        {
            (long from, long to) = (Math.Max(first, start), Math.Min(first + count, start + pages));
            if (from < to && !backend.Options.ReadOnly)
            {
                bool keepsReported = backend.Outcome.EffectiveDiscardPolicy == DiscardPolicy.RestoreTemplate;
                yield return new BalloonStretch(from, to - from, start, hostPage, keepsReported);
            }
        }
    }

    public BalloonOutcome Discard(long first, long count, out long freed)
    {
        (MemoryBackend backend, long start, _, _) = Array.Find(_blocks, block => first - block.First < block.Count && first >= block.First);
        freed = 0;
        try
        {
            if (backend.TryDiscardForGuest((first - start) << PageShift, count << PageShift) is not { } outcome)
            {
                return BalloonOutcome.Later;
            }

            freed = outcome.BytesFreed;
            return BalloonOutcome.Done;
        }
        catch (MemoryBackendException)
        {
            // Denied since, a lost page, or the kernel's refusal: the guest keeps its page, and one whose RAM is lost ends by that.
            return BalloonOutcome.Failed;
        }
    }

    private static long PageOf(ulong address) => (long)((address - MemoryMap.RamStart) >> PageShift);
}
