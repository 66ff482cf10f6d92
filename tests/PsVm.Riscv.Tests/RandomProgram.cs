using System.Buffers.Binary;
using System.Runtime.InteropServices;
using PsVm.Riscv.Memory;
using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests;

/// <summary>
/// Puts random programs in RAM, with trap handlers, page tables and data. Some are random words: all of the ISA, with traps, page
/// crossings, branches into the middle of instructions and stores into code. The others are structured and loop
/// (<see cref="StructuredProgram"/>). Both are for machine mode, or for address translation in all modes.
/// </summary>
/// <param name="ramBase">Guest physical address of the program's RAM: a multiple of 2 MiB in the third GiB.</param>
internal sealed unsafe class RandomProgram(ulong ramBase = TestMachine.RamBase)
{
    /// <summary>Bytes of RAM that a program needs.</summary>
    public const int RamSize = 1 << 20;

    private const int CodeBytes = 3 * 4096, DataBytes = 3 * 4096;
    private const int DataPointer = 2, CodePointer = 3;
    private const int Fcsr = 0x003, Stvec = 0x105, Scounteren = 0x106, Sscratch = 0x140, Satp = 0x180, Sepc = 0x141, Sip = 0x144;
    private const int Menvcfg = 0x30a, Senvcfg = 0x10a;
    private const int Mstatus = 0x300, Medeleg = 0x302, Mideleg = 0x303, Mie = 0x304, Mtvec = 0x305, Mcounteren = 0x306;
    private const int Mscratch = 0x340, Mepc = 0x341, Mcause = 0x342, Mip = 0x344, Pmpcfg0 = 0x3a0, Pmpaddr0 = 0x3b0;
    private const ulong V = 1, R = 2, W = 4, X = 8, U = 16, G = 32, A = 64, D = 128;

    /// <summary>The same RAM once more in the page table, for user mode.</summary>
    private const ulong UserWindow = 0x100000;

    /// <summary>Bytes of a page table, and what turns the number of the first one's root into that of the other's.</summary>
    private const int TableBytes = 3 * 4096, OtherRoot = 0xd;

    private static readonly uint[] Opcodes =
    [
        0x03, 0x03, 0x03, 0x23, 0x23, 0x13, 0x13, 0x13, 0x1b, 0x1b, 0x33, 0x33, 0x33, 0x3b, 0x3b, 0x37, 0x17, 0x63, 0x63, 0x63, 0x6f, 0x67,
        0x2f, 0x07, 0x27, 0x53, 0x53, 0x43, 0x47, 0x4b, 0x4f, 0x0f, 0x73,
    ];

    private static readonly uint[] Functions =
        [
            0x00, 0x00, 0x01, 0x04, 0x05, 0x07, 0x10, 0x14, 0x20, 0x24, 0x30, 0x34, 0x08, 0x0c,
            0x2c, 0x60, 0x61, 0x68, 0x69, 0x70, 0x71, 0x78, 0x79, 0x50, 0x51, 0x21];

    private static readonly uint[] BitImmediates = [0x600, 0x601, 0x602, 0x604, 0x605, 0x287, 0x6b8];

    private static readonly uint[] ReadableCsrs = [
        0x001, 0x002, 0x003, 0x300, 0x340, 0x341, 0x342, 0x343, 0xb02, 0xc00, 0xc02, 0xf14, 0x7c0];

    private readonly byte[] _code = new byte[CodeBytes];

    private ulong Handler => ramBase;

    private ulong SupervisorHandler => ramBase + 0x1000;

    private ulong SaveArea => ramBase + 0x2000;

    private ulong Code => ramBase + 0x10000;

    private ulong Data => ramBase + 0x40000;

    private ulong Tables => ramBase + 0xb7000;

