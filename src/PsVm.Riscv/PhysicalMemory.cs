namespace PsVm.Riscv;

/// <summary>RAM as harts and devices see it: physical ranges behind host pointers. Shared by all harts of a guest.</summary>
public sealed unsafe class PhysicalMemory
{
    internal const int PageShift = 12;
    internal const ulong PageSize = 1ul << PageShift;

    private readonly List<Hart> _harts = [];
    private Region[] _regions = [];

    /// <summary>Pages in all ranges.</summary>
    internal long PageCount => _regions.Length == 0 ? 0 : _regions[^1].FirstPage + (long)(_regions[^1].Length >> PageShift);

    /// <summary>Adds a range of RAM; all ranges are added before the first hart is made.</summary>
    /// <param name="address">Guest physical address; a multiple of 4096.</param>
    /// <param name="host">Host address of the first byte; a multiple of 4096.</param>
    /// <param name="length">Bytes; a multiple of 4096.</param>
    /// <param name="readOnly">Stores by the guest are access faults.</param>
    /// <exception cref="ArgumentException">Unaligned, empty, or overlapping another range.</exception>
    /// <exception cref="InvalidOperationException">A hart exists already.</exception>
    public void AddRam(ulong address, nint host, ulong length, bool readOnly)
    {
        if (length == 0 || ((address | length | (ulong)host) & (PageSize - 1)) != 0)
        {
            throw new ArgumentException($"RAM at 0x{address:x}, host 0x{host:x}, {length} bytes: not whole pages of {PageSize} bytes");
        }

        if (_regions.Any(r => address < r.Base + r.Length && r.Base < address + length))
        {
            throw new ArgumentException($"RAM at 0x{address:x}, {length} bytes, overlaps RAM that is there already");
        }

        if (_harts.Count != 0)
        {
            throw new InvalidOperationException("RAM cannot be added once a hart exists");
        }

        _regions = [.. _regions, new Region(address, length, (byte*)host, PageCount, readOnly)];
    }

    /// <summary>A host pointer to guest RAM, or null where the whole range is not in one range of RAM.</summary>
    /// <param name="address">Guest physical address.</param>
    /// <param name="length">Bytes.</param>
    public byte* TryGetPointer(ulong address, ulong length) =>
        Find(address) is { } region && length <= region.Length - (address - region.Base) ? region.Host + (address - region.Base) : null;

    /// <summary>Says that a device or the host wrote guest RAM, so that no hart runs stale decoded code.</summary>
    /// <param name="address">Guest physical address.</param>
    /// <param name="length">Bytes.</param>
    public void NotifyWritten(ulong address, ulong length)
    {
        for (ulong page = address & ~(PageSize - 1); page < address + length && Find(page) is { } region; page += PageSize)
        {
            foreach (Hart hart in _harts)
            {
                if (hart.Blocks.HasCode(region.PageAt(page)))
                {
                    hart.RequestInstructionFence();
                }
            }
        }
    }

    /// <summary>The range that holds an address, or null.</summary>
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

    internal void Register(Hart hart) => _harts.Add(hart);

    internal bool HasSeveralHarts => _harts.Count > 1;

    /// <summary>One range of RAM.</summary>
    internal sealed class Region(ulong address, ulong length, byte* host, long firstPage, bool readOnly)
    {
        public readonly ulong Base = address;
        public readonly ulong Length = length;
        public readonly byte* Host = host;
        public readonly long FirstPage = firstPage;
        public readonly bool ReadOnly = readOnly;

        /// <summary>Number of the page at an address, counted over all ranges.</summary>
        public long PageAt(ulong address) => FirstPage + (long)((address - Base) >> PageShift);
    }
}
