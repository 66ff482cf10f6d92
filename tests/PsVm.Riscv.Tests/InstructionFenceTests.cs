using System.Runtime.InteropServices;
using PsVm.Riscv.Memory;
using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests;

/// <summary>Code that somebody else than the hart has written.</summary>
public unsafe class InstructionFenceTests
{
    private const ulong Code = TestMachine.RamBase, Routine = Code + 0x1000, Apart = Routine + 0x40;

    [Theory]
    [InlineData(1)]
    [InlineData(int.MaxValue)]
    public void AFenceOfTheOnlyHartSeesWhatAnotherProcessWrote(int threshold)
    {
        using var cache = new CodeCache(new TranslatorOptions { Threshold = threshold });
        using TestMachine machine = new(code: cache);
        machine.Program(Code, FenceI, Jalr(Ra, A5, 0), Jal(Zero, -8));
        machine.Program(Routine, Addi(A0, Zero, 1), Jalr(Zero, Ra, 0));
        machine.Hart[A5] = Routine;
        machine.Hart.Run(20);
        Assert.Equal(1ul, machine.Hart[A0]);

        machine.Program(Routine, Addi(A0, Zero, 2)); // as one that maps the same file does, which tells nobody
        machine.Hart.Run(20);

        Assert.Equal(2ul, machine.Hart[A0]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(int.MaxValue)]
    public void AFenceSeesWhatWasWrittenInItsOwnPage(int threshold)
    {
        using var cache = new CodeCache(new TranslatorOptions { Threshold = threshold });
        using TestMachine machine = new(code: cache);
        machine.Program(Code, FenceI, Jal(Zero, 8), Nop, Addi(A0, Zero, 1), Jal(Zero, -16));
        machine.Hart.Run(20);
        Assert.Equal(1ul, machine.Hart[A0]);

        machine.Program(Code + 12, Addi(A0, Zero, 2));
        machine.Hart.Run(20);

        Assert.Equal(2ul, machine.Hart[A0]);
    }

    // The only hart of RAM that nobody else has is told of every write, so its FENCE.I has nothing to do.
    [Theory]
    [InlineData(1)]
    [InlineData(int.MaxValue)]
    public void AFenceForgetsNothingWhereEveryWriteIsTold(int threshold)
    {
        using var cache = new CodeCache(new TranslatorOptions { Threshold = threshold });
        using TestMachine machine = PrivateMachine(cache);
        machine.Hart.Run(50);
        long lookups = machine.Hart.Fetch.Lookups;

        machine.Hart.Run(300);

        Assert.Equal(lookups, machine.Hart.Fetch.Lookups);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(int.MaxValue)]
    public void WhatTheOnlyHartAndDevicesWriteRunsAfterItsFence(int threshold)
    {
        using var cache = new CodeCache(new TranslatorOptions { Threshold = threshold });
        using TestMachine machine = PrivateMachine(cache);
        for (int value = 2; value < 20; value++)
        {
            if (value % 2 == 0)
            {
                // This store, and the others from the loop on.
                machine.Program(Code, Sw(A4, A5, 0), FenceI, Jalr(Ra, A5, 0), Jal(Zero, -12));
                machine.Memory.NotifyWritten(Code, 16);
                machine.Hart[A4] = Addi(A0, Zero, value);
            }
            else
            {
                machine.Hart[A4] = Addi(A0, Zero, 99);
                machine.Program(Code, Nop, FenceI, Jalr(Ra, A5, 0), Jal(Zero, -12));
                machine.Memory.NotifyWritten(Code, 16);
                Assert.Equal(
                    RamStatus.Done,
                    machine.Memory.Write(new GuestAddress(Apart), MemoryMarshal.AsBytes<uint>([Addi(A0, Zero, value)])).Status);
            }

            machine.Hart.Pc = Code;
            machine.Hart.Run(20);
            Assert.Equal((ulong)value, machine.Hart[A0]);
        }
    }

    // A hart that has run since may have written; one that has not, has not.
    [Theory]
    [InlineData(1)]
    [InlineData(int.MaxValue)]
    public void AFenceSeesWhatAnotherHartWroteWhenItRan(int threshold)
    {
        const ulong Other = Code + 0x3000;
        using var cache = new CodeCache(new TranslatorOptions { Threshold = threshold });
        using TestMachine machine = PrivateMachine(cache);
        using Hart other = new(1, machine.Memory, machine, machine, code: cache);
        machine.Program(Other, Sw(A4, A5, 0), Jal(Zero, 0));
        other[A5] = Apart;
        for (int value = 2; value < 12; value++)
        {
            machine.Hart.Run(60);
            long lookups = machine.Hart.Fetch.Lookups;
            machine.Hart.Run(60);
            Assert.Equal(lookups, machine.Hart.Fetch.Lookups);

            (other.Pc, other[A4]) = (Other, Addi(A0, Zero, value));
            other.Run(1);
            machine.Hart.Run(60);
            Assert.Equal((ulong)value, machine.Hart[A0]);
        }
    }

    [Fact]
    public void APageTableThatIsRunIsWrittenByTheWalkToo()
    {
        const ulong Root = Code + 0x10000, Middle = Root + 0x1000, Leaves = Root + 0x2000, Leaf = Leaves + (256 * 8), Window = 0x4000_0000;
        const ulong V = 1, R = 2, X = 8, A = 64, D = 128;
        const int Satp = 0x180;
        using TestMachine machine = new();
        machine.Memory.IsPrivate = true;
        machine.WriteRam(Root + 8, Middle >> 12 << 10 | V);
        machine.WriteRam(Middle, Leaves >> 12 << 10 | V);
        machine.WriteRam(Leaves + (511 * 8), Leaves >> 12 << 10 | V | R | X | A | D); // the table itself, to be run
        machine.WriteRam(Leaf, Code >> 12 << 10 | V | R);
        machine.Program(Leaves, Ld(A0, A1, 0), Jal(Zero, 0));
        machine.Hart.TryWriteCsr(Satp, 8ul << 60 | Root >> 12);
        machine.Hart.Mode = PrivilegeMode.Supervisor;
        (machine.Hart.Pc, machine.Hart[A1]) = (Window + (511 << 12), Window + (256 << 12));
        long forgotten = machine.Hart.Blocks.Forgotten;

        machine.Hart.Run(1);

        Assert.NotEqual(0ul, machine.ReadRam(Leaf) & A);
        Assert.NotEqual(forgotten, machine.Hart.Blocks.Forgotten);
    }

    [Fact]
    public void WhatIsWrittenOnBothSidesOfAHoleIsNoticed()
    {
        const ulong Size = 0x10000, Hole = 0x10000, Second = Code + Size + Hole;
        byte* ram = (byte*)NativeMemory.AlignedAlloc(2 * (nuint)Size, 4096);
        try
        {
            new Span<byte>(ram, 2 * (int)Size).Clear();
            using TestMachine devices = new();
            var memory = new PhysicalMemory();
            memory.AddRam(Code, (nint)ram, Size, readOnly: false);
            memory.AddRam(Second, (nint)(ram + Size), Size, readOnly: false);
            using var hart = new Hart(0, memory, devices, devices) { Pc = Second };
            uint* program = (uint*)(ram + Size);
            (program[0], program[1]) = (Addi(A0, Zero, 1), Jal(Zero, -4));
            hart.Run(10);
            Assert.Equal(1ul, hart[A0]);

            program[0] = Addi(A0, Zero, 2);
            memory.NotifyWritten(Code - 0x1000, ulong.MaxValue - Code); // begins and ends where there is nothing
            hart.Run(10);

            Assert.Equal(2ul, hart[A0]);
        }
        finally
        {
            NativeMemory.AlignedFree(ram);
        }
    }

    private static TestMachine PrivateMachine(CodeCache cache)
    {
        TestMachine machine = new(code: cache);
        machine.Memory.IsPrivate = true;
        machine.Program(Code, FenceI, Jalr(Ra, A5, 0), Jal(Zero, -8));
        machine.Program(Apart, Addi(A0, Zero, 1), Jalr(Zero, Ra, 0));
        machine.Hart[A5] = Apart;
        return machine;
    }
}