    /// <summary>Puts a program, its data and all of the hart's state in place; the same on any machine.</summary>
    public void Prepare(Hart hart, PhysicalMemory memory, Span<byte> ram, Dice dice, int program)
    {
        bool structured = program % 8 >= 2, translated = program % 16 is 1 or >= 8;
        ram.Clear();
        Span<byte> data = ram.Slice((int)(Data - ramBase), DataBytes);
        foreach (ref ulong word in MemoryMarshal.Cast<byte, ulong>(data))
        {
            word = dice.Bits();
        }

        for (int register = 1; register < 32; register++)
        {
            hart[register] = Value(dice);
            hart.SetFloat(register, FloatValue(dice));
        }

        hart.SetFloat(0, FloatValue(dice));
        ulong pc = Code + ((ulong)dice.Next(CodeBytes / 4) * 4);
        if (structured)
        {
            pc = WriteStructured(hart, ram, dice, translated);
        }
        else
        {
            foreach (ref uint word in MemoryMarshal.Cast<byte, uint>(_code.AsSpan()))
            {
                word = Instruction(dice);
            }

            (hart[DataPointer], hart[CodePointer]) = (Data + 0x1000, Code + 0x1000);
        }

        _code.CopyTo(ram[(int)(Code - ramBase)..]);
        WriteHandlers(ram, dice, structured || translated, translated);
        Write(ram, SaveArea + 16, dice.Bits());
        Write(ram, SaveArea + 24, 0x5851_f42d_4c95_7f2d);
        Write(ram, SaveArea + 40, pc);
        WriteTables(ram, dice);
        ResetCsrs(hart, dice, translated);
        PrivilegeMode mode = translated || dice.OneIn(8)
            ? dice.Pick<PrivilegeMode>([PrivilegeMode.Machine, PrivilegeMode.Supervisor, PrivilegeMode.User])
            : PrivilegeMode.Machine;
        hart.Mode = mode;
        hart.Pc = mode == PrivilegeMode.User && translated ? pc + UserWindow : pc;
        hart.Mmu.FlushAll();
        memory.NotifyWritten(ramBase, RamSize);
    }

    private ulong WriteStructured(Hart hart, Span<byte> ram, Dice dice, bool translated)
    {
        _code.AsSpan().Clear();
        var writer = new ProgramWriter(_code);
        var program = new StructuredProgram(dice, writer);

        // Often over the end of a page, and not always where instructions of 4 bytes are aligned.
        writer.At = dice.OneIn(2) ? 4096 - (dice.Next(400) * 2) : dice.Next(4096 / 2) * 2;
        int start = writer.At;
        program.Write();
        writer.Finish();
        ulong window = !translated ? 0 : dice.Next(8) switch
        {
            < 4 => 0,
            < 6 => UserWindow,
            6 => 2 * UserWindow, // of a superpage
            _ => 1ul << 30,
        };
        hart[program.Data] = Data + 0x1000 + window;
        hart[program.Edge] = dice.Next(8) switch
        {
            < 3 => ramBase + RamSize - ((ulong)dice.Next(64) * 4),
            < 6 => Data + window + ((ulong)dice.Next(1, 4) * 4096) - ((ulong)dice.Next(32) * 4),
            6 => 1ul << 38,
            _ => Code + ((ulong)dice.Next(CodeBytes / 8) * 8),
        };
        for (int word = 0; word < 64; word++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(
                ram[(int)(Data + 0x800 + ((ulong)word * 4) - ramBase)..], program.Replacement());
        }

        return Code + (ulong)start;
    }

    private void ResetCsrs(Hart hart, Dice dice, bool translated)
    {
        ulong delegated = translated && dice.OneIn(3) ? dice.Bits() & 0xb1ff : 0;
        ReadOnlySpan<(int Number, ulong Value)> values =
        [
            (Fcsr, dice.OneIn(4) ? (uint)dice.Next(5) << 5 | (uint)dice.Next(32) : 0),
            (Mstatus, (dice.OneIn(16) ? 0 : (uint)dice.Next(1, 4)) << 13 | (uint)dice.Next(4) << 18 | (uint)dice.Next(2) << 3),
            (Medeleg, delegated), (Mideleg, translated && dice.OneIn(2) ? 2u : 0),
            (Mie, 2), (Mip, 0), (Mtvec, Handler), (Stvec, SupervisorHandler),
            (Mcounteren, (ulong)dice.Next(8)), (Scounteren, 7), (Mscratch, SaveArea), (Sscratch, 0), (Mepc, 0), (Sepc, 0), (Mcause, 0),
            (Menvcfg, (ulong)dice.Next(16) << 4), (Senvcfg, dice.OneIn(2) ? 0xf0 : (ulong)dice.Next(16) << 4),
            (0x142, 0), (0x143, 0), (0x343, 0), (0xb00, 0), (0xb02, 0), (Pmpaddr0, ulong.MaxValue), (Pmpcfg0, 0x1f),
            (Satp, translated ? 8ul << 60 | Tables >> 12 : 0),
        ];
        foreach ((int number, ulong value) in values)
        {
            Assert.True(hart.TryWriteCsr(number, value));
        }
    }

