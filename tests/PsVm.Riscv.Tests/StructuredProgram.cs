using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests;

/// <summary>
/// Writes random programs that loop: nested counted loops with random bodies, ways through and out of them, calls, pointers that walk
/// off what is mapped, stores into the program itself, and what changes the hart's mode and floating point unit. Which register does
/// what is random, so that all of them do everything.
/// </summary>
internal sealed partial class StructuredProgram(Dice dice, ProgramWriter code)
{
    private const int Fflags = 1, Frm = 2, Fcsr = 3, Sstatus = 0x100, Sepc = 0x141,
    Mstatus = 0x300, Mip = 0x344, Menvcfg = 0x30a, Senvcfg = 0x10a, Satp = 0x180;
    private const int Sscratch = 0x140, Scause = 0x142, Stval = 0x143, Sip = 0x144;
    private const int ShortRange = 2040;

    private readonly List<int> _pointers = [];
    private readonly List<int> _counters = [];
    private readonly List<int> _slots = [];
    private readonly List<(int At, int From)> _stores = [];
    private readonly List<int> _exits = [];
    private uint _reserved;
    private uint _safe;
    private int _link;
    private int _data;
    private int _edge;
    private int _function;
    private int _limit;
    private bool _rewritesItself;
    private bool _usesFloats;

    /// <summary>The register that points into data.</summary>
    public int Data => _data;

    /// <summary>The register that points near the end of what is mapped.</summary>
    public int Edge => _edge;

    /// <summary>Writes a program from where the writer is, of some hundred instructions.</summary>
    public void Write()
    {
        _pointers.Clear();
        _counters.Clear();
        _slots.Clear();
        _stores.Clear();
        _exits.Clear();
        _reserved = 1;
        _safe = 0;
        _link = TakeLink();
        _data = Take();
        _edge = Take();
        _pointers.Add(_data);
        for (int i = 0; i < 4; i++)
        {
            _safe |= 1u << Dest(orZero: false);
        }

        _rewritesItself = dice.OneIn(3);
        _usesFloats = !dice.OneIn(3);
        _limit = code.At + dice.Next(200, 2400);
        int start = code.MarkNew();
        _function = code.NewLabel();
        int items = dice.Next(4, 14);
        for (int i = 0; i < items; i++)
        {
            if (dice.OneIn(2))
            {
                Loop(0);
            }
            else
            {
                Item(0);
            }
        }

        code.Emit(Ecall);
        code.Jump(0, start);
        code.Mark(_function);
        _limit = code.At + 200;
        Items(2, dice.Next(1, 5));
        code.Emit(dice.OneIn(2) ? Jalr(0, _link, 0) : 0x8002u | (uint)_link << 7); // c.jr
        FinishStores();
    }

    /// <summary>An instruction that computes, and may stand wherever one of 4 bytes stood.</summary>
    public uint Replacement() => Compute(PickSafe());

    private void Items(int depth, int count)
    {
        for (int i = 0; i < count && code.At < _limit; i++)
        {
            Item(depth);
        }
    }

    private void Item(int depth)
    {
        switch (dice.Next(40))
        {
            case < 4:
                Skip(depth);
                break;
            case < 7 when depth < 3:
                Loop(depth);
                break;
            case 7 when _exits.Count != 0:
                code.Branch(Condition(), Any(), Any(), dice.Pick<int>(_exits.ToArray()));
                break;
            case 8 or 9 when depth < 2:
                Call();
                break;
            case 10 or 11 when _rewritesItself:
                Rewrite();
                break;
            case 12:
                System();
                break;
            case 13 when _usesFloats:
                code.Emit(Csr(5, dice.OneIn(2) ? 0 : Dest(), Frm, dice.OneIn(12) ? dice.Next(8) : dice.Next(5)));
                break;
            case 14:
                // LR and SC with something between, be it a wait.
                int pointer = Pointer(), width = dice.Next(2, 4);
                code.Emit(Atomic(2, width, Dest(), pointer, 0));
                Straight(dice.Next(3));
                if (dice.OneIn(4))
                {
                    code.Emit(dice.OneIn(2) ? 0x00d0_0073u : 0x01d0_0073);
                }

                code.Emit(Atomic(3, width, Dest(), pointer, Any()));
                break;
            case 15 or 16 or 17:
                Neighbours();
                break;
            default:
                Straight(dice.Next(1, 7));
                break;
        }
    }

