using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests;

/// <summary>
/// Random programs of some virtual pages: a loop that crosses the end of a page and calls functions of others, which call each other and
/// themselves, are called from several places, and return, or return elsewhere. Meanwhile pages are mapped elsewhere, where other code
/// lies, instructions are stored over, address spaces change, and there are traps and interrupts.
/// </summary>
internal sealed class WideProgram
{
    /// <summary>Where the pages are, and how many.</summary>
    public const ulong Window = 0x4000_0000;

    private const int Pages = 4, PageBytes = 4096, Functions = 6;
    private const ulong Tables = TestMachine.RamBase + 0x100000, Leaves = Tables + 0x2000, Handler = TestMachine.RamBase + 0x8000;
    private const ulong Code = TestMachine.RamBase + 0x200000, OtherCode = Code + 0x10000, Data = TestMachine.RamBase + 0x300000;
    private const ulong V = 1, R = 2, W = 4, X = 8, A = 64, D = 128;
    private const int Satp = 0x180, Mtvec = 0x305, Medeleg = 0x302, Mideleg = 0x303,
    Mie = 0x304, Stvec = 0x105, Scause = 0x142, Sepc = 0x141, Sip = 0x144;
    private const int Sstatus = 0x100;

    // The stack, the loop's counter, data, the page table as it is mapped, what turns an entry into that of the other page, how deep calls
    // may still go, where an instruction is stored over, that instruction, what turns it into another one, and what the handler uses.
    private const int Sp = 2, Counter = 8, Base = 9, Table = 18, Flip = 19,
    Depth = 20, Place = 21, Instruction = 22, Turn = 23, Scratch = 31;

    private readonly Dice _dice;
    private readonly byte[] _code = new byte[Pages * PageBytes];
    private readonly ProgramWriter _writer;
    private readonly int[] _functions = new int[Functions];
    private readonly bool _remaps, _rewrites, _traps, _movesSpaces, _usesFloats, _returnsElsewhere;
    private readonly int _aliased;
    private readonly HashSet<int> _marked = [];
    private readonly List<(int From, int Function)> _far = [];
    private int _rewritten = -1;
    private int _start;

    public WideProgram(Dice dice)
    {
        _dice = dice;
        _writer = new ProgramWriter(_code);
        (_remaps, _rewrites, _traps, _movesSpaces) = (dice.OneIn(3), dice.OneIn(3), dice.OneIn(3), dice.OneIn(4));
        (_usesFloats, _returnsElsewhere) = (dice.OneIn(3), dice.OneIn(4));
        _aliased = dice.OneIn(4) ? dice.Next(1, Pages) : 0;
        Write();
    }

    /// <summary>Puts the program in a machine's RAM, and its hart where it begins.</summary>
    public void Prepare(TestMachine machine)
    {
        machine.WriteRam(Tables + (2 * 8), Entry(TestMachine.RamBase, V | R | W | X | A | D)); // 1 GiB as it is
        machine.WriteRam(Tables + (1 * 8), Entry(Tables + 0x1000, V));
        machine.WriteRam(Tables + 0x1000, Entry(Leaves, V));
        for (ulong page = 0; page < Pages; page++)
        {
            // One page of RAM may be there twice.
            ulong from = page == (ulong)_aliased ? 0 : page;
            machine.WriteRam(Leaves + (page * 8), Entry(Code + (from << 12), V | R | W | X | A | D));
        }

        _code.CopyTo(machine.Ram[(int)(Code - TestMachine.RamBase)..]);
        Span<byte> other = machine.Ram.Slice((int)(OtherCode - TestMachine.RamBase), _code.Length);
        _code.CopyTo(other);
        for (int at = 0; at < other.Length; at += 2)
        {
            // The same instructions, but each that adds a constant to a register adds another one.
            if ((other[at] & 0x7f) == 0x13 && (other[at + 1] & 0x70) == 0 && _marked.Contains(at))
            {
                other[at + 3] ^= 0x10;
            }
        }

        machine.Program(
            Handler,
            Csrrs(Scratch, Scause, 0),
            Branch(4, Scratch, Zero, 20), // an interrupt
            Csrrs(Scratch, Sepc, 0),
            Addi(Scratch, Scratch, 4),
            Csrrw(Zero, Sepc, Scratch),
            Sret,
            Asm.Csr(7, 0, Sip, 2), // is done
            Sret);
        Hart hart = machine.Hart;
        for (int register = 1; register < 32; register++)
        {
            hart[register] = _dice.OneIn(2) ? (ulong)_dice.Next(-9, 9) : _dice.Bits();
        }

        foreach ((int number, ulong value) in new (int Number, ulong Value)[]
        {
            (Mtvec, Handler), (Stvec, Handler), (Medeleg, 0xb1ff), (Mideleg, 2),
            (Mie, 2), (Sstatus, 0x6002), (Satp, 8ul << 60 | Tables >> 12),
        })
        {
            Assert.True(hart.TryWriteCsr(number, value));
        }

        hart.Mode = PrivilegeMode.Supervisor;
        hart.Pc = Window + (ulong)_start;
        (hart[Sp], hart[Base], hart[Counter], hart[Depth]) = (Data + 0x8000, Data + 0x1000, 30, 3);
        (hart[Table], hart[Flip]) = (Leaves, (OtherCode ^ Code) >> 12 << 10);
        (hart[Place], hart[Instruction], hart[Turn]) = (Window + (ulong)_rewritten, Addi(A0, A0, 1), Addi(A0, A0, 1) ^ Addi(A0, A0, 55));
    }