    /// <summary>
    /// RAM at its own addresses, for supervisor mode, and once more for user mode; then in pages of 2 MiB and 1 GiB. Of the code and
    /// data pages some are not mapped, or not for all that the program does there.
    /// </summary>
    private void WriteTables(Span<byte> ram, Dice dice)
    {
        ulong middle = Tables + 0x1000, leaves = Tables + 0x2000;
        ulong below = ramBase >> 12, middleEntry = middle + ((ramBase >> 21 & 511) * 8);
        Write(ram, Tables + 16, middle >> 12 << 10 | V);
        Write(ram, Tables + 24, TestMachine.RamBase >> 12 << 10 | V | R | W | (dice.OneIn(2) ? X : U));
        Write(ram, middleEntry, leaves >> 12 << 10 | V);
        Write(ram, middleEntry + 8, ramBase >> 12 << 10 | V | R | W | X | A | (dice.OneIn(2) ? D : U));
        bool hostile = dice.OneIn(2);
        for (ulong page = 0; page < RamSize >> 12; page++)
        {
            ulong entry = (below + page) << 10 | V | R | W | A | D;
            ulong alias = entry | U;
            if (page == SupervisorHandler - ramBase >> 12)
            {
                entry |= X;
            }
            else if (page >= (Tables - ramBase) >> 12 && page < ((Tables - ramBase) >> 12) + (2 * TableBytes >> 12))
            {
                entry = alias = 0; // a store there without a fence would make what the harts' TLBs hold visible
            }
            else if (page >= (Code - ramBase) >> 12 && page < (Code + CodeBytes - ramBase) >> 12)
            {
                (entry, alias) = (CodeEntry(entry), CodeEntry(alias));
            }
            else if (page >= (Data - ramBase) >> 12 && page <= (Data + DataBytes - ramBase) >> 12)
            {
                (entry, alias) = (DataEntry(entry), DataEntry(alias));
            }

            Write(ram, leaves + (page * 8), entry);
            Write(ram, leaves + ((256 + page) * 8), alias);
        }

        WriteOtherTable(ram, dice);

        // Pairs of entries that the handler exchanges, and the addresses they are for.
        for (ulong pair = 0; pair < 4; pair++)
        {
            ulong first = pair < 2 ? 16ul : 64;
            (ulong one, ulong other) = (first + (ulong)dice.Next(3) + ((pair & 1) * 256), first + (ulong)dice.Next(3) + ((pair & 1) * 256));
            ulong at = SaveArea + 64 + (pair * 32);
            Write(ram, at, leaves + (one * 8));
            Write(ram, at + 8, leaves + (other * 8));
            Write(ram, at + 16, ramBase + (one << 12));
            Write(ram, at + 24, ramBase + (other << 12));
        }

        ulong Aged(ulong entry) => dice.OneIn(2) ? entry & ~(dice.OneIn(2) ? A | D : D) : entry;

        ulong CodeEntry(ulong entry) => !hostile ? Aged(entry) | X : dice.Next(16) switch
        {
            < 9 => Aged(entry) | X,
            < 12 => (entry | X) & ~W,
            12 => (entry | X) & ~(R | W),
            13 => entry,
            14 => entry ^ U | X,
            _ => 0,
        };

        ulong DataEntry(ulong entry) => !hostile ? Aged(entry) | (dice.OneIn(3) ? U : 0) : dice.Next(16) switch
        {
            < 8 => Aged(entry),
            < 11 => entry ^ U,
            < 13 => entry & ~W,
            13 => entry & ~R,
            14 => entry | 1ul << 60,
            _ => 0,
        };
    }