    private void Loop(int depth)
    {
        if (code.At >= _limit || uint.PopCount(_reserved) > 14)
        {
            return;
        }

        uint reserved = _reserved;
        int pointers = _pointers.Count;
        int counter = Take(), bound = 0, walker = 0;
        int rounds = dice.OneIn(6) ? dice.Next(20, 200) : dice.Next(1, 14);
        if (dice.OneIn(2))
        {
            walker = Take();
            code.Emit(Addi(walker, dice.OneIn(3) ? _edge : _data, dice.Next(-32, 32) * 8));
            _pointers.Add(walker);
        }

        if (_usesFloats && dice.OneIn(6))
        {
            code.Emit(Csr(5, 0, Frm, dice.Next(5)));
        }

        int shape = dice.Next(4);
        if (shape == 1)
        {
            bound = Take();
            code.Emit(Addi(bound, 0, rounds));
        }

        _counters.Add(counter);
        int step = code.NewLabel(), end = code.NewLabel();
        _exits.Add(step);
        _exits.Add(end);
        code.Emit(Addi(counter, 0, shape == 1 ? 0 : rounds));
        if (shape == 3)
        {
            code.Jump(0, step);
        }

        int top = code.MarkNew();
        if (shape == 2)
        {
            code.Branch(0, counter, 0, end);
        }

        Items(depth + 1, dice.Next(1, 6));
        code.Mark(step);
        if (walker != 0)
        {
            code.Emit(Addi(walker, walker, dice.Pick<int>([8, 8, 8, 4, 1, 16, -8, 64, 256, -2048, 2047])));
        }

        code.Emit(Addi(counter, counter, shape == 1 ? 1 : -1));
        switch (shape)
        {
            case 0:
                LoopWhileNotZero(counter, top);
                break;
            case 1:
                code.Branch(dice.Pick<int>([1, 4, 6]), counter, bound, top);
                break;
            case 2:
                code.Jump(0, top);
                break;
            default:
                code.Branch(5, counter, 0, top);
                break;
        }

        code.Mark(end);
        _exits.RemoveRange(_exits.Count - 2, 2);
        _counters.RemoveAt(_counters.Count - 1);
        _pointers.RemoveRange(pointers, _pointers.Count - pointers);
        _reserved = reserved;
    }

    private void LoopWhileNotZero(int counter, int top)
    {
        int distance = code.Distance(top, code.At);
        if (counter is >= 8 and < 16 && distance >= -256 && dice.OneIn(2))
        {
            uint offset = (uint)distance;
            code.Emit(0xe001 | (uint)(counter - 8) << 7 | (offset >> 8 & 1) << 12 | (offset >> 3 & 3) << 10 | (offset >> 6 & 3) << 5
                | (offset >> 1 & 3) << 3 | (offset >> 5 & 1) << 2); // c.bnez
        }
        else
        {
            code.Branch(1, counter, 0, top);
        }
    }

    /// <summary>A way past some items: a branch, a jump, or a jump through a register.</summary>
    private void Skip(int depth)
    {
        int end = code.NewLabel(), limit = _limit;
        switch (dice.Next(8))
        {
            case 0:
                code.Jump(0, end);
                break;
            case 1:
                int from = code.At, target = Dest(orZero: false);
                code.Emit(Auipc(target, 0));
                code.Emit(Jalr(dice.OneIn(4) ? target : 0, target, 0), end, from);
                _limit = Math.Min(_limit, from + 1500);
                break;
            default:
                code.Branch(Condition(), Any(), dice.OneIn(3) ? 0 : Any(), end);
                break;
        }

        Items(depth + 1, dice.Next(1, 4));
        code.Mark(end);
        _limit = limit;
    }

    private void Call()
    {
        if (dice.OneIn(4))
        {
            // A jump that links and is its own target: what a return stack would get wrong.
            int here = code.NewLabel();
            code.Jump(_link, here);
            code.Mark(here);
        }

        code.Jump(_link, _function);
    }

    /// <summary>
    /// Stores an instruction over one of the program's, which is known when the program is complete. Mostly only now and then, so that
    /// there is something to be made stale; and without a branch, so that the way behind the store is well trodden when it happens.
    /// </summary>
    private void Rewrite()
    {
        int from = code.At, address = Dest(orZero: false), value, chance;
        do
        {
            (value, chance) = (Dest(orZero: false), Dest(orZero: false));
        }
        while (value == address || chance == address || value == chance);

        code.Emit(Auipc(address, 0));
        if (!dice.OneIn(4))
        {
            // The data pointer in its place unless some bits of a counter are zero.
            int counter = _counters.Count != 0 ? dice.Pick<int>(_counters.ToArray()) : Any();
            code.Emit(Immediate(0x13, 7, chance, counter, (2 << dice.Next(4)) - 1), Immediate(0x13, 3, chance, chance, 1));
            code.Emit(Addi(chance, chance, -1), R(0x33, 0, 0x20, value, _data, address));
            code.Emit(R(0x33, 7, 0, value, value, chance), Add(address, address, value));
        }

        code.Emit(Load(2, value, _data, -2048 + (dice.Next(64) * 4)));
        _stores.Add((code.At, from));
        code.Emit(Store(dice.OneIn(8) ? 3 : dice.OneIn(8) ? 1 : 2, value, address, 0));
        if (dice.OneIn(4))
        {
            code.Emit(FenceI);
        }
    }

