using PsVm.Riscv.Decoding;
using PsVm.Riscv.Memory;
using PsVm.Riscv.Mmu;
using static PsVm.Riscv.Translation.X64.Reg;

namespace PsVm.Riscv.Translation.X64;

/// <content>Loads, stores and what the interpreter does for a unit.</content>
internal unsafe ref partial struct BlockTranslator
{
    /// <summary>
    /// Leaves the address in rax and the entry's addend in rdx; jumps away when the TLB has no entry. An access that crosses a page
    /// finds none, since its last byte lies on another.
    /// </summary>
    private byte* Probe(Op* op, int size, string tag, bool aligned = false) => _oneByOne && !aligned
        ? ProbeByRoutine(op, size, tag)
        : Probe(Use(op->Rs1, Rax), aligned ? 0 : (int)op->Immediate, size, tag, aligned); // atomics have no offset

    private byte* Probe(Reg address, int offset, int size, string tag, bool aligned = false)
    {
        if (offset == 0)
        {
            _code.Mov(Rax, address);
        }
        else
        {
            _code.Lea(Rax, new Mem(address, offset));
        }

        _code.Rorx(Rcx, Rax, PhysicalMemory.PageShift - Tlb.EntryShift, wide: false);
        _code.Op(Alu.And, Rcx, Field(nameof(HartState.TlbMask)), wide: false);
        if (size == 1 || aligned)
        {
            _code.Mov(Rdx, Rax);
        }
        else
        {
            _code.Lea(Rdx, new Mem(Rax, size - 1));
        }

        _code.Op(Alu.And, Rdx, aligned ? ~PageMask | (size - 1) : ~PageMask);
        Mem entry = new(R14, 0, Rcx);
        if (_map.HasMoreHosts)
        {
            _code.Op(Alu.Add, Rcx, ContextField(nameof(HartContext.DataTlb)));
            entry = new Mem(Rcx, 0);
        }

        _code.Op(Alu.Cmp, Rdx, entry with { Offset = Layout<TlbEntry>.Of(tag) });
        byte* miss = _code.Jcc(Cond.NotEqual);
        _code.Mov(Rdx, entry with { Offset = Layout<TlbEntry>.Of(nameof(TlbEntry.Addend)) });
        return miss;
    }

    private static (int Size, bool Signed) LoadShape(OpCode code) => code switch
    {
        OpCode.Lb => (1, true),
        OpCode.Lh => (2, true),
        OpCode.Lw => (4, true),
        OpCode.Ld => (8, false),
        OpCode.Lbu => (1, false),
        OpCode.Lhu => (2, false),
        _ => (4, false),
    };

    private static int StoreSize(OpCode code) => 1 << (code - OpCode.Sb);

    private void Load(Op* op, int index)
    {
        if (_oneByOne)
        {
            OneByOne(op, index);
            return;
        }

        (int size, bool signed) = LoadShape(op->Code);
        byte* miss = Reach(op, index, size, nameof(TlbEntry.Read), out Mem operand);
        Reg target = Mapped(op->Rd) ?? Rax;
        _code.Load(target, operand, size, signed);
        if (op->Rd != Op.Sink)
        {
            Define(op, target);
        }

        AddMiss(LateKind.SlowAccess, miss, op, index);
    }

    private void Store(Op* op, int index)
    {
        if (_oneByOne)
        {
            OneByOne(op, index);
            return;
        }

        int size = StoreSize(op->Code);
        byte* miss = Reach(op, index, size, nameof(TlbEntry.Write), out Mem operand);
        if (Mapped(op->Rs2) is { } value)
        {
            _code.Mov(operand, value, size);
        }
        else
        {
            Read(Rcx, op->Rs2);
            _code.Mov(operand, Rcx, size);
        }

        AddMiss(LateKind.SlowAccess, miss, op, index);
    }

    private void AddMiss(LateKind kind, byte* miss, Op* op, int index)
    {
        if (miss is not null)
        {
            AddLate(kind, miss, _code.At, op, index);
        }
    }

    private void ZeroBlock(Op* op, int index)
    {
        const byte Xor = 0x57;
        const int VectorSize = 16;
        _code.Op(Alu.Cmp, ContextField(nameof(HartContext.MayZeroBlocks)), 0, wide: false);
        byte* disabled = _code.Jcc(Cond.Equal);
        byte* miss = Probe(op, 1, nameof(TlbEntry.Write));
        _code.Op(Alu.And, Rax, -IsaProfile.CacheBlockSize);
        _code.Sse(0, Xor, Xmm0, Xmm0);
        for (int offset = 0; offset < IsaProfile.CacheBlockSize; offset += VectorSize)
        {
            _code.Sse(0, MoveStore, Xmm0, new Mem(Rax, offset, Rdx));
        }

        AddLate(LateKind.Interpret, disabled, _code.At, op, index);
        AddLate(LateKind.Interpret, miss, _code.At, op, index);
    }

    /// <summary>Anything that is not worth code of its own: the interpreter's method does it.</summary>
    private void CallInterpreter(Op* op, int index)
    {
        _code.Mov(Rcx, (long)op);
        CallOut(_loop is null ? _stubs.Interpret : _loop.Interpret);
        FaultIfFailed(op, index);
    }

    // Control flow.

    private void SlowAccess(Late late)
    {
        AccessByRoutine(late.Op, late.Index);
        ComeBack(late);
    }

    /// <summary>A load or store by what is called where the TLB does not answer, which looks there, too. The address is in rax.</summary>
    private void AccessByRoutine(Op* op, int index)
    {
        bool load = op->Code <= OpCode.Lwu;
        (int size, bool signed) = load ? LoadShape(op->Code) : (StoreSize(op->Code), false);
        _code.Mov(Rcx, _loop is null ? Stubs.Place(op->Offset, index, size) : size);
        if (!load)
        {
            Read(Rdx, op->Rs2);
        }

        if (_loop is null)
        {
            CallOut(load ? _stubs.SlowLoad : _stubs.SlowStore);
        }
        else
        {
            CallOut(load ? _loop.SlowLoad : _loop.SlowStore);
            FaultIfFailed(op, index);
        }

        if (!load || op->Rd == Op.Sink)
        {
            return;
        }

        Reg target = Target(op);
        if (_loop is not null)
        {
            _code.Load(target, Field(nameof(HartState.LoadValue)), size, signed);
        }
        else if (size == sizeof(ulong))
        {
            _code.Mov(target, Rax);
        }
        else
        {
            _code.Extend(target, Rax, size, signed);
        }

        Define(op, target);
    }
}