    /// <summary>
    /// A second page table, for other address spaces: the same but for pages that lie elsewhere in it. What is the same in both for ever is
    /// global, or not.
    /// </summary>
    private void WriteOtherTable(Span<byte> ram, Dice dice)
    {
        const int FirstCode = 16, FirstData = 64, ChangingPages = 4;
        int tables = (int)(Tables - ramBase), leaves = tables + (2 * 4096);
        for (int page = 0; page < RamSize >> 12; page++)
        {
            bool changes = page is (>= FirstCode and < FirstCode + ChangingPages) or (>= FirstData and < FirstData + ChangingPages);
            if (!changes && dice.OneIn(2))
            {
                Span<byte> entry = ram.Slice(leaves + (page * 8), 8);
                ulong bits = BinaryPrimitives.ReadUInt64LittleEndian(entry);
                BinaryPrimitives.WriteUInt64LittleEndian(entry, bits == 0 ? 0 : bits | G);
            }
        }

        ram.Slice(tables, TableBytes).CopyTo(ram[(tables + TableBytes)..]);
        Write(ram, Tables + TableBytes + 16, (Tables + TableBytes + 0x1000) >> 12 << 10 | V);
        Write(ram, Tables + TableBytes + 0x1000 + ((ramBase >> 21 & 511) * 8), (Tables + TableBytes + 0x2000) >> 12 << 10 | V);
        Span<ulong> others = MemoryMarshal.Cast<byte, ulong>(ram.Slice(leaves + TableBytes, 4096));
        foreach (int half in (ReadOnlySpan<int>)[0, 256])
        {
            int one = half + FirstData + dice.Next(3), other = half + FirstData + dice.Next(3);
            (others[one], others[other]) = (others[other], others[one]);
            if (dice.OneIn(4))
            {
                (one, other) = (half + FirstCode + dice.Next(3), half + FirstCode + dice.Next(3));
                (others[one], others[other]) = (others[other], others[one]);
            }
        }
    }

    private void WriteHandlers(Span<byte> ram, Dice dice, bool goesOn, bool translated)
    {
        if (!goesOn)
        {
            WriteJumpingHandler(ram);
            return;
        }

        byte[] bytes = new byte[0x800];
        var writer = new ProgramWriter(bytes);
        WriteHandler(writer, translated);
        writer.Finish();
        bytes.CopyTo(ram[(int)(Handler - ramBase)..]);
        WriteCode(
        ram,
            SupervisorHandler,
            Asm.Csr(7, 0, Sip, 2),
            Csrrw(31, Sscratch, 31),
            Csrrs(31, Sepc, 0),
            Addi(31, 31, dice.OneIn(4) ? 2 : 4),
            Csrrw(0, Sepc, 31),
            Csrrw(31, Sscratch, 31),
            Sret);
    }

