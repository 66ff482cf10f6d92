using PsVm.Riscv.Decoding;
using static PsVm.Riscv.Translation.X64.Reg;

namespace PsVm.Riscv.Translation.X64;

/// <content>Reading and writing guest registers.</content>
internal unsafe ref partial struct BlockTranslator
{
    private readonly Reg? Mapped(int register) => _operands is null ? _map.Integer(register) : _operands[register];

    /// <summary>A host register with the value: the guest register's own, or the scratch register.</summary>
    private Reg Use(int register, Reg scratch)
    {
        if (Mapped(register) is { } mapped)
        {
            return mapped;
        }

        Read(scratch, register);
        return scratch;
    }

    private void Read(Reg to, int register, bool wide = true)
    {
        if (register == 0)
        {
            _code.Mov(to, 0);
        }
        else if (Mapped(register) is { } mapped)
        {
            if (mapped != to)
            {
                _code.Mov(to, mapped, wide);
            }
        }
        else
        {
            _code.Mov(to, Slot(register), wide);
        }
    }

    /// <summary>The register to compute a result in.</summary>
    private readonly Reg Target(Op* op) => Mapped(op->Rd) ?? Rax;

    /// <summary>Puts a result where the guest register lives.</summary>
    private void Define(Op* op, Reg value)
    {
        if (Mapped(op->Rd) is { } mapped)
        {
            _code.Mov(mapped, value);
        }
        else
        {
            _code.Mov(Slot(op->Rd), value);
        }
    }

    private void DefineWord(Op* op, Reg value)
    {
        Reg target = Target(op);
        _code.Extend(target, value, 4, signed: true);
        Define(op, target);
    }

    private void SetConstant(int register, long value)
    {
        if (Mapped(register) is { } mapped)
        {
            _code.Mov(mapped, value);
        }
        else if (value == (int)value)
        {
            _code.Mov(Slot(register), (int)value);
        }
        else
        {
            _code.Mov(Rax, value);
            _code.Mov(Slot(register), Rax);
        }
    }

    /// <summary>An address relative to the page that the code is in. Uses rcx when it is far away.</summary>
    private void PageOffset(Reg to, long offset)
    {
        _code.Mov(to, Field(nameof(HartState.PageBase)));
        if (offset == (int)offset)
        {
            if (offset != 0)
            {
                _code.Op(Alu.Add, to, (int)offset);
            }
        }
        else
        {
            _code.Mov(Rcx, offset);
            _code.Op(Alu.Add, to, Rcx);
        }
    }
}