    private void Write()
    {
        for (int i = 0; i < Functions; i++)
        {
            _functions[i] = _writer.NewLabel();
        }

        // The loop begins near the end of the first page, or is in the middle of it.
        _writer.At = _dice.OneIn(2) ? PageBytes - (_dice.Next(80) * 2) : _dice.Next(1000) * 2;
        _start = _writer.At;
        int outer = _writer.MarkNew(), top = _writer.NewLabel(), end = _writer.NewLabel();
        _writer.Emit(Addi(Counter, Zero, 40));
        _writer.Mark(top);
        Items(_dice.Next(4, 20), inLoop: true, self: -1);
        _writer.Emit(Addi(Counter, Counter, -1));
        _writer.Branch(0, Counter, Zero, end);
        _writer.Jump(Zero, top);
        _writer.Mark(end);
        _writer.Emit(Addi(Depth, Zero, 3));
        _writer.Jump(Zero, outer);
        for (int i = 0; i < Functions; i++)
        {
            // Anywhere behind, often over the end of a page.
            int next = (_writer.At / PageBytes * PageBytes) + PageBytes;
            _writer.At = _dice.Next(3) switch
            {
                0 when next < (Pages - 1) * PageBytes => next - (_dice.Next(30) * 2) is var at && at > _writer.At ? at : _writer.At,
                1 when next < (Pages - 1) * PageBytes => next + (_dice.Next(50) * 2),
                _ => _writer.At + (_dice.Next(30) * 2),
            };
            Function(i);
        }

        foreach ((int from, int function) in _far)
        {
            int distance = _writer.Distance(_functions[function], from), upper = (distance + 0x800) >> 12, behind = _writer.At;
            _writer.At = from;
            _writer.Emit(Auipc(Ra, (uint)upper), Jalr(Ra, Ra, distance - (upper << 12)));
            _writer.At = behind;
        }

        _writer.Finish();
        if (_rewritten < 0)
        {
            _rewritten = _start;
        }
    }

    private void Function(int number)
    {
        _writer.Mark(_functions[number]);
        bool calls = number < Functions - 2 && _dice.OneIn(2), recurses = calls && _dice.OneIn(3);
        int done = _writer.NewLabel();
        if (calls)
        {
            _writer.Emit(Addi(Sp, Sp, -16), Sd(Ra, Sp, 0));
        }

        if (recurses)
        {
            _writer.Branch(0, Depth, Zero, done);
            _writer.Emit(Addi(Depth, Depth, -1));
        }

        Items(_dice.Next(1, 8), inLoop: false, self: calls ? number : Functions);
        if (recurses)
        {
            _writer.Jump(Ra, _functions[number]);
            Items(_dice.Next(3), inLoop: false, self: number);
        }

        _writer.Mark(done);
        if (calls)
        {
            _writer.Emit(Load(3, Ra, Sp, 0), Addi(Sp, Sp, 16));
        }

        if (_returnsElsewhere && _dice.OneIn(3))
        {
            _writer.Emit(Addi(Ra, Ra, 4)); // all calls are followed by an instruction of 4 bytes that may be left out
        }

        _writer.Emit(_dice.OneIn(2) ? 0x8082u : Jalr(Zero, Ra, 0));
    }