    /// <summary>
    /// Goes on behind the instruction that trapped, and now and then does what an operating system does: changes the mode, exchanges
    /// two pages, fences, lends the floating point unit. What cannot be fetched goes on at the program's start.
    /// </summary>
    private void WriteHandler(ProgramWriter code, bool translated)
    {
        const int Clear = 3, Lcg = 16, Multiplier = 24, Saved = 32, Start = 40, Pairs = 64;
        int done = code.NewLabel(), leave = code.NewLabel(), interrupt = code.NewLabel(), recover = code.NewLabel();
        code.Emit(Csrrw(31, Mscratch, 31), Sd(30, 31, 0), Sd(29, 31, 8), Csrrs(30, Mcause, 0));
        code.Branch(4, 30, 0, interrupt);
        code.Emit(Ld(29, 31, Lcg), Sd(28, 31, Saved), Ld(28, 31, Multiplier), Asm.R(0x33, 0, 1, 29, 29, 28), Addi(29, 29, 1445));
        code.Emit(Sd(29, 31, Lcg), Addi(30, 30, -12));
        code.Branch(0, 30, 0, recover);
        code.Emit(Addi(30, 30, 11));
        code.Branch(0, 30, 0, recover);

        // The instruction's length, read as the mode that fetched it may (MPRV and MXR).
        int isShort = code.NewLabel();
        code.Emit(Lui(28, 0xa0), Csrrs(0, Mstatus, 28), Csrrs(30, Mepc, 0), Load(5, 29, 30, 0), Csr(Clear, Mstatus, 28));
        code.Emit(Andi(29, 29, 3), Addi(29, 29, -3), Addi(30, 30, 2));
        code.Branch(1, 29, 0, isShort);
        code.Emit(Addi(30, 30, 2));
        code.Mark(isShort);
        code.Emit(Csrrw(0, Mepc, 30), Ld(29, 31, Lcg), Srli(29, 29, 60));

        Service(() =>
        {
            // Machine, supervisor and user mode take turns; user mode has a window of its own.
            int toSupervisor = code.NewLabel(), toUser = code.NewLabel();
            code.Emit(Csrrs(28, Mstatus, 0), Srli(28, 28, 11), Andi(28, 28, 3), Addi(28, 28, -3));
            code.Branch(0, 28, 0, toSupervisor);
            code.Emit(Addi(28, 28, 2));
            code.Branch(0, 28, 0, toUser);
            code.Emit(Lui(28, 2), Addi(28, 28, -0x800), Csrrs(0, Mstatus, 28));
            Move();
            code.Mark(toUser);
            code.Emit(Addi(28, 0, 1), Slli(28, 28, 11), Csr(Clear, Mstatus, 28));
            Move();
            code.Mark(toSupervisor);
            code.Emit(Lui(28, 1), Csr(Clear, Mstatus, 28));

            void Move()
            {
                if (translated)
                {
                    code.Emit(Lui(28, (uint)(UserWindow >> 12)), Asm.R(0x33, 4, 0, 30, 30, 28), Csrrw(0, Mepc, 30));
                }

                code.Jump(0, done);
            }
        });
        Service(() =>
        {
            Pair();
            code.Emit(Ld(29, 31, 0), Ld(30, 31, 8), Ld(28, 29, 0));
            code.Emit(Atomic(1, 3, 28, 30, 28), Sd(28, 29, 0)); // amoswap.d
            code.Emit(Ld(29, 31, 16), Ld(30, 31, 24), SfenceVma(29, 0), SfenceVma(30, 0));
            Unpair();
        });
        Service(() =>
        {
            Pair();
            code.Emit(Ld(29, 31, 0), Ld(28, 29, 0), Andi(28, 28, ~0xc0), Sd(28, 29, 0), SfenceVma(0, 0)); // A and D
            Unpair();
        });
        Service(() => code.Emit(SfenceVma(0, 0)));
        Service(SwitchSpace);
        Service(SwitchSpace);
        Service(() => code.Emit(Csrrs(28, Satp, 0), Srli(28, 28, 44), SfenceVma(0, 28)));
        Service(() =>
        {
            // Pages of which nothing has changed, in some address space.
            Pair();
            code.Emit(Ld(29, 31, 16), Ld(28, 31, 0), Andi(28, 28, 3), SfenceVma(29, 28));
            Unpair();
        });
        Service(() => code.Emit(Lui(28, 6), Csrrs(0, Mstatus, 28)));
        Service(() => code.Emit(Lui(28, 2), Csrrs(0, Mstatus, 28)));
        Service(() => code.Emit(Lui(28, 4), Csrrs(0, Mstatus, 28)));
        Service(() => code.Emit(Lui(28, 0x20), Csrrs(0, Mstatus, 28))); // MPRV
        Service(() => code.Emit(Csrrwi(6, Mip, 2)));
        Service(() => code.Emit(FenceI));

        code.Mark(done);
        code.Emit(Ld(28, 31, Saved));
        code.Mark(leave);
        code.Emit(Ld(29, 31, 8), Ld(30, 31, 0), Csrrw(31, Mscratch, 31), Mret);
        code.Mark(interrupt);
        code.Emit(Csrrwi(7, Mip, 2));
        code.Jump(0, leave);
        code.Mark(recover);
        int machine = code.NewLabel();
        code.Emit(Ld(30, 31, Start), Csrrw(0, Mepc, 30), Lui(28, 2), Addi(28, 28, -0x800));
        code.Branch(5, 29, 0, machine);
        code.Emit(Csr(Clear, Mstatus, 28), Addi(28, 0, 1), Slli(28, 28, 11)); // supervisor mode
        code.Mark(machine);
        code.Emit(Csrrs(0, Mstatus, 28));
        code.Jump(0, done);

        void Service(Action body)
        {
            int next = code.NewLabel();
            code.Branch(1, 29, 0, next);
            body();
            code.Jump(0, done);
            code.Mark(next);
            code.Emit(Addi(29, 29, -1));
        }

        // One of four address spaces and of two page tables.
        void SwitchSpace() => code.Emit(
            Ld(28, 31, Lcg), Srli(28, 28, 40), Andi(29, 28, 3), Slli(29, 29, 44), Csrrs(30, Satp, 0), Asm.R(0x33, 4, 0, 30, 30, 29),
            Srli(28, 28, 2), Andi(28, 28, 1), Asm.R(0x33, 0, 0x20, 28, 0, 28), Andi(28, 28, OtherRoot), Asm.R(0x33, 4, 0, 30, 30, 28),
            Csrrw(0, Satp, 30));

        void Pair() => code.Emit(
            Ld(29, 31, Lcg), Srli(29, 29, 50), Andi(29, 29, 0x60), Add(31, 31, 29), Addi(31, 31, Pairs));

        void Unpair() => code.Emit(Lui(31, (uint)(SaveArea >> 12)), Slli(31, 31, 32), Srli(31, 31, 32));

        static uint Csr(int funct3, int number, int source) => (uint)(number << 20 | source << 15 | funct3 << 12 | 0x73);

        static uint Csrrwi(int funct3, int number, int bits) => Csr(funct3, number, bits);

        static uint Andi(int rd, int rs1, int immediate) => Asm.R(0x13, 7, 0, rd, rs1, 0) | (uint)immediate << 20;

        static uint Srli(int rd, int rs1, int shift) => Asm.R(0x13, 5, shift >> 5, rd, rs1, shift & 31);
    }

