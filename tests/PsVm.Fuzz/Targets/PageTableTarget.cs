using System.Runtime.InteropServices;
using PsVm.Machine.Board;
using PsVm.Riscv;
using PsVm.Riscv.Mmu;
using PsVm.Riscv.Tests;

namespace PsVm.Fuzz.Targets;

/// <summary>
/// Page tables of anything, in RAM that is page tables all over, in front of read-only memory: whether an access is done, what it reads
/// or why it fails, and all of RAM afterwards are what <see cref="PageWalk"/> says.
/// </summary>
internal sealed unsafe class PageTableTarget : FuzzTarget
{
    private const int Pages = 12, RomPages = 2, EntriesUsed = 4;
    private const ulong PageSize = 4096, RamSize = Pages * PageSize;
    private const int Mstatus = 0x300, Satp = 0x180, Pmpcfg0 = 0x3a0, Pmpaddr0 = 0x3b0;
    private const ulong MachineReadsAsPrevious = 1 << 17, UserMemory = 1 << 18, ExecutableReadable = 1 << 19;

    // The entries of each table that addresses come to.
    private static readonly int[] s_indices = [0, 1, 2, 511];

    private readonly FuzzBoard _board = new(harts: 1, firmware: true, (RamSize, false), (RomPages * PageSize, true));
    private readonly byte[] _expected = new byte[RamSize];

    public override void Run(Dice dice)
    {
        Hart hart = _board.Board.Harts[0];
        Span<byte> ram = _board.Ram.Block(0);
        FillTables(dice, ram);
        ram.CopyTo(_expected);
        int levels = dice.Next(5) switch { 0 => 4, 1 => 5, _ => 3 };
        ulong root = Frame(dice);
        ulong status = dice.Bits() & (UserMemory | ExecutableReadable | (dice.OneIn(4) ? MachineReadsAsPrevious : 0));
        PrivilegeMode mode = dice.OneIn(2) ? PrivilegeMode.Supervisor : dice.OneIn(4) ? PrivilegeMode.Machine : PrivilegeMode.User;
        PrivilegeMode previous = dice.OneIn(2) ? PrivilegeMode.Supervisor : PrivilegeMode.User;
        hart.Mode = PrivilegeMode.Machine;
        hart.TryWriteCsr(Pmpaddr0, ulong.MaxValue);
        hart.TryWriteCsr(Pmpcfg0, 0x1f);
        hart.TryWriteCsr(Mstatus, status | (ulong)previous << 11);
        hart.TryWriteCsr(Satp, (ulong)(levels + 5) << 60 | root);
        hart.Mode = mode;
        hart.Mmu.FlushAll();
        var walk = new PageWalk(_expected, RomPages * PageSize)
        {
            Levels = levels,
            Root = root,
            SupervisorReadsUser = (status & UserMemory) != 0,
            ExecutableIsReadable = (status & ExecutableReadable) != 0,
        };
        PrivilegeMode dataMode = mode == PrivilegeMode.Machine && (status & MachineReadsAsPrevious) != 0 ? previous : mode;
        for (int accesses = dice.Next(4, 20); accesses > 0; accesses--)
        {
            ulong address = Address(dice, levels);
            switch (dice.Next(5))
            {
                case 0:
                    Fetch(hart, walk, address & ~1ul, mode);
                    break;
                case < 3:
                    Load(hart, walk, address, 1 << dice.Next(4), dataMode);
                    break;
                default:
                    Store(hart, walk, address, 1 << dice.Next(4), dice.Bits(), dataMode);
                    hart.Mmu.FlushAll(); // all of RAM is page tables
                    break;
            }
        }

        WrongException.ThrowIfNot(
            ram.SequenceEqual(_expected), $"RAM differs from 0x{MemoryMap.RamStart + (ulong)ram.CommonPrefixLength(_expected):x} on");
    }

    public override void Dispose() => _board.Dispose();

    private static void FillTables(Dice dice, Span<byte> ram)
    {
        Span<ulong> entries = MemoryMarshal.Cast<byte, ulong>(ram);
        for (int page = 0; page < Pages; page++)
        {
            for (int i = 0; i < EntriesUsed; i++)
            {
                entries[(page * 512) + s_indices[i]] = Entry(dice);
            }
        }
    }

    private static ulong Entry(Dice dice)
    {
        const ulong valid = 1;
        ulong flags = dice.Next(8) switch
        {
            < 3 => valid, // another table
            3 => valid | (dice.Bits() & 0xff),
            4 => dice.Bits() & 0x3ff,
            _ => valid | 0xc0 | (dice.Bits() & 0x1e),
        };
        return Frame(dice) << 10 | flags | (dice.OneIn(24) ? dice.Bits() & 0xffc0_0000_0000_0000 : 0);
    }

    /// <summary>The number of a page: mostly of RAM, else of read-only memory, of a superpage, of no memory.</summary>
    private static ulong Frame(Dice dice) => dice.Next(16) switch
    {
        0 => (MemoryMap.RamStart + RamSize + ((ulong)dice.Next(RomPages + 1) * PageSize)) >> 12,
        1 or 2 => MemoryMap.RamStart >> 12,
        3 => Odd.Number(dice) & ((1ul << 44) - 1),
        _ => (MemoryMap.RamStart >> 12) + (ulong)dice.Next(Pages),
    };

    private static ulong Address(Dice dice, int levels)
    {
        ulong address = 0;
        for (int level = 0; level < levels; level++)
        {
            address = address << 9 | (uint)dice.Pick<int>(s_indices);
        }

        address = address << 12 | (dice.OneIn(8) ? PageSize - (uint)dice.Next(1, 9) : (uint)dice.Next((int)PageSize));
        int unused = 64 - (12 + (9 * levels));
        return dice.OneIn(16) ? address ^ 1ul << dice.Next(64) : (ulong)((long)(address << unused) >> unused);
    }

    private static void Fetch(Hart hart, PageWalk walk, ulong address, PrivilegeMode mode)
    {
        byte* found = hart.Mmu.FetchPointer(address, out _);
        int expected = walk.Translate(address, 2, PageWalk.Use.Fetch, mode, out ulong physical);
        Compare($"fetch at 0x{address:x} in {mode}", expected, found is not null, hart);
        if (expected == PageWalk.Done)
        {
            WrongException.ThrowIfNot(
                *(ushort*)found == walk.Read(physical, 2), $"fetch at 0x{address:x} came to another place than 0x{physical:x}");
        }
    }

    private static void Load(Hart hart, PageWalk walk, ulong address, int size, PrivilegeMode mode)
    {
        bool found = hart.Mmu.Load(address, size);
        int expected = walk.Load(address, size, mode, out ulong value);
        Compare($"load of {size} at 0x{address:x} in {mode}", expected, found, hart);
        WrongException.ThrowIfNot(
            expected != PageWalk.Done || hart.State->LoadValue == value,
            $"load of {size} at 0x{address:x}: expected 0x{value:x}, found 0x{hart.State->LoadValue:x}");
    }

    private static void Store(Hart hart, PageWalk walk, ulong address, int size, ulong value, PrivilegeMode mode)
    {
        bool found = hart.Mmu.Store(address, value, size);
        int expected = walk.Store(address, size, value, mode);
        Compare($"store of {size} at 0x{address:x} in {mode}", expected, found, hart);
    }

    private static void Compare(string what, int expected, bool done, Hart hart)
    {
        int found = done ? PageWalk.Done : (int)hart.State->TrapCause;
        WrongException.ThrowIfNot(expected == found || expected == PageWalk.Elsewhere, $"{what}: expected {expected}, found {found}");
    }
}
