using System.Buffers.Binary;
using Xunit.Abstractions;

namespace PsVm.Riscv.Tests;

/// <summary>
/// Random programs in lock-step: all of the ISA, with traps, page crossings, branches into the middle of instructions and stores into
/// code. PSVM_RANDOM_INSTRUCTIONS says how many instructions, PSVM_TEST_SEED repeats a run.
/// </summary>
public class RandomProgramTests(ITestOutputHelper output)
{
    private const ulong Code = TestMachine.RamBase + 0x10000, Data = TestMachine.RamBase + 0x40000, Handler = TestMachine.RamBase;
    private const int CodeBytes = 3 * 4096;
    private const int DataPointer = 2, CodePointer = 3;

    private static readonly uint[] Opcodes =
    [
        0x03, 0x03, 0x03, 0x23, 0x23, 0x13, 0x13, 0x13, 0x1b, 0x1b, 0x33, 0x33, 0x33, 0x3b, 0x3b, 0x37, 0x17, 0x63, 0x63, 0x63, 0x6f, 0x67,
        0x2f, 0x07, 0x27, 0x53, 0x53, 0x43, 0x47, 0x4b, 0x4f, 0x0f, 0x73,
    ];

    private static readonly uint[] Functions =
        [0x00, 0x00, 0x01, 0x04, 0x05, 0x10, 0x14, 0x20, 0x24, 0x30, 0x34, 0x08, 0x0c, 0x2c, 0x60, 0x61, 0x68, 0x69, 0x70, 0x71, 0x78, 0x79, 0x50, 0x51, 0x21];

    private static readonly uint[] BitImmediates = [0x600, 0x601, 0x602, 0x604, 0x605, 0x287, 0x6b8];

    private static readonly uint[] ReadableCsrs = [0x001, 0x002, 0x003, 0x300, 0x340, 0x341, 0x342, 0x343, 0xb02, 0xc00, 0xc02, 0xf14, 0x7c0];

    [SkippableFact]
    public void BothTiersAgree()
    {
        Skip.IfNot(Translation.BlockTranslator.IsSupported, "this host runs no translated code");
        ulong wanted = ulong.Parse(Environment.GetEnvironmentVariable("PSVM_RANDOM_INSTRUCTIONS") ?? "1000000");
        int seed = int.Parse(Environment.GetEnvironmentVariable("PSVM_TEST_SEED") ?? Random.Shared.Next().ToString());
        output.WriteLine($"PSVM_TEST_SEED={seed}");
        using var reference = new TestMachine(1 << 20, code: new CodeCache(TranslatorOptions.Off)) { FixedTime = 0 };
        using var subject = new TestMachine(1 << 20, code: new CodeCache(new TranslatorOptions { Threshold = 1 })) { FixedTime = 0 };
        ulong done = 0;
        for (int program = 0; done < wanted; program++)
        {
            Prepare(reference, new Random(unchecked((seed * 1_000_003) + program)));
            Prepare(subject, new Random(unchecked((seed * 1_000_003) + program)));
            ulong before = reference.Hart.InstructionsRetired;
            LockStepDifference? difference = new LockStep(reference.Hart, subject.Hart).Run(5_000);
            Assert.True(difference is null, $"PSVM_TEST_SEED={seed}, program {program}: {difference}");
            Assert.True(reference.Ram.SequenceEqual(subject.Ram), $"PSVM_TEST_SEED={seed}, program {program}: memory differs");
            done += reference.Hart.InstructionsRetired - before;
        }

        output.WriteLine($"{done} instructions");
    }

    private static void Prepare(TestMachine machine, Random random)
    {
        Span<byte> code = machine.Ram.Slice((int)(Code - TestMachine.RamBase), CodeBytes);
        for (int at = 0; at < CodeBytes; at += 4)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(code[at..], Instruction(random));
        }

        random.NextBytes(machine.Ram.Slice((int)(Data - TestMachine.RamBase), 3 * 4096));
        WriteHandler(machine);
        machine.Memory.NotifyWritten(TestMachine.RamBase, machine.RamSize);
        Hart hart = machine.Hart;
        for (int register = 1; register < 32; register++)
        {
            hart[register] = Value(random);
            hart.SetFloat(register, FloatValue(random));
        }