    /// <summary>Goes on at a place in the code that depends on where the trap was, with the pointers as they were.</summary>
    private void WriteJumpingHandler(Span<byte> ram) => WriteCode(
        ram,
        Handler,
        Csrrs(31, Mepc, 0),
        Addi(31, 31, 6),
        Slli(31, 31, 64 - 13),
        0x033fdf93, // srli x31, x31, 51
        Lui(30, Upper(Code)), // sign-extended
        Slli(30, 30, 32),
        0x020f5f13, // srli x30, x30, 32
        Add(31, 31, 30),
        Csrrw(0, Mepc, 31),
        Lui(DataPointer, Upper(Data + 0x1000)),
        Slli(DataPointer, DataPointer, 32),
        0x02015113, // srli x2, x2, 32
        Lui(CodePointer, Upper(Code + 0x1000)),
        Slli(CodePointer, CodePointer, 32),
        0x0201d193, // srli x3, x3, 32
        Mret);

    private static uint Instruction(Dice dice)
    {
        if (dice.Next(4) == 0)
        {
            // Two compressed ones, or one and half of something else.
            return (uint)dice.Next(1 << 16) & 0xfffe | (uint)dice.Next(1 << 16) << 16;
        }

        uint opcode = Opcodes[dice.Next(Opcodes.Length)];
        uint bits = (uint)(dice.Bits() >> 32) & ~0x7fu | opcode;
        switch (opcode)
        {
            case 0x03 or 0x07 or 0x23 or 0x27 or 0x2f when dice.Next(8) != 0:
                uint pointer = dice.Next(12) == 0 ? (uint)CodePointer : DataPointer;
                bits = bits & ~(31u << 15) | pointer << 15;
                if (opcode == 0x2f)
                {
                    bits = bits & ~(7u << 12) | (uint)dice.Next(2, 4) << 12;
                }

                break;
            case 0x33 or 0x3b or 0x53:
                bits = bits & 0x01ff_ffff | Functions[dice.Next(Functions.Length)] << 25;
                if (dice.Next(2) == 0)
                {
                    bits = bits & ~(31u << 20) | (uint)dice.Next(9) << 20;
                }

                break;
            case 0x0f when dice.Next(2) == 0:
                bits = dice.Next(4) == 0 ? 0x0100000f : CacheBlock(dice, DataPointer);
                break;
            case 0x13 or 0x1b when dice.Next(4) == 0:
                bits = bits & 0xf_ffff | BitImmediates[dice.Next(BitImmediates.Length)] << 20;
                break;
            case 0x63:
                bits &= 0x01ff_ffffu | 1u << 31; // short
                break;
            case 0x6f:
                bits = bits & 0xfff | ((uint)dice.Next(1 << 10) << 21) | ((uint)dice.Next(2) == 0 ? 0 : 0x800f_f000);
                break;
            case 0x73:
                bits = dice.Next(16) == 0 ? (dice.Next(2) == 0 ? 0x00d0_0073u : 0x01d0_0073) : dice.Next(3) switch // wrs.nto, wrs.sto
                {
                    0 => bits & 0xfff | ReadableCsrs[dice.Next(ReadableCsrs.Length)] << 20 | 2u << 12, // csrr
                    1 => 0x0000_100f, // fence.i
                    _ => bits & 0xfff | ((uint)dice.Next(1, 8) << 12) | (uint)dice.Next(1, 4) << 20, // fcsr
                };
                break;
        }

        // The pointers stay, mostly.
        uint rd = bits >> 7 & 31;
        return opcode is not (0x23 or 0x27 or 0x63) && rd is DataPointer or CodePointer ? bits & ~(31u << 7) | 5u << 7 : bits;
    }

