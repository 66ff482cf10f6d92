using Xunit.Abstractions;
using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests;

/// <summary>
/// Loops of random operations on almost all registers, in lock-step with the interpreter: more live values than the host has registers,
/// rotations, words, copies, branches over little and more, accesses in groups and alone, some of which trap at the end of RAM, and
/// stores into the loop itself. PSVM_TEST_SEED repeats a run, PSVM_RANDOM_RUNS says how many programs.
/// </summary>
public sealed class LockStepRunTests(ITestOutputHelper output) : IDisposable
{
    private const ulong Code = TestMachine.RamBase, Handler = Code + 0x7000, Data = Code + 0x10000, RamSize = 1 << 20;
    private const int Mtvec = 0x305, Mepc = 0x341;

    // x31 is the handler's, x30 counts, x29 points to data, x28 walks off RAM, x27 points to the code, x26 has an instruction and x25 what
    // makes it another.
    private const int Mine = 25, Counter = 30, Base = 29, Edge = 28, Place = 27, Instruction = 26, Other = 25;

    private readonly CodeCache _decoded = new(TranslatorOptions.Off), _translated = new(new TranslatorOptions { Threshold = 1 });

    [SkippableTheory]
    [InlineData(true)]
    [InlineData(false)]
    public void LoopsOfManyRegistersAgree(bool asUnits)
    {
        Skip.IfNot(Translation.HostBackEnd.IsSupported, "this host runs no translated code");
        int programs = int.Parse(Environment.GetEnvironmentVariable("PSVM_RANDOM_RUNS") ?? "150");
        int seed = int.Parse(Environment.GetEnvironmentVariable("PSVM_TEST_SEED") ?? Random.Shared.Next().ToString());
        output.WriteLine($"PSVM_TEST_SEED={seed}");
        using TestMachine reference = new(RamSize, code: _decoded) { FixedTime = 0 };
        using TestMachine subject = new(RamSize, code: _translated) { FixedTime = 0 };
        ulong traps = 0;
        for (int program = 0; program < programs; program++)
        {
            foreach (TestMachine machine in new[] { reference, subject })
            {
                Prepare(machine, new Dice(seed, program), asUnits);
            }

            ulong before = reference.Hart.Traps;
            LockStepDifference? difference = new LockStep(reference.Hart, subject.Hart, program % 3 == 0 ? 40 : 1500).Run(9_000);
            Assert.True(difference is null, $"PSVM_TEST_SEED={seed}, program {program}: {difference}");
            Assert.True(reference.Ram.SequenceEqual(subject.Ram), $"PSVM_TEST_SEED={seed}, program {program}: memory differs");
            traps += reference.Hart.Traps - before;
        }

        output.WriteLine($"{traps} traps");
        Assert.NotEqual(0ul, traps);
        Assert.True(_translated.Usage.Failures == 0, $"a translation failed: {_translated.Usage.LastFailure}");
    }

    public void Dispose()
    {
        _decoded.Dispose();
        _translated.Dispose();
    }

    /// <param name="machine">What runs it.</param>
    /// <param name="dice">What it is.</param>
    /// <param name="asUnits">Whether its loop can be found; else it goes back by a register.</param>
    private static void Prepare(TestMachine machine, Dice dice, bool asUnits)
    {
        machine.Ram.Clear();
        List<uint> body = [];
        bool rewrites = dice.OneIn(4);
        int length = dice.OneIn(3) ? dice.Next(130, 400) : dice.Next(10, 120);
        int rewritten = dice.Next(length), destination = Register(dice);
        for (int blockEnd = 90; body.Count < length;)
        {
            if (body.Count >= blockEnd)
            {
                // No block is cut off for its length: where that is depends on where it began, and lock-step compares between blocks.
                body.Add(Jal(Zero, 4));
                blockEnd = body.Count + 90;
            }

            if (rewrites && body.Count == rewritten)
            {
                body.Add(Addi(destination, destination, 1));
                body.Add(R(0x33, 4, 0, Instruction, Instruction, Other));
                body.Add(Sw(Instruction, Place, 0));
            }

            Item(dice, body);
        }

        body.Add(Addi(Edge, Edge, dice.Pick<int>([8, 16, 1, -4])));
        body.Add(Addi(Counter, Counter, -1));
        if (asUnits)
        {
            body.Add(Bne(Counter, Zero, body.Count * -4));
        }
        else
        {
            body.Add(Branch(0, Counter, Zero, 12));
            body.Add(Auipc(31, 0));
            body.Add(Jalr(Zero, 31, (body.Count - 1) * -4));
        }

        body.Add(Addi(Counter, Zero, 30));
        body.Add(Lui(Edge, 0x80100));
        body.Add(Shift(0x13, 1, 0, Edge, Edge, 32));
        body.Add(Shift(0x13, 5, 0, Edge, Edge, 32));
        body.Add(Addi(Edge, Edge, -dice.Next(8, 300)));
        body.Add(Jal(Zero, body.Count * -4));
        machine.Program(Code, [.. body]);
        machine.Program(Handler, Csrrs(31, Mepc, 0), Addi(31, 31, 4), Csrrw(Zero, Mepc, 31), Mret);
        machine.Memory.NotifyWritten(Code, RamSize);
        for (int register = 1; register < 32; register++)
        {
            machine.Hart[register] = dice.OneIn(3) ? (ulong)dice.Next(-3, 4) : dice.OneIn(2) ? (ulong)(int)dice.Bits() : dice.Bits();
        }

        machine.Hart.TryWriteCsr(Mtvec, Handler);
        machine.Hart[Base] = Data + (ulong)dice.Next(0, 8192);
        machine.Hart[Edge] = Code + RamSize - (ulong)dice.Next(8, 300);
        machine.Hart[Counter] = 30;
        machine.Hart[Place] = Code + ((ulong)rewritten * 4);
        machine.Hart[Instruction] = Addi(destination, destination, 1);
        machine.Hart[Other] = Addi(destination, destination, 1) ^ Addi(destination, destination, 77);
        machine.Hart.Pc = Code;
    }

