using System.Diagnostics;
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

    private const int NoSlot = -1;

    private readonly OpenedBackend _opened;
    private readonly MmapFlags _flags;
    private readonly MmapProts _protection;
    private readonly int _fd;
    private nint _reserved;
    private long _reservedLength;
    private int _faultSlot = NoSlot;
    private RamFaultNote? _lastFault;

    private RamMapping(OpenedBackend opened, nint reserved, long reservedLength)
    {
        _opened = opened;
        _reserved = reserved;
        _reservedLength = reservedLength;
        Address = RoundUp(reserved + Guard, opened.Decision.Align);
        _fd = opened.File?.Fd ?? -1;
        _protection = opened.Options.ReadOnly ? MmapProts.PROT_READ : MmapProts.PROT_READ | MmapProts.PROT_WRITE;
        _flags = (opened.Options.Share ? MmapFlags.MAP_SHARED : MmapFlags.MAP_PRIVATE) | MmapFlags.MAP_FIXED
            | (_fd < 0 ? MmapFlags.MAP_ANONYMOUS : 0) | (opened.Decision.NoReserve ? MmapFlags.MAP_NORESERVE : 0);
    }

    /// <summary>mmap(2); a test may stand in for a kernel that fails.</summary>
    internal Func<nint, ulong, MmapProts, MmapFlags, int, long, nint> Mmap { get; set; } = Syscall.mmap;

    /// <summary>First byte, aligned as asked.</summary>
    public nint Address { get; }

    /// <summary>Bytes.</summary>
    public long Size => _opened.Options.Size;

    /// <summary>What lies over the block's own file; null: nothing.</summary>
    public RamLayers? Layers { get; private set; }

    /// <summary>Where it was touched first without a page to be had; null: nowhere.</summary>
    public RamFaultNote? Fault
    {
        get
        {
            // Another mapping may get the slot while this one is disposed; what was found then is not this one's.
            int slot = Volatile.Read(ref _faultSlot);
            RamFaultNote? found = slot == NoSlot ? null : RamFaultTable.Find(slot);
            return slot != NoSlot && slot == Volatile.Read(ref _faultSlot) ? found : _lastFault;
        }
    }

    /// <summary>Maps the open file or anonymous memory, or says why not and leaves nothing mapped.</summary>
    public static (RamMapping? Mapping, BackendError? Error) Map(OpenedBackend opened)
    {
        var length = ReservationFor(opened);
        var reserved = Syscall.mmap(
            0, (ulong)length, MmapProts.PROT_NONE, MmapFlags.MAP_PRIVATE | MmapFlags.MAP_ANONYMOUS | MmapFlags.MAP_NORESERVE, -1, 0);
        if (reserved == Syscall.MAP_FAILED)
        {
            return (null, HostMemory.AddressSpaceExhausted(length));
        }

        var mapping = new RamMapping(opened, reserved, length);
        if (mapping.MapFile(0, mapping.Size) is var error and not 0)
        {
            mapping.Dispose();
            return (null, DescribeFailure(opened, error));
        }

        mapping.Trim();
        mapping._faultSlot = RamFaultTable.Add(mapping.Address, mapping.Size, opened.Decision.PageSize, mapping._protection) ?? NoSlot;
        if (mapping._faultSlot == NoSlot && RamFaultTable.Unavailable is null)
        {
            mapping.Dispose();
            return (null, new(
                MemoryErrorIds.TooManyMappings,
                $"This process has {RamFaultTable.Capacity} blocks of guest RAM mapped, which is as many as it can watch.",
                "Remove backends, or use another process."));
        }

        return (mapping, null);
    }

    /// <summary>Bytes of address space that mapping the opened takes: the block, room to align it, and the guard pages.</summary>
    public static long ReservationFor(OpenedBackend opened) => opened.Options.Size + opened.Decision.Align + (2 * Guard);

    /// <summary>
    /// Maps the file and the layers over it, or the anonymous memory of the block, over a range; whatever was there goes at once.
    /// </summary>
    public Errno MapFile(long offset, long length)
    {
        if (Layers is null)
        {
            return MapOver(offset, length, _flags, _fd, _fd < 0 ? 0 : _opened.Options.Offset + offset);
        }

        foreach (RamPiece piece in Layers.Pieces.Within(offset, offset + length))
        {
            if (MapPiece(piece) is var error and not 0)
            {
                return error;
            }
        }

        return 0;
    }

    /// <summary>Maps layers over the block's own file, for good, and holds their files. Nobody uses the memory yet.</summary>
    /// <returns>Why not; some are mapped then, and the mapping is good for nothing but to be disposed.</returns>
    public Errno Lay(RamLayers layers)
    {
        Debug.Assert(Layers is null && layers.Pieces.Size == Size, "layers of another block, or once more");
        Layers = layers;
        foreach (RamPiece piece in layers.Pieces.All)
        {
            if (piece.MappedLayer != 0 && MapPiece(piece) is var error and not 0)
            {
                return error;
            }
        }

        return 0;
    }

    /// <summary>Which file has the content of a part, and the place in it of the block's first byte.</summary>
    public (int Fd, long Offset) FileOf(RamPiece piece) =>
        piece.Layer == 0 ? (_fd, _opened.Options.Offset) : (Layers!.Files[piece.Layer - 1].Fd, 0);

    /// <summary>The parts of a range by the file that has their content.</summary>
    public IEnumerable<RamPiece> PiecesWithin(long start, long end) => Layers?.Pieces.Within(start, end) ?? [new RamPiece(start, end, 0)];

    /// <summary>Lays zeros over a range: anonymous memory that the file does not see.</summary>
    public Errno MapOverlay(long offset, long length) => MapOver(
        offset, length, MmapFlags.MAP_PRIVATE | MmapFlags.MAP_ANONYMOUS | MmapFlags.MAP_FIXED | MmapFlags.MAP_NORESERVE, -1, 0);

    public Errno Advise(long offset, long length, int advice) => Errors.Of(LibC.Madvise(Address + (nint)offset, (nuint)length, advice));

    /// <summary>Drops the private copies of a range of a private file mapping, so that the file shows.</summary>
    /// <remarks>
    /// Only the copies where the kernel can tell which they are: to take away the file's own pages as well takes longer, and who reads them
    /// next would have to be given each of them again.
    /// </remarks>
    public Errno DropCopies(long offset, long length)
    {
        if (!_opened.Decision.HugeTlb && PageScan.VisitAnonymous(Address + (nint)offset, length, PageDrop.Drop))
        {
            return 0;
        }

        Errno error = Advise(offset, length, LibC.MadvDontNeed);

        // Mappings of hugetlbfs have it since Linux 5.18.
        return error == Errno.EINVAL ? MapFile(offset, length) : error;
    }

    /// <summary>Applies what the options say of placement, merging and dumping to a range that was just mapped.</summary>
    /// <returns>Why the placement failed; null when it did not.</returns>
    public BackendError? ApplyAdvice(long offset, long length)
    {
        var options = _opened.Options;
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

    /// <summary>
    /// Touches a page that a system call could not reach, which tells it by EFAULT and not by a signal, so that the fault is noted.
    /// </summary>
    /// <param name="offset">Where the call failed.</param>
    /// <param name="write">The call was to write there; the content stays as it is.</param>
    /// <remarks>Safety: the offset is inside the block, which is mapped; memory that is written is mapped writable.</remarks>
    public unsafe void Touch(long offset, bool write)
    {
        Debug.Assert(offset >= 0 && offset < Size && _reserved != 0, "not in the block");
        ref int word = ref *(int*)(Address + (nint)(offset & -sizeof(int)));
        _ = write && _protection.HasFlag(MmapProts.PROT_WRITE) ? Interlocked.Or(ref word, 0) : Volatile.Read(ref word);
    }

    /// <summary>Lets this process write to RAM that is read-only, to fill it before its guest runs, or no longer.</summary>
    /// <remarks>The whole block, since a part of it would be a mapping more.</remarks>
    public Errno LetFill(bool may) =>
        Errors.Of(Syscall.mprotect(Address, (ulong)Size, may ? _protection | MmapProts.PROT_WRITE : _protection));

    /// <summary>A view of a range; valid while mapped.</summary>
    /// <remarks>Safety: the range is inside the block, and the backend's lock keeps it mapped while the view is used.</remarks>
    public unsafe Span<byte> Bytes(long offset, int length) => new((byte*)Address + offset, length);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_faultSlot is var slot and not NoSlot)
        {
            _lastFault = RamFaultTable.Find(slot);
            Volatile.Write(ref _faultSlot, NoSlot);
            RamFaultTable.Remove(slot);
        }

        if (_reserved != 0)
        {
            _ = Syscall.munmap(_reserved, (ulong)_reservedLength);
            _reserved = 0;
            Layers?.Dispose();
        }
    }

    /// <summary>
    /// Sees to it that a range is mapped after mmap(2) over it failed: kernels before 6.12 take away what was there first. Guest RAM must
    /// have no hole, where an access ends the process.
    /// </summary>
    /// <param name="offset">Start of the range.</param>
    /// <param name="length">Bytes.</param>
    /// <param name="wasOverlay">What was there, and joins its neighbours again, so that it costs no mapping.</param>
    /// <returns>False: it cannot be mapped; zeros are over the whole block, and that is noted as a fault.</returns>
    public bool Restore(long offset, long length, bool wasOverlay)
    {
        if (IsMapped(offset, length) || (wasOverlay ? MapOverlay(offset, length) : MapFile(offset, length)) == 0)
        {
            return true;
        }

        if (_faultSlot != NoSlot)
        {
            RamFaultTable.Note(_faultSlot, offset);
        }

        _ = MapOverlay(0, Size);
        Debug.Assert(IsMapped(0, Size), "one mapping more than none could not be had");
        return false;
    }

    private bool IsMapped(long offset, long length) =>
        Syscall.mincore(Address + (nint)offset, (ulong)length, new byte[length / Environment.SystemPageSize]) == 0;

    private Errno MapPiece(RamPiece piece)
    {
        (int fd, long offset) = FileOf(piece with { Layer = piece.MappedLayer });
        return MapOver(piece.Start, piece.Length, _flags, fd, offset + piece.Start);
    }

    /// <summary>
    /// Maps a file or zeros over a range. Of what is read-only nothing is ever reserved, also once it was filled (<see cref="LetFill"/>): a
    /// mapping for which memory is reserved would join no neighbour for which none is.
    /// </summary>
    private Errno MapOver(long offset, long length, MmapFlags flags, int fd, long fileOffset) => Errors.Of(Mmap(
        Address + (nint)offset,
        (ulong)length,
        _protection,
        _protection.HasFlag(MmapProts.PROT_WRITE) || flags.HasFlag(MmapFlags.MAP_SHARED) ? flags : flags | MmapFlags.MAP_NORESERVE,
        fd,
        fileOffset));

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

    private static BackendError DescribeFailure(OpenedBackend opened, Errno error) => error switch
    {
        Errno.ENOMEM when opened.Decision.HugeTlb =>
            HostMemory.NotEnoughHugePages(opened.Options.Size, opened.Decision.PageSize, opened.Decision.Path!),
        Errno.ENOMEM => HostMemory.NotEnoughMemory(opened.Options.Size),
        _ => new(
            MemoryErrorIds.MapFailed, $"{ByteSize.ToExactText(opened.Options.Size)} cannot be mapped with "
                + $"{opened.Decision.MapFlags}: {Errors.Describe(error)}.", null),
    };

    private static nint RoundUp(nint value, long multiple) => (nint)((value + multiple - 1) & -multiple);
}