    /// <summary>CBO.INVAL, CBO.CLEAN, CBO.FLUSH or CBO.ZERO.</summary>
    internal static uint CacheBlock(Dice dice, int pointer) => dice.Pick<uint>([0, 1, 2, 4, 4]) << 20 | (uint)pointer << 15 | 0x200f;

    private ulong Value(Dice dice) => dice.Next(6) switch
    {
        0 => Data + (ulong)dice.Next(0x2000),
        1 => (ulong)dice.Next(-16, 16),
        2 => 1ul << dice.Next(64),
        3 => Code + ((ulong)dice.Next(CodeBytes / 2) * 2),
        _ => dice.Bits(),
    };

    private static ulong FloatValue(Dice dice)
    {
        ulong special = dice.Next(8) switch
        {
            0 => 0,
            1 => 0x7ff0_0000_0000_0000,
            2 => 0x7ff8_0000_0000_0000,
            3 => 0x7ff0_0000_0000_0001,
            4 => 1,
            5 => BitConverter.DoubleToUInt64Bits(dice.Next(-100, 100)),
            6 => BitConverter.DoubleToUInt64Bits(dice.Fraction() * Math.Pow(2, dice.Next(-1080, 1024))),
            _ => dice.Bits(),
        } | (ulong)dice.Next(2) << 63;
        ulong single = dice.Next(6) switch
        {
            0 => 0,
            1 => 0x7f80_0000,
            2 => 0x7f80_0001,
            3 => BitConverter.SingleToUInt32Bits(dice.Next(-100, 100)),
            4 => 3,
            _ => dice.Bits() >> 32,
        };
        return dice.Next(2) == 0 ? special : single | 0xffff_ffff_0000_0000;
    }

    private static uint Upper(ulong address) => (uint)(address >> 12);

    private void Write(Span<byte> ram, ulong address, ulong value) =>
        BinaryPrimitives.WriteUInt64LittleEndian(ram[(int)(address - ramBase)..], value);

    private void WriteCode(Span<byte> ram, ulong address, params ReadOnlySpan<uint> instructions) =>
        MemoryMarshal.AsBytes(instructions).CopyTo(ram[(int)(address - ramBase)..]);
}