    /// <param name="count">How many.</param>
    /// <param name="inLoop">Whether they are the loop's.</param>
    /// <param name="self">The function that they are of, which calls those behind it alone.</param>
    private void Items(int count, bool inLoop, int self)
    {
        for (int i = 0; i < count; i++)
        {
            switch (_dice.Next(inLoop ? 22 : 19))
            {
                case >= 17 when self < Functions - 1:
                    Call(_dice.Next(self + 1, Functions));
                    break;
                case 0:
                    Change();
                    break;
                case 1:
                    int skip = _writer.NewLabel();
                    _writer.Branch(_dice.Pick<int>([0, 1, 4, 5, 6, 7]), Any(), Any(), skip);
                    Compute();
                    if (_dice.OneIn(2))
                    {
                        _writer.Emit(Sd(Any(), Base, _dice.Next(-64, 64) * 8));
                    }

                    _writer.Mark(skip);
                    break;
                case 2:
                    _writer.Emit(0x0001); // c.nop
                    break;
                case 3 or 4:
                    _writer.Emit(Load(_dice.Next(7), Dest(), Base, _dice.Next(-500, 500)));
                    break;
                case 5 or 6:
                    _writer.Emit(Store(_dice.Next(4), Any(), Base, _dice.Next(-500, 500)));
                    break;
                case 7 when _usesFloats:
                    int one = _dice.Next(32), other = _dice.Next(32);
                    bool wide = _dice.OneIn(2);
                    _writer.Emit(R(0x53, 7, wide ? 1 : 0, _dice.Next(32), one, other)); // fadd
                    break;
                default:
                    Compute();
                    break;
            }
        }
    }

    private void Call(int function)
    {
        if (_dice.OneIn(3))
        {
            // auipc and jalr, whose target is known only when all is written: near enough for its upper part to be that of a page.
            if (_dice.OneIn(4))
            {
                // A branch may skip the auipc; then the call is to wherever ra says.
                _writer.Emit(Branch(_dice.Pick<int>([0, 1, 4, 5, 6, 7]), Any(), Any(), 8));
            }

            int from = _writer.At;
            _far.Add((from, function));
            _writer.Emit(Auipc(Ra, 0), Jalr(Ra, Ra, 0));
        }
        else
        {
            _writer.Jump(_dice.OneIn(8) ? 5 : Ra, _functions[function]);
        }

        Mark(Addi(A0, A0, 1));
    }

    private void Change()
    {
        switch (_dice.Next(5))
        {
            case 0 when _remaps:
                int page = _dice.Next(1, Pages);
                _writer.Emit(Load(3, Scratch, Table, page * 8), R(0x33, 4, 0, Scratch, Scratch, Flip), Sd(Scratch, Table, page * 8));
                if (!_dice.OneIn(3))
                {
                    _writer.Emit(SfenceVma(Zero, Zero));
                }

                break;
            case 1 when _rewrites && _rewritten >= 0:
                _writer.Emit(R(0x33, 4, 0, Instruction, Instruction, Turn), Sw(Instruction, Place, 0));
                if (_dice.OneIn(2))
                {
                    _writer.Emit(FenceI);
                }

                break;
            case 2 when _traps:
                _writer.Emit(_dice.OneIn(2) ? Ecall : Ebreak);
                break;
            case 3 when _traps:
                _writer.Emit(Asm.Csr(6, 0, Sip, 2));
                break;
            case 4 when _movesSpaces:
                _writer.Emit(
                    Csrrs(Scratch, Satp, 0), Addi(A1, Zero, 1), Slli(A1, A1, 44), R(0x33, 4, 0, Scratch, Scratch, A1),
                    Csrrw(Zero, Satp, Scratch));
                break;
            default:
                Mark(Addi(A0, A0, 1));
                break;
        }
    }

    /// <summary>
    /// An instruction that pages in the place of others have otherwise; the first that is not the loop's own is stored over.
    /// </summary>
    private void Mark(uint instruction)
    {
        if (_rewritten < 0 && _writer.At % 4 == 0 && _dice.OneIn(3))
        {
            _rewritten = _writer.At;
        }

        _marked.Add(_writer.At);
        _writer.Emit(instruction);
    }

    private void Compute()
    {
        int rd = Dest(), rs1 = Any(), rs2 = Any();
        switch (_dice.Next(4))
        {
            case 0:
                _writer.Emit(R(_dice.OneIn(2) ? 0x33 : 0x3b, _dice.Pick<int>([0, 0, 1, 5]), 0, rd, rs1, rs2));
                break;
            case 1:
                _writer.Emit(R(0x33, _dice.Next(8), 0, rd, rs1, rs2));
                break;
            case 2:
                _writer.Emit(Auipc(rd, (uint)_dice.Next(4)));
                break;
            default:
                Mark(Addi(rd, rs1, _dice.Next(200)));
                break;
        }
    }

    private int Any() => _dice.OneIn(10) ? Zero : Dest();

    private int Dest() => _dice.Pick<int>([5, 6, 7, A0, A1, A2, A3, A4, A5, A6, A7, 24, 25, 26]);

    private static ulong Entry(ulong page, ulong flags) => page >> 12 << 10 | flags;
}
