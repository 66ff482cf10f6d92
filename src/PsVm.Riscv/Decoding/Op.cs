using System.Runtime.InteropServices;

namespace PsVm.Riscv.Decoding;

/// <summary>One decoded instruction: what the interpreter runs and a translator reads.</summary>
[StructLayout(LayoutKind.Sequential, Size = 16)]
internal struct Op
{
    /// <summary>Destination register number that stands for x0: writes to it go nowhere.</summary>
    public const byte Sink = 32;

    /// <summary>What it does.</summary>
    public OpCode Code;

    /// <summary>Offset of the instruction in its page; for <see cref="OpCode.End"/>, of the next instruction.</summary>
    public ushort Offset;

    /// <summary>Destination; integer destinations use <see cref="Sink"/> for x0.</summary>
    public byte Rd;

    /// <summary>First source.</summary>
    public byte Rs1;

    /// <summary>Second source.</summary>
    public byte Rs2;

    /// <summary>Bytes: 2 or 4.</summary>
    public byte Length;

    /// <summary>
    /// Immediate. Branches, JAL and AUIPC: target relative to the start of the page. Floating point: rounding mode in bits 2:0
    /// and rs3 in bits 7:3; FLI: the constant's bits. CSR operations: the instruction's bits. ECALL: the
    /// page of code that it is in, as <see cref="BlockHeader.Page"/>.
    /// </summary>
    public long Immediate;
}
