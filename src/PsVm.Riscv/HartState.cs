using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PsVm.Riscv.Csr;
using PsVm.Riscv.Decoding;
using PsVm.Riscv.Interpreter;
using PsVm.Riscv.Memory;
using PsVm.Riscv.Mmu;
using PsVm.Riscv.Translation.Units;

namespace PsVm.Riscv;

/// <summary>
/// What changes between two instructions, in native memory at a fixed address, so that generated code can reach it.
/// </summary>
/// <remarks>
/// Safety: the hart makes it and frees it, and is the only one to write it while it runs, but for <see cref="Limit"/>. Pointers in it are
/// to the hart's own tables, and <see cref="ReservedHost"/> to an aligned word of mapped RAM.
/// </remarks>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct HartState
{
    // What translated code looks at most stands first, so that a short offset reaches it (BlockTranslator.StateBias).

    /// <summary>The block loop ends when <see cref="Retired"/> has come this far; other threads set it to 0.</summary>
    public ulong Limit;

    /// <summary>Virtual address of the page that translated code is in, which makes that code independent of where the page is.</summary>
    public ulong PageBase;

    /// <summary>What of an address, shifted, is the offset of its entry in a TLB, in bytes; the same for all.</summary>
    public ulong TlbMask;

    /// <summary>mstatus.FS: 0 off, 1 initial, 2 clean, 3 dirty.</summary>
    public uint FloatStatus;

    /// <summary>frm.</summary>
    public uint FloatRounding;

    /// <summary>Integer registers; the one at <see cref="Op.Sink"/> takes writes to x0, which itself stays 0.</summary>
    public fixed ulong X[33];

    /// <summary>Floating point registers; single precision values are NaN-boxed.</summary>
    public fixed ulong F[32];

    /// <summary>Address of the next instruction; up to date between blocks only.</summary>
    public ulong Pc;

    /// <summary>What makes a single precision value NaN-boxed: 16 bytes, aligned so.</summary>
    public fixed ulong Box[2];

    /// <summary>Instructions retired; up to date between blocks only.</summary>
    public ulong Retired;

    /// <summary>What it has of the mode that it is in.</summary>
    public HartContext Context;

    /// <summary>
    /// What comes in place of <see cref="Context"/> where translated code goes to user or supervisor mode by itself, in the address space
    /// in use, while one of them is the mode. Empty: C# has to see to that.
    /// </summary>
    public HartContext UserContext, SupervisorContext;

    /// <summary>
    /// The TLB of supervisor mode in the address space in use, where <see cref="SupervisorContext"/> is known; and with access to user
    /// pages.
    /// </summary>
    public TlbEntry* SupervisorTlb, UserMemoryTlb;

    /// <summary>Traps taken since the hart was made.</summary>
    public ulong Traps;

    /// <summary>Of those that translated code took by itself, how many there were by their cause, while harts are profiled.</summary>
    public fixed ulong TrapsByCause[16];

    /// <summary>stvec.</summary>
    public ulong Stvec;

    /// <summary>medeleg.</summary>
    public ulong Medeleg;

    /// <summary>mstatus, but for FS.</summary>
    public ulong Status;

    /// <summary>sscratch.</summary>
    public ulong Sscratch;

    /// <summary>sepc.</summary>
    public ulong Sepc;

    /// <summary>scause.</summary>
    public ulong Scause;

    /// <summary>stval.</summary>
    public ulong Stval;

    /// <summary>Exception code of a failed access.</summary>
    public ulong TrapCause;

    /// <summary>Address, or instruction bits, of a failed access.</summary>
    public ulong TrapValue;

    /// <summary>The value a slow load read, zero-extended.</summary>
    public ulong LoadValue;

    /// <summary>Host address that LR reserved; 0: none.</summary>
    public ulong ReservedHost;

    /// <summary>The value LR read there.</summary>
    public ulong ReservedValue;

    /// <summary>Why translated code left: a <see cref="CodeExit"/>.</summary>
    public ulong CodeExit;

    /// <summary>With <see cref="CodeExit.MidBlock"/>: the operation at which the interpreter goes on.</summary>
    public Op* NextOp;

    /// <summary>GCHandle of the <see cref="Riscv.Hart"/>, for what translated code calls.</summary>
    public nint Hart;

    /// <summary>fflags, but for what <see cref="HostFlags"/> adds.</summary>
    public uint FloatFlags;

    /// <summary>
    /// Exceptions of the host's floating point unit that translated code raised, in the lowest six bits as that has them.
    /// </summary>
    public uint HostFlags;

    /// <summary>Room to load and store the control register of the host's floating point unit.</summary>
    public uint HostFloatControl;

    /// <summary>
    /// <see cref="CsrFile.Sie"/>, or 0: as far as was looked, no interrupt is pending and enabled in mie. Who raises a line says so here;
    /// that a timer is due is seen where a slice ends.
    /// </summary>
    public uint InterruptDue;

    /// <summary>How often PAUSE may be executed until the hart leaves its thread to others.</summary>
    public int Pauses;

    /// <summary>Host addresses that translated code has checked and uses a few times more, within one block.</summary>
    public fixed ulong Reached[AccessGroups.MostAtOnce];

    /// <summary>Where values wait that translated code computes with and has no register for, within one run of operations.</summary>
    public fixed ulong Spilled[ValueRun.MostSpilled];

    /// <summary>Instructions have even addresses, and an entry has 32 bytes.</summary>
    public const int JumpScale = 16;

    /// <summary>The place in the TLB in use for an address.</summary>
    /// <remarks>Safety: the mask is of whole entries and of no more than a TLB has.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly TlbEntry* EntryOf(ulong address) =>
        (TlbEntry*)((byte*)Context.DataTlb + ((address >> (PhysicalMemory.PageShift - Tlb.EntryShift)) & TlbMask));

    /// <summary>The place in the jump table for the block at an address.</summary>
    /// <remarks>Safety: masks are of whole entries and of no more than the table has.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly JumpEntry* JumpOf(ulong pc) => (JumpEntry*)((byte*)Context.Jumps + ((pc * JumpScale) & Context.JumpMask));
}