    private void FinishStores()
    {
        foreach ((int at, int from) in _stores)
        {
            int label = code.NewLabel(), end = code.At;
            code.At = at; // over itself, unless there is something else
            for (int attempt = 0; attempt < 8 && _slots.Count != 0; attempt++)
            {
                int slot = dice.Pick<int>(_slots.ToArray());
                if (Math.Abs(slot - from) < ShortRange)
                {
                    code.At = slot;
                    break;
                }
            }

            code.Mark(label);
            code.At = at;
            code.Refer(label, from);
            code.At = end;
        }
    }

    private void System()
    {
        int temporary = Dest(orZero: false);
        int status = dice.OneIn(2) ? Mstatus : Sstatus;
        switch (dice.Next(26))
        {
            case 0:
                code.Emit(Ecall);
                break;
            case 1:
                code.Emit(dice.OneIn(2) ? Ebreak : dice.OneIn(2) ? 0xffff_ffffu : 0x9002u); // also c.ebreak
                break;
            case 2:
                code.Emit(FenceI);
                break;
            case 3:
                code.Emit(dice.Pick<uint>([0x0330_000f, 0x0100_000f, 0x00d0_0073, 0x01d0_0073])); // fence, pause, wrs.nto, wrs.sto
                break;
            case 4 or 5 or 6:
                // FS: off, or on again, as initial, clean or dirty.
                code.Emit(Lui(temporary, 6), Csr(3, 0, status, temporary));
                if (!dice.OneIn(3))
                {
                    code.Emit(Lui(temporary, (uint)dice.Next(1, 4) << 1), Csr(2, 0, status, temporary));
                }

                break;
            case 7:
                code.Emit(Lui(temporary, dice.OneIn(2) ? 0x40u : 0x80), Csr(dice.Next(2, 4), 0, status, temporary)); // SUM, MXR
                break;
            case 8 or 9:
                code.Emit(Lui(temporary, 0x20), Csr(dice.Next(2, 4), 0, Mstatus, temporary)); // MPRV
                break;
            case 10:
                code.Emit(
                    Lui(temporary, 2), Addi(temporary, temporary, -0x800), Csr(3, 0, Mstatus, temporary), // MPP: user
                    Addi(temporary, 0, 1), Slli(temporary, temporary, 11), Csr(dice.OneIn(2) ? 2 : 3, 0, Mstatus, temporary));
                break;
            case 11:
                switch (dice.Next(4))
                {
                    case 0:
                        code.Emit(
                            Addi(temporary, 0, dice.Next(4)), Slli(temporary, temporary, 44), Csr(dice.Next(1, 4), 0, Satp, temporary));
                        break;
                    case 1:
                        code.Emit(Addi(temporary, 0, dice.Next(4)), SfenceVma(dice.OneIn(2) ? 0 : _data, temporary));
                        break;
                    default:
                        code.Emit(SfenceVma(dice.OneIn(2) ? 0 : _data, 0));
                        break;
                }

                break;
            case 12:
                code.Emit(Csr(6, 0, Mip, 2)); // a supervisor software interrupt
                break;
            case 13:
                // SRET to what follows; SPP says to which mode.
                code.Emit(Addi(temporary, 0, 0x100), Csr(dice.OneIn(4) ? 3 : 2, 0, Sstatus, temporary));
                code.Emit(Auipc(temporary, 0), Addi(temporary, temporary, 16), Csr(1, 0, Sepc, temporary), Sret);
                break;
            case 14 when dice.OneIn(8):
                code.Emit(Wfi);
                break;
            case 15:
                code.Emit(Csr(1, Dest(), dice.OneIn(2) ? Fflags : Fcsr, Any()));
                break;
            case 17 or 18:
                // What supervisors read and write at traps.
                int number = dice.Pick<int>([Sscratch, Sepc, Scause, Stval]);
                code.Emit(dice.OneIn(2)
                    ? Csr(dice.Next(1, 4), Dest(), number, Any())
                    : Csr(dice.Next(5, 8), Dest(), number, dice.Next(32)));
                break;
            case 19 or 20:
                // All that sstatus has, or SIE alone; a software interrupt may be due.
                code.Emit(dice.Next(3) switch
                {
                    0 => Csr(dice.Next(1, 4), Dest(), Sstatus, Any()),
                    1 => Csr(dice.Next(6, 8), Dest(), Sstatus, 2),
                    _ => Csr(2, Dest(), Sstatus, 0),
                });
                break;
            case 21:
                code.Emit(Csr(6, 0, Sip, 2));
                break;
            case 16:
                // What the cache-block instructions of lower modes may do.
                code.Emit(Addi(temporary, 0, dice.Next(16) << 4));
                code.Emit(Csr(dice.Next(1, 4), Dest(), dice.OneIn(2) ? Menvcfg : Senvcfg, temporary));
                break;
            default:
                code.Emit(Csr(2, Dest(), dice.Pick<int>(CountersAndFlags), 0));
                break;
        }
    }

