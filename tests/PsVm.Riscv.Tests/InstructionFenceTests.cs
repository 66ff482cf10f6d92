using System.Runtime.InteropServices;
using PsVm.Riscv.Memory;
using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests;

/// <summary>Code that somebody else than the hart has written.</summary>
public unsafe class InstructionFenceTests
{
    private const ulong Code = TestMachine.RamBase, Routine = Code + 0x1000;

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
}
