using System.Buffers.Binary;
using PsVm.Machine.Board;
using PsVm.Riscv;

namespace PsVm.Fuzz;

/// <summary>
/// Address translation once more, as simple as it can be written and without anything that is kept. Source: RISC-V privileged manual,
/// section "Virtual Address Translation Process". Behind RAM follows read-only memory of zeros.
/// </summary>
/// <param name="ram">RAM, from <see cref="MemoryMap.RamStart"/> on.</param>
/// <param name="romSize">Bytes of read-only memory behind it.</param>
internal sealed class PageWalk(byte[] ram, ulong romSize)
{
    /// <summary>What is returned instead of an exception's number.</summary>
    public const int Done = -1;

    /// <summary>What is returned where devices may be.</summary>
    public const int Elsewhere = -2;

    private const ulong PageSize = 4096;
    private const ulong Valid = 1, Readable = 2, Writable = 4, Executable = 8, User = 16, Accessed = 64, Dirty = 128;

    /// <summary>What an access does.</summary>
    public enum Use
    {
        Fetch,
        Load,
        Store,
    }

    public required int Levels { get; init; }

    public required ulong Root { get; init; }

    public required bool SupervisorReadsUser { get; init; }

    public required bool ExecutableIsReadable { get; init; }

    private ulong RamEnd => MemoryMap.RamStart + (ulong)ram.Length;

    public ulong Read(ulong physical, int size)
    {
        ulong value = 0;
        for (int i = size - 1; i >= 0; i--)
        {
            value = value << 8 | (physical + (ulong)i < RamEnd ? ram[physical + (ulong)i - MemoryMap.RamStart] : 0u);
        }

        return value;
    }

    public int Load(ulong address, int size, PrivilegeMode mode, out ulong value)
    {
        value = 0;
        int failed = Parts(address, size, Use.Load, mode, out ulong first, out ulong second, out int sizeOfFirst);
        if (failed == Done)
        {
            value = Read(first, sizeOfFirst);
            value |= sizeOfFirst < size ? Read(second, size - sizeOfFirst) << (8 * sizeOfFirst) : 0;
        }

        return failed;
    }

    public int Store(ulong address, int size, ulong value, PrivilegeMode mode)
    {
        int failed = Parts(address, size, Use.Store, mode, out ulong physical, out _, out int sizeOfFirst);
        for (int i = 0; i < size && failed == Done; i++)
        {
            // What crosses pages is stored byte by byte, and each finds its own way: the one before may have been to a page table.
            failed = sizeOfFirst == size ? Done : Translate(address + (ulong)i, 1, Use.Store, mode, out physical);
            if (failed == Done)
            {
                ram[physical - MemoryMap.RamStart + (sizeOfFirst == size ? (ulong)i : 0)] = (byte)(value >> (8 * i));
            }
        }

        return failed;
    }

    /// <summary>Translates an access that lies in a page.</summary>
    public int Translate(ulong address, int size, Use use, PrivilegeMode mode, out ulong physical)
    {
        (int pageFault, int accessFault) = use switch { Use.Fetch => (12, 1), Use.Load => (13, 5), _ => (15, 7) };
        physical = address;
        if (mode != PrivilegeMode.Machine)
        {
            int failed = Walk(address, use, mode, pageFault, accessFault, ref physical);
            if (failed != Done)
            {
                return failed;
            }
        }

        if (IsMemory(physical) && (use != Use.Store || physical < RamEnd))
        {
            return Done;
        }

        if (physical < MemoryMap.RamStart && use != Use.Fetch)
        {
            return Elsewhere;
        }

        // Devices are asked for what is aligned only; there are none behind RAM.
        bool aligned = (address & (ulong)(size - 1)) == 0;
        return use == Use.Fetch || IsMemory(physical) || aligned ? accessFault : use == Use.Load ? 4 : 6;
    }

    private int Parts(ulong address, int size, Use use, PrivilegeMode mode, out ulong first, out ulong second, out int sizeOfFirst)
    {
        sizeOfFirst = (int)Math.Min((ulong)size, PageSize - (address % PageSize));
        second = 0;
        if (sizeOfFirst == size)
        {
            return Translate(address, size, use, mode, out first);
        }

        // What crosses pages must be memory in both; the first that is not says why.
        int failed = Translate(address, 1, use, mode, out first);
        failed = failed != Done ? failed : Translate((address | (PageSize - 1)) + 1, 1, use, mode, out second);
        return failed == Elsewhere ? use == Use.Load ? 5 : 7 : failed;
    }

    private bool IsMemory(ulong physical) => physical - MemoryMap.RamStart < (ulong)ram.Length + romSize;

    private int Walk(ulong address, Use use, PrivilegeMode mode, int pageFault, int accessFault, ref ulong physical)
    {
        int unused = 64 - (12 + (9 * Levels));
        if ((ulong)((long)(address << unused) >> unused) != address)
        {
            return pageFault;
        }

        ulong table = Root * PageSize;
        for (int level = Levels - 1; level >= 0; level--)
        {
            int shift = 12 + (9 * level);
            ulong at = table + (((address >> shift) & 511) * 8);
            if (!IsMemory(at))
            {
                return accessFault;
            }

            ulong entry = Read(at, 8);
            ulong target = ((entry >> 10) & ((1ul << 44) - 1)) * PageSize;
            if ((entry & Valid) == 0 || (entry & (Readable | Writable)) == Writable || entry >> 54 != 0)
            {
                return pageFault;
            }

            if ((entry & (Readable | Executable)) == 0)
            {
                if ((entry & (User | Accessed | Dirty)) != 0)
                {
                    return pageFault;
                }

                table = target;
                continue;
            }

            if (!Allows(entry, use, mode) || (target & ((1ul << shift) - 1)) != 0)
            {
                return pageFault;
            }

            ulong marked = entry | Accessed | (use == Use.Store ? Dirty : 0);
            if (marked != entry)
            {
                if (at >= RamEnd)
                {
                    return accessFault;
                }

                BinaryPrimitives.WriteUInt64LittleEndian(ram.AsSpan((int)(at - MemoryMap.RamStart)), marked);
            }

            physical = target | (address & ((1ul << shift) - 1));
            return Done;
        }

        return pageFault;
    }

    private bool Allows(ulong entry, Use use, PrivilegeMode mode)
    {
        bool isUser = (entry & User) != 0;
        if (mode == PrivilegeMode.User ? !isUser : isUser && (use == Use.Fetch || !SupervisorReadsUser))
        {
            return false;
        }

        return use switch
        {
            Use.Fetch => (entry & Executable) != 0,
            Use.Load => (entry & Readable) != 0 || (ExecutableIsReadable && (entry & Executable) != 0),
            _ => (entry & Writable) != 0,
        };
    }
}