    private static int Register(Dice dice) => dice.Next(1, Mine);

    private static int Any(Dice dice) => dice.OneIn(12) ? Zero : Register(dice);

    private static uint Shift(int opcode, int funct3, int upper, int rd, int rs1, int count) =>
        (uint)((upper | count) << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode);

    private static uint Access(Dice dice, int loaded, int stored, int pointer, int reach) => dice.OneIn(2)
        ? Load(dice.Next(7), loaded, pointer, dice.Next(-reach, reach))
        : Store(dice.Next(4), stored, pointer, dice.Next(-reach, reach));

    private static void Item(Dice dice, List<uint> body)
    {
        (int rd, int rs1, int rs2) = (Register(dice), Any(dice), Any(dice));
        switch (dice.Next(24))
        {
            case < 4:
                int count = dice.Next(1, 32), other = Register(dice);
                body.Add(Shift(0x1b, 5, 0, rd, rs1, count));
                body.Add(Shift(0x1b, 1, 0, other, rs1, dice.OneIn(8) ? 5 : 32 - count));
                body.Add(R(0x33, dice.Pick<int>([6, 4, 0]), 0, Register(dice), rd, other));
                break;
            case 4:
                body.Add(Shift(0x13, 1, 0, rd, rs1, dice.Pick<int>([32, 48, 56, 40])));
                int to = dice.OneIn(3) ? Register(dice) : rd;
                body.Add(Shift(0x13, 5, dice.OneIn(2) ? 0x400 : 0, to, rd, dice.Pick<int>([32, 48, 56, 40])));
                break;
            case < 8:
                body.Add(R(0x3b, dice.Pick<int>([0, 0, 1, 5]), 0, rd, rs1, rs2));
                break;
            case < 12:
                body.Add(R(0x33, dice.Next(8), 0, rd, rs1, rs2));
                break;
            case 12:
                body.Add(R(dice.OneIn(2) ? 0x33 : 0x3b, dice.Pick<int>([0, 5]), 0x20, rd, rs1, rs2));
                break;
            case 13:
                body.Add(R(0x33, dice.Next(8), 1, rd, rs1, rs2));
                break;
            case 14:
                body.Add(Addi(rd, rs1, dice.OneIn(2) ? 0 : dice.Next(-2048, 2048)));
                break;
            case 15:
                body.Add(dice.OneIn(2) ? Lui(rd, (uint)dice.Next(1 << 20)) : Auipc(rd, (uint)dice.Next(1 << 20)));
                body.Add(Addi(rd, rd, dice.Next(-2048, 2048)));
                break;
            case 16:
                body.Add(Shift(dice.OneIn(2) ? 0x1b : 0x13, 0, 0, rd, rs1, dice.Next(3))); // addi and addiw
                break;
            case 17:
                body.Add(Shift(0x13, dice.Pick<int>([2, 3, 4, 6, 7]), 0, rd, rs1, dice.Next(0, 4096)));
                break;
            case 18:
                body.Add(Access(dice, rd, rs1, Edge, 16));
                break;
            case < 21:
                body.Add(Access(dice, rd, rs1, Base, 64));
                break;
            case 21:
                body.Add(Branch(dice.Pick<int>([0, 1, 4, 5, 6, 7]), rs1, rs2, 8));
                body.Add(dice.OneIn(2) ? Add(rd, rs1, rs2) : Addi(rd, rs1, 3));
                break;
            case 22:
                body.Add(Branch(dice.Pick<int>([0, 1, 4, 5, 6, 7]), rs1, rs2, 16));
                body.Add(R(0x33, 0, 1, rd, rs1, rs2));
                body.Add(Store(dice.Next(4), rs1, Base, dice.Next(-64, 64)));
                body.Add(Add(Register(dice), rs2, rd));
                break;
            default:
                body.Add(dice.OneIn(4) ? Fence : R(0x33, 0, 0, rd, Zero, rs2));
                break;
        }
    }
}
