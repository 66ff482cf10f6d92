using PsVm.Riscv.Decoding;
using PsVm.Riscv.FloatingPoint;
using PsVm.Riscv.Interpreter;
using static PsVm.Riscv.Translation.X64.Reg;

namespace PsVm.Riscv.Translation.X64;

/// <content>fflags in line: what the state has, what it got from the host's unit before, and what MXCSR has collected since.</content>
internal unsafe ref partial struct BlockTranslator
{
    /// <summary>FRFLAGS. Uses rcx and rdx.</summary>
    private void ReadFloatFlags(Op* op, int index)
    {
        RequireUnit(op, index);
        if (op->Rd == Op.Sink)
        {
            return;
        }

        Mem control = Field(nameof(HartState.HostFloatControl));
        Stubs.EmitReadHostControl(ref _code);
        _code.Mov(Rcx, control, wide: false);
        _code.Op(Alu.Or, Rcx, Field(nameof(HartState.HostFlags)), wide: false);
        _code.Mov(Rax, Field(nameof(HartState.FloatFlags)), wide: false);

        // The host has them in the other direction, with one for denormals among them.
        AddFlag(FpFlags.Inexact, Shift.Shr, 5);
        AddFlag(FpFlags.Underflow, Shift.Shr, 3);
        AddFlag(FpFlags.Overflow, Shift.Shr, 1);
        AddFlag(FpFlags.DivideByZero, Shift.Shl, 1);
        AddFlag(FpFlags.Invalid, Shift.Shl, 4);
        Define(op, Rax);
    }

    /// <summary>Adds a flag in rcx, as the host has it, to those in rax.</summary>
    private void AddFlag(FpFlags flag, Shift shift, int by)
    {
        _code.Mov(Rdx, Rcx, wide: false);
        _code.ShiftBy(shift, Rdx, by, wide: false);
        _code.Op(Alu.And, Rdx, (int)flag, wide: false);
        _code.Op(Alu.Or, Rax, Rdx, wide: false);
    }

    /// <summary>FSFLAGS to x0.</summary>
    private void WriteFloatFlags(Op* op, int index)
    {
        RequireUnit(op, index);
        Read(Rax, op->Rs1, wide: false);
        _code.Op(Alu.And, Rax, (int)FloatInterpreter.AllFlags, wide: false);
        _code.Mov(Field(nameof(HartState.FloatFlags)), Rax, size: sizeof(uint));
        _code.Mov32(Field(nameof(HartState.HostFlags)), 0);
        Stubs.ClearHostFlags(ref _code);
        SetDirty();
    }
}
