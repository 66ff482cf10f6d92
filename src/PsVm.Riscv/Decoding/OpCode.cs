namespace PsVm.Riscv.Decoding;

/// <summary>
/// What a decoded operation does. Groups are contiguous, so that the interpreter can hand a whole group to a method of its own;
/// compressed instructions appear as what they expand to.
/// </summary>
internal enum OpCode : ushort
{
    /// <summary>Not an instruction: the block goes on elsewhere, at <see cref="Op.Offset"/>.</summary>
    End,

    // Computation and control flow: handled in the interpreter's main loop.
    LoadImmediate, Auipc,
    Addi, Slti, Sltiu, Xori, Ori, Andi, Slli, Srli, Srai,
    Add, Sub, Sll, Slt, Sltu, Xor, Srl, Sra, Or, And,
    Addiw, Slliw, Srliw, Sraiw, Addw, Subw, Sllw, Srlw, Sraw,
    Jal, Jalr, Beq, Bne, Blt, Bge, Bltu, Bgeu,
    Lb, Lh, Lw, Ld, Lbu, Lhu, Lwu, Sb, Sh, Sw, Sd,
    Mul, Mulw, Mulh, Mulhsu, Mulhu, Div, Divu, Rem, Remu, Divw, Divuw, Remw, Remuw,
    Sh1add, Sh2add, Sh3add, AddUw, Sh1addUw, Sh2addUw, Sh3addUw, SlliUw,
    Andn, Orn, Xnor, Max, Maxu, Min, Minu, SextB, SextH, ZextH,
    Rol, Ror, Rori, Rolw, Rorw, Roriw,
    Clz, Ctz, Cpop, Clzw, Ctzw, Cpopw, OrcB, Rev8,
    Bclr, Bclri, Bext, Bexti, Binv, Binvi, Bset, Bseti,
    CzeroEqz, CzeroNez,
    Fence, Pause,
    Flw, Fld, Fsw, Fsd,
    CboZero,

    // Atomics.
    LrW, ScW, AmoSwapW, AmoAddW, AmoXorW, AmoAndW, AmoOrW, AmoMinW, AmoMaxW, AmoMinuW, AmoMaxuW,
    LrD, ScD, AmoSwapD, AmoAddD, AmoXorD, AmoAndD, AmoOrD, AmoMinD, AmoMaxD, AmoMinuD, AmoMaxuD,

    // The flags of floating point, which are a CSR, read, and written without being read.
    Frflags, Fsflags,

    // Floating point on registers: the same operations for each format, in the same order. FCVTMOD.W.D has none for single precision.
    FaddS, FsubS, FmulS, FdivS, FsqrtS, FmaddS, FmsubS, FnmsubS, FnmaddS,
    FsgnjS, FsgnjnS, FsgnjxS, FminS, FmaxS, FeqS, FltS, FleS, FclassS,
    FcvtWS, FcvtWuS, FcvtLS, FcvtLuS, FcvtSW, FcvtSWu, FcvtSL, FcvtSLu, FmvXW, FmvWX, FcvtSD,
    FliS, FminmS, FmaxmS, FroundS, FroundnxS, FleqS, FltqS, FcvtmodWS,
    FaddD, FsubD, FmulD, FdivD, FsqrtD, FmaddD, FmsubD, FnmsubD, FnmaddD,
    FsgnjD, FsgnjnD, FsgnjxD, FminD, FmaxD, FeqD, FltD, FleD, FclassD,
    FcvtWD, FcvtWuD, FcvtLD, FcvtLuD, FcvtDW, FcvtDWu, FcvtDL, FcvtDLu, FmvXD, FmvDX, FcvtDS,
    FliD, FminmD, FmaxmD, FroundD, FroundnxD, FleqD, FltqD, FcvtmodWD,

    // System: each ends its block.
    Csrrw, Csrrs, Csrrc, Csrrwi, Csrrsi, Csrrci,
    Ecall, Ebreak, Mret, Sret, Wfi, WrsNto, WrsSto, SfenceVma, FenceI,
    CboInval, CboClean, CboFlush,
    Illegal,
}
