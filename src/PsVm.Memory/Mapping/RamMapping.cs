using Mono.Unix.Native;
using PsVm.Memory.Native;

namespace PsVm.Memory.Mapping;

/// <summary>
/// A block of guest RAM in this process's address space, between two guard pages. All mmap(2) and madvise(2) calls on guest RAM are here.
/// </summary>
internal sealed class RamMapping : IDisposable
{
    // The one behind stops an overrun; the one before also keeps the kernel from merging the block with a neighbour of somebody else's.
    private static readonly nint Guard = Environment.SystemPageSize;

    private readonly BackendPlan _plan;
    private readonly MmapFlags _flags;
    private readonly MmapProts _protection;
    private readonly int _fd;
    private nint _reserved;
    private long _reservedLength;

    private RamMapping(BackendPlan plan, nint reserved, long reservedLength)
    {
        _plan = plan;
        _reserved = reserved;
        _reservedLength = reservedLength;
        Address = RoundUp(reserved + Guard, plan.Align);
        _fd = plan.File?.Fd ?? -1;
        _protection = plan.Options.ReadOnly ? MmapProts.PROT_READ : MmapProts.PROT_READ | MmapProts.PROT_WRITE;
        _flags = (plan.Options.Share ? MmapFlags.MAP_SHARED : MmapFlags.MAP_PRIVATE) | MmapFlags.MAP_FIXED
            | (_fd < 0 ? MmapFlags.MAP_ANONYMOUS : 0) | (plan.NoReserve ? MmapFlags.MAP_NORESERVE : 0);
    }

    /// <summary>First byte, aligned as asked.</summary>
    public nint Address { get; }

    /// <summary>Bytes.</summary>
    public long Size => _plan.Options.Size;

    /// <summary>Maps the plan's file or anonymous memory, or says why not and leaves nothing mapped.</summary>
    public static (RamMapping? Mapping, BackendError? Error) Map(BackendPlan plan)
    {
        var length = ReservationFor(plan);
        var reserved = Syscall.mmap(
            0, (ulong)length, MmapProts.PROT_NONE, MmapFlags.MAP_PRIVATE | MmapFlags.MAP_ANONYMOUS | MmapFlags.MAP_NORESERVE, -1, 0);
        if (reserved == Syscall.MAP_FAILED)
        {
            return (null, HostMemory.AddressSpaceExhausted(length));
        }

        var mapping = new RamMapping(plan, reserved, length);
        if (mapping.MapFile(0, mapping.Size) is var error and not 0)
        {
            mapping.Dispose();
            return (null, DescribeFailure(plan, error));
        }

        mapping.Trim();
        return (mapping, null);
    }

    /// <summary>Bytes of address space that mapping the plan takes: the block, room to align it, and the guard pages.</summary>
    public static long ReservationFor(BackendPlan plan) => plan.Options.Size + plan.Align + (2 * Guard);

    /// <summary>Maps the file, or the anonymous memory of the block, over a range; whatever was there goes at once.</summary>
    public Errno MapFile(long offset, long length) =>
        MapOver(offset, length, _flags, _fd, _fd < 0 ? 0 : _plan.Options.Offset + offset);

    /// <summary>Lays zeros over a range: anonymous memory that the file does not see.</summary>
    public Errno MapOverlay(long offset, long length) => MapOver(
        offset, length, MmapFlags.MAP_PRIVATE | MmapFlags.MAP_ANONYMOUS | MmapFlags.MAP_FIXED | MmapFlags.MAP_NORESERVE, -1, 0);

    public Errno Advise(long offset, long length, int advice) => Errors.Of(LibC.Madvise(Address + (nint)offset, (nuint)length, advice));

    /// <summary>Applies what the options say of placement, merging and dumping to a range that was just mapped.</summary>
    /// <returns>Why the placement failed; null when it did not.</returns>
    public BackendError? ApplyAdvice(long offset, long length)
    {
        var options = _plan.Options;
        if (options.Merge)
        {
            _ = Advise(offset, length, LibC.MadvMergeable);
        }

        if (!options.Dump)
        {
            _ = Advise(offset, length, LibC.MadvDontDump);
        }

        return NumaNodes.Bind(Address + (nint)offset, length, options.NumaPolicy, options.HostNodes);
    }

    /// <summary>Bytes of a range that are in memory: private, shared or in the page cache.</summary>
    public long ResidentBytes(long offset, long length)
    {
        var pages = new byte[length / Environment.SystemPageSize];
        return Syscall.mincore(Address + (nint)offset, (ulong)length, pages) == 0
            ? pages.Count(p => (p & 1) != 0) * (long)Environment.SystemPageSize
            : 0;
    }

    /// <summary>A view of a range; valid while mapped.</summary>
    public unsafe Span<byte> Bytes(long offset, int length) => new((byte*)Address + offset, length);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_reserved != 0)
        {
            _ = Syscall.munmap(_reserved, (ulong)_reservedLength);
            _reserved = 0;
        }
    }

    private Errno MapOver(long offset, long length, MmapFlags flags, int fd, long fileOffset) =>
        Errors.Of(Syscall.mmap(Address + (nint)offset, (ulong)length, _protection, flags, fd, fileOffset));

    /// <summary>Gives back what alignment did not need, all but the guard pages.</summary>
    private void Trim()
    {
        var start = Address - Guard;
        var end = Address + (nint)Size + Guard;
        Unmap(_reserved, start - _reserved);
        Unmap(end, _reserved + (nint)_reservedLength - end);
        _reserved = start;
        _reservedLength = end - start;
    }

    private static void Unmap(nint address, nint length)
    {
        if (length > 0)
        {
            _ = Syscall.munmap(address, (ulong)length);
        }
    }

    private static BackendError DescribeFailure(BackendPlan plan, Errno error) => error switch
    {
        Errno.ENOMEM when plan.HugeTlb => HostMemory.NotEnoughHugePages(plan.Options.Size, plan.PageSize, plan.Path!),
        Errno.ENOMEM => HostMemory.NotEnoughMemory(plan.Options.Size),
        _ => new(
            MemoryErrorIds.MapFailed, $"{plan.Options.Size} bytes cannot be mapped with {plan.MapFlags}: {Errors.Describe(error)}.", null),
    };

    private static nint RoundUp(nint value, long multiple) => (nint)((value + multiple - 1) & -multiple);
}
