using System.Diagnostics;

namespace PsVm.Riscv.Decoding;

/// <summary>The registers that an operation reads and writes, as bits; x0 is none.</summary>
/// <param name="Reads">Integer registers that it reads.</param>
/// <param name="Writes">Integer registers that it writes.</param>
internal readonly record struct Operands(uint Reads, uint Writes)
{
    /// <summary>Floating point registers that it reads as single precision, which have to be boxed.</summary>
    public uint Singles { get; init; }

    /// <summary>Floating point registers that it reads otherwise.</summary>
    public uint Others { get; init; }

    /// <summary>Floating point registers that it leaves with a boxed single precision value.</summary>
    public uint BoxedWrites { get; init; }

    /// <summary>Floating point registers that it writes otherwise.</summary>
    public uint OtherWrites { get; init; }

    /// <summary>The operands of an operation; those of system operations, which the interpreter runs, are left out.</summary>
    /// <remarks>Safety: reads one decoded operation, which belongs to a block that the caller holds.</remarks>
    public static unsafe Operands Of(Op* op)
    {
        Debug.Assert(op->Rs1 < 32 && op->Rs2 < 32 && op->Rd <= Op.Sink, "decoded register numbers");
        OpCode code = op->Code;
        uint rd = op->Rd < Op.Sink ? 1u << op->Rd : 0, rs1 = 1u << op->Rs1 & ~1u, rs2 = 1u << op->Rs2 & ~1u;
        return code switch
        {
            OpCode.End or OpCode.Fence or OpCode.Pause or >= OpCode.Csrrw => default,
            OpCode.LoadImmediate or OpCode.Auipc or OpCode.Jal => new Operands(0, rd),
            >= OpCode.Beq and <= OpCode.Bgeu or >= OpCode.Sb and <= OpCode.Sd => new Operands(rs1 | rs2, 0),
            OpCode.Frflags => new Operands(0, rd),
            OpCode.Fsflags => new Operands(rs1, 0),
            OpCode.Flw => new Operands(rs1, 0) { BoxedWrites = 1u << op->Rd },
            OpCode.Fld => new Operands(rs1, 0) { OtherWrites = 1u << op->Rd },
            OpCode.Fsw or OpCode.Fsd => new Operands(rs1, 0) { Others = 1u << op->Rs2 },
            >= OpCode.FaddS => OfFloat(op, rd, rs1),
            _ => new Operands(ReadsOne(code) ? rs1 : rs1 | rs2, rd),
        };
    }

    private static bool ReadsOne(OpCode code) => code is
        >= OpCode.Addi and <= OpCode.Srai or >= OpCode.Addiw and <= OpCode.Sraiw or OpCode.Jalr or >= OpCode.Lb and <= OpCode.Lwu
        or OpCode.SlliUw or >= OpCode.SextB and <= OpCode.ZextH or OpCode.Rori or OpCode.Roriw or >= OpCode.Clz and <= OpCode.Rev8
        or OpCode.Bclri or OpCode.Bexti or OpCode.Binvi or OpCode.Bseti or OpCode.CboZero or OpCode.LrW or OpCode.LrD;

    /// <remarks>Safety: as <see cref="Of"/>.</remarks>
    private static unsafe Operands OfFloat(Op* op, uint rd, uint rs1)
    {
        bool wide = op->Code >= OpCode.FaddD;
        OpCode code = wide ? op->Code - (OpCode.FaddD - OpCode.FaddS) : op->Code;
        uint target = 1u << op->Rd, first = 1u << op->Rs1, second = 1u << op->Rs2;
        if (code is OpCode.FmvXW)
        {
            return new Operands(0, rd) { Others = first };
        }

        if (code == OpCode.FcvtSD)
        {
            return wide
                ? new Operands { Singles = first, OtherWrites = target }
                : new Operands { Others = first, BoxedWrites = target };
        }

        (uint reads, bool toInteger, bool fromInteger) = code switch
        {
            >= OpCode.FmaddS and <= OpCode.FnmaddS => (first | second | 1u << (byte)(op->Immediate >> 3), false, false),
            OpCode.FsqrtS or OpCode.FroundS or OpCode.FroundnxS => (first, false, false),
            >= OpCode.FeqS and <= OpCode.FleS or OpCode.FleqS or OpCode.FltqS => (first | second, true, false),
            OpCode.FclassS or >= OpCode.FcvtWS and <= OpCode.FcvtLuS or OpCode.FcvtmodWS => (first, true, false),
            OpCode.FliS => (0u, false, false),
            >= OpCode.FcvtSW and <= OpCode.FcvtSLu or OpCode.FmvWX => (0u, false, true),
            _ => (first | second, false, false),
        };
        return new Operands(fromInteger ? rs1 : 0, toInteger ? rd : 0)
        {
            Singles = wide ? 0 : reads,
            Others = wide ? reads : 0,
            BoxedWrites = wide || toInteger ? 0 : target,
            OtherWrites = wide && !toInteger ? target : 0,
        };
    }
}