        hart.TryWriteCsr(0x300, 3ul << 13);
        hart.TryWriteCsr(0x305, Handler);
        hart.TryWriteCsr(0x003, (ulong)(random.Next(8) == 0 ? random.Next(5) << 5 : 0));
        hart.Mode = PrivilegeMode.Machine;
        hart.Pc = Code + ((ulong)random.Next(CodeBytes / 4) * 4);
    }

    /// <summary>Goes on at a place in the code that depends on where the trap was, with the pointers as they were.</summary>
    private static void WriteHandler(TestMachine machine) => machine.Program(
        Handler,
        Asm.Csrrs(31, 0x341, 0), // mepc
        Asm.Addi(31, 31, 6),
        Asm.Slli(31, 31, 64 - 13),
        0x033fdf93, // srli x31, x31, 51
        Asm.Lui(30, 0x80010), // sign-extended
        Asm.Slli(30, 30, 32),
        0x020f5f13, // srli x30, x30, 32
        Asm.Add(31, 31, 30),
        Asm.Csrrw(0, 0x341, 31),
        Asm.Lui(DataPointer, 0x80041),
        Asm.Slli(DataPointer, DataPointer, 32),
        0x02015113, // srli x2, x2, 32
        Asm.Lui(CodePointer, 0x80011),
        Asm.Slli(CodePointer, CodePointer, 32),
        0x0201d193, // srli x3, x3, 32
        Asm.Mret);

    private static uint Instruction(Random random)
    {
        if (random.Next(4) == 0)
        {
            // Two compressed ones, or one and half of something else.
            return (uint)random.Next(1 << 16) & 0xfffe | (uint)random.Next(1 << 16) << 16;
        }

        uint opcode = Opcodes[random.Next(Opcodes.Length)];
        uint bits = (uint)random.NextInt64(1L << 32) & ~0x7fu | opcode;
        switch (opcode)
        {
            case 0x03 or 0x07 or 0x23 or 0x27 or 0x2f when random.Next(8) != 0:
                uint pointer = random.Next(12) == 0 ? (uint)CodePointer : DataPointer;
                bits = bits & ~(31u << 15) | pointer << 15;
                if (opcode == 0x2f)
                {
                    bits = bits & ~(7u << 12) | (uint)random.Next(2, 4) << 12;
                }

                break;
            case 0x33 or 0x3b or 0x53:
                bits = bits & 0x01ff_ffff | Functions[random.Next(Functions.Length)] << 25;
                if (random.Next(2) == 0)
                {
                    bits = bits & ~(31u << 20) | (uint)random.Next(4) << 20;
                }

                break;
            case 0x13 or 0x1b when random.Next(4) == 0:
                bits = bits & 0xf_ffff | BitImmediates[random.Next(BitImmediates.Length)] << 20;
                break;
            case 0x63:
                bits &= 0x01ff_ffffu | 1u << 31; // short
                break;
            case 0x6f:
                bits = bits & 0xfff | ((uint)random.Next(1 << 10) << 21) | ((uint)random.Next(2) == 0 ? 0 : 0x800f_f000);
                break;
            case 0x73:
                bits = random.Next(3) switch
                {
                    0 => bits & 0xfff | ReadableCsrs[random.Next(ReadableCsrs.Length)] << 20 | 2u << 12, // csrr
                    1 => 0x0000_100f, // fence.i
                    _ => bits & 0xfff | ((uint)random.Next(1, 8) << 12) | (uint)random.Next(1, 4) << 20, // fcsr
                };
                break;
        }

        // The pointers stay, mostly.
        uint rd = bits >> 7 & 31;
        return opcode is not (0x23 or 0x27 or 0x63) && rd is DataPointer or CodePointer ? bits & ~(31u << 7) | 5u << 7 : bits;
    }

    private static ulong Value(Random random) => random.Next(6) switch
    {
        0 => Data + (ulong)random.Next(0x2000),
        1 => (ulong)random.Next(-16, 16),
        2 => 1ul << random.Next(64),
        3 => Code + ((ulong)random.Next(CodeBytes / 2) * 2),
        _ => (ulong)random.NextInt64(long.MinValue, long.MaxValue),
    };

    private static ulong FloatValue(Random random)
    {
        ulong special = random.Next(8) switch
        {
            0 => 0,
            1 => 0x7ff0_0000_0000_0000,
            2 => 0x7ff8_0000_0000_0000,
            3 => 0x7ff0_0000_0000_0001,
            4 => 1,
            5 => BitConverter.DoubleToUInt64Bits(random.Next(-100, 100)),
            6 => BitConverter.DoubleToUInt64Bits(random.NextDouble() * Math.Pow(2, random.Next(-1080, 1024))),
            _ => (ulong)random.NextInt64(long.MinValue, long.MaxValue),
        } | (ulong)random.Next(2) << 63;
        ulong single = random.Next(6) switch
        {
            0 => 0,
            1 => 0x7f80_0000,
            2 => 0x7f80_0001,
            3 => BitConverter.SingleToUInt32Bits(random.Next(-100, 100)),
            4 => 3,
            _ => (ulong)random.NextInt64(1L << 32),
        };
        return random.Next(2) == 0 ? special : single | 0xffff_ffff_0000_0000;
    }
}
