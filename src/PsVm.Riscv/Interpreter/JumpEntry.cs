using System.Runtime.InteropServices;
using PsVm.Riscv.Decoding;
using PsVm.Riscv.Translation.Cache;

namespace PsVm.Riscv.Interpreter;

/// <summary>A place where a block begins.</summary>
/// <remarks>
/// An entry of zeros, but for the first one of a table, is as good as empty: address 0 is the first entry's. Safety: the pointers are good
/// while <see cref="Address"/> is neither <see cref="Empty"/> nor, in any other entry than the first, 0.
/// </remarks>
[StructLayout(LayoutKind.Sequential, Size = 32)]
internal unsafe struct JumpEntry
{
    /// <summary>An address that no instruction has.</summary>
    public const ulong Empty = 1;

    /// <summary>Virtual address of the block's first instruction.</summary>
    public ulong Address;

    /// <summary>Its operations.</summary>
    public Op* Ops;

    /// <summary>Its translation, or what leaves translated code.</summary>
    public byte* Code;

    /// <summary>Number of the page of RAM that it is in.</summary>
    public long Page;
}

/// <summary>A virtual page that blocks are in.</summary>
/// <remarks>As with <see cref="JumpEntry"/>, zeros are as good as empty but for the first one. Safety: as there.</remarks>
[StructLayout(LayoutKind.Sequential, Size = 32)]
internal unsafe struct JumpPage
{
    /// <summary>A number that no virtual page has.</summary>
    public const ulong Empty = ulong.MaxValue;

    /// <summary>Its number.</summary>
    public ulong Tag;

    /// <summary>Its blocks by offset: those that were known when it was looked up, or more.</summary>
    public BlockIndex* Index;

    /// <summary>Number of the page of RAM that it is.</summary>
    public long Page;

    /// <summary>Which page of code it is: <see cref="CodePage.Serial"/>.</summary>
    public long Code;
}

/// <summary>Which entries of a jump table are in use; a bit for each follows.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct JumpUse
{
    /// <summary>How often a block took the place of another since the table has its size.</summary>
    public ulong Collisions;

    /// <summary>The bits of the first entries; those of the others follow.</summary>
    public fixed ulong Bits[1];
}