/// <summary>What a hart has of a mode in an address space.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct HartContext
{
    /// <summary>Where blocks begin, by virtual address, for the mode the hart is in.</summary>
    public JumpEntry* Jumps;

    /// <summary>What of an address, times <see cref="HartState.JumpScale"/>, is the offset of its entry there, in bytes.</summary>
    public ulong JumpMask;

    /// <summary>The virtual pages that blocks are known of in that mode.</summary>
    public JumpPage* JumpPages;

    /// <summary>What of a virtual page's number, times the size of an entry, is the offset of its entry there, in bytes.</summary>
    public ulong JumpPageMask;

    /// <summary>Which entries of <see cref="Jumps"/> are in use.</summary>
    public JumpUse* JumpUse;

    /// <summary>The TLB that data accesses use now (by mode, SUM and MPRV).</summary>
    public TlbEntry* DataTlb;

    /// <summary>The number of the table that <see cref="Jumps"/> is.</summary>
    public int JumpTable;

    /// <summary>Not 0: the mode the hart is in may use CBO.ZERO (menvcfg and senvcfg).</summary>
    public uint MayZeroBlocks;

    /// <summary>The <see cref="PrivilegeMode"/> that the hart is in.</summary>
    public ulong Mode;
}

/// <summary>Why translated code left.</summary>
internal enum CodeExit
{
    /// <summary>The limit is reached: the slice is over, or somebody wants attention.</summary>
    Limit,

    /// <summary>A jump to an address that the jump table does not know.</summary>
    UnknownTarget,

    /// <summary>A jump to a block that has no translation.</summary>
    NotTranslated,

    /// <summary>An exception, which <see cref="HartState.TrapCause"/> and <see cref="HartState.TrapValue"/> tell.</summary>
    Fault,

    /// <summary>The rest of the block is the interpreter's: a system instruction, or floating point that is off.</summary>
    MidBlock,
}

/// <summary>Stands before the first operation of a block.</summary>
[StructLayout(LayoutKind.Sequential, Size = 32)]
internal unsafe struct BlockHeader
{
    /// <summary>Its translation, or null.</summary>
    public byte* Code;

    /// <summary>How often the interpreter ran it.</summary>
    public int Heat;

    /// <summary>How often a slice ended where it begins.</summary>
    public int Samples;

    /// <summary>Not 0: its translation is that of the loop around it.</summary>
    public int IsLoop;

    /// <summary>How often a loop that it is the entry of was entered, as far as somebody counts that.</summary>
    public int Entries;

    /// <summary>Number of the page that it belongs to, in its <see cref="Translation.Cache.CodeSpace"/>; 0: none.</summary>
    public int Page;

    /// <summary>The header of a block.</summary>
    /// <remarks>Safety: blocks are made with their header before the first operation; pointers into their middle have none.</remarks>
    public static BlockHeader* Of(Op* ops) => (BlockHeader*)ops - 1;
}