    private void Straight(int count)
    {
        for (int i = 0; i < count; i++)
        {
            switch (dice.OneIn(24) ? -1 : dice.Next(_usesFloats ? 20 : 13))
            {
                case -1:
                    code.Emit(RandomProgram.CacheBlock(dice, Pointer()));
                    break;
                case < 5:
                    if (_slots.Count < 40 && dice.OneIn(3))
                    {
                        _slots.Add(code.At);
                    }

                    code.Emit(Compute(Dest()));
                    break;
                case < 7:
                    code.Emit(Compressed());
                    break;
                case < 9:
                    int load = dice.Next(7);
                    code.Emit(Load(load, Dest(), Pointer(), Offset(load & 3)));
                    break;
                case < 11:
                    int store = dice.Next(4);
                    code.Emit(Store(store, Any(), Pointer(), Offset(store)));
                    break;
                case 11:
                    int amo = dice.Pick<int>(Amos);
                    code.Emit(Atomic(amo, dice.Next(2, 4), Dest(), Pointer(), amo == 2 ? 0 : Any()) | (uint)dice.Next(4) << 25);
                    break;
                case 12:
                    code.Emit(Compute(Dest()));
                    break;
                case 13:
                    int size = dice.Next(2, 4);
                    code.Emit((Load(size, dice.Next(32), Pointer(), Offset(size)) & ~0x7fu) | 0x07);
                    break;
                case 14:
                    int width = dice.Next(2, 4);
                    code.Emit((Store(width, dice.Next(32), Pointer(), Offset(width)) & ~0x7fu) | 0x27);
                    break;
                case 15 when dice.OneIn(3):
                    FloatFlags();
                    break;
                default:
                    code.Emit(Float());
                    break;
            }
        }
    }

    private int Any() => dice.Next(32);

    /// <summary>A register that may be written.</summary>
    private int Dest(bool orZero = true)
    {
        if (orZero && dice.OneIn(32))
        {
            return 0;
        }

        int register;
        do
        {
            register = dice.Next(1, 32);
        }
        while ((_reserved >> register & 1) != 0);
        return register;
    }

    /// <summary>Keeps a register for one purpose.</summary>
    private int Take()
    {
        int register;
        do
        {
            register = Dest(orZero: false);
        }
        while ((_safe >> register & 1) != 0);
        _reserved |= 1u << register;
        return register;
    }

    /// <summary>The register that calls link with: mostly the one that makes them calls to who looks for loops.</summary>
    private int TakeLink()
    {
        if (dice.OneIn(4))
        {
            return Take();
        }

        _reserved |= 1u << Ra;
        return Ra;
    }

    /// <summary>A register that is never a counter or pointer.</summary>
    private int PickSafe()
    {
        int register;
        do
        {
            register = dice.Next(1, 32);
        }
        while ((_safe >> register & 1) == 0);
        return register;
    }

    private int Condition() => dice.Pick<int>([0, 1, 1, 4, 5, 6, 7]);

    private int Pointer() => dice.OneIn(100) ? Any() : _pointers[dice.Next(_pointers.Count)];

    private int Small() => dice.OneIn(2) ? dice.Next(-8, 8) : dice.Next(-2048, 2048);

    private int Offset(int size) => dice.OneIn(6) ? dice.Next(-1700, 1700) : dice.Next(-24, 24) << size;

    private static uint Csr(int funct3, int rd, int number, int source) => Immediate(0x73, funct3, rd, source, number);

    private static uint Immediate(int opcode, int funct3, int rd, int rs1, int immediate) =>
        (uint)(immediate << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode);
}
