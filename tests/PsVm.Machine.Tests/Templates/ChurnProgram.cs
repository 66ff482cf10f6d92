using PsVm.Machine.Tests.Support;
using PsVm.Riscv.Tests;

namespace PsVm.Machine.Tests.Templates;

/// <summary>
/// A kernel whose harts each write random numbers all over a region of RAM, rewrite a page of code over and over and run it, and in the end
/// tell what came of all that: the same number whenever and as often as it is run from one state.
/// </summary>
internal static class ChurnProgram
{
    /// <summary>RAM that it needs.</summary>
    public const long Memory = 16 << 20;

    private const int RegionBits = 16;
    private const ulong Regions = 0x8060_0000, Code = 0x8040_0000, Results = 0x8050_0000, Done = 0x8050_1000;

    private const int InstructionsOfCall = (5 * 11) + 1;

    private const int Hart = 8, Number = 9, Region = 18, Left = 19, Slot = 20, Sum = 21;
    private const int A = Asm.T0, B = Asm.T1, C = Asm.T2;

    /// <summary>The program.</summary>
    /// <param name="harts">Harts.</param>
    /// <param name="rounds">Numbers that each hart makes; a multiple of 256.</param>
    public static byte[] Of(int harts, int rounds)
    {
        GuestProgram program = new();
        ulong all = program.Address + (4 * (ulong)((harts - 1) * InstructionsOfCall));
        for (int hart = 1; hart < harts; hart++)
        {
            program.Call(0x48534d, 0, (ulong)hart, all + 4, 0);
        }

        // Whoever is started has its number in a0, as hart 0 has here.
        Assert.Equal(all, program.Address);
        program.Emit(Asm.Addi(Asm.A0, Asm.Zero, 0)).Emit(Asm.Addi(Hart, Asm.A0, 0));
        program.Load(A, 0x9e37_79b9_7f4a_7c15).Emit(Asm.Addi(Number, Hart, 1), Multiply(Number, Number, A));
        program.Load(Region, Regions).Emit(Asm.Slli(A, Hart, RegionBits), Asm.Add(Region, Region, A));
        program.Load(Slot, Code).Emit(Asm.Slli(A, Hart, 12), Asm.Add(Slot, Slot, A)).Load(Sum, 0);
        program.Load(Left, (ulong)rounds);
        program.Repeat(Left, Round);

        // What came of it: the sum of what the rewritten code added and of all numbers in the region.
        program.Load(Left, 1 << (RegionBits - 3)).Emit(Asm.Addi(A, Region, 0));
        program.Repeat(Left, body => body.Emit(Asm.Ld(B, A, 0), Asm.Add(Sum, Sum, B), Multiply(Sum, Sum, Number), Asm.Addi(A, A, 8)));
        program.Load(A, Results).Emit(Asm.Slli(B, Hart, 3), Asm.Add(A, A, B), Asm.Sd(Sum, A, 0));
        program.Load(A, Done).Emit(Asm.Addi(B, Asm.Zero, 1), Asm.Atomic(0, 3, Asm.Zero, A, B));

        int waits = program.Here;
        program.Load(A, Done).Load(C, (ulong)harts).Emit(Asm.Ld(B, A, 0)).JumpIfDifferent(B, C, waits);
        int stays = program.Here + 1;
        program.Emit(Asm.Branch(0, Hart, Asm.Zero, 12), Asm.Wfi).Jump(stays);
        program.Load(Sum, 0).Load(A, Results).Load(Left, (ulong)harts);
        program.Repeat(Left, body => body.Emit(Asm.Ld(B, A, 0), Asm.Add(Sum, Sum, B), Asm.Addi(A, A, 8)));
        program.Load(Left, 16);
        program.Repeat(Left, body => body.Emit(
            Asm.Addi(Asm.A0, Sum, 0),
            And(Asm.A0, Asm.A0, 15),
            Asm.Addi(Asm.A0, Asm.A0, 'a'),
            ShiftRight(Sum, Sum, 4)).CallWithRegisters(0x4442434e, 2));
        program.Print('.');
        int ends = program.Here;
        return program.Emit(Asm.Wfi).Jump(ends).ToKernel();
    }

    private static void Round(GuestProgram program)
    {
        // Marsaglia's xorshift; then a store somewhere in the region.
        program.Emit(Asm.Slli(A, Number, 13), Xor(Number, Number, A), ShiftRight(A, Number, 7), Xor(Number, Number, A));
        program.Emit(Asm.Slli(A, Number, 17), Xor(Number, Number, A));
        program.Emit(Asm.Slli(A, Number, 64 - RegionBits), ShiftRight(A, A, 64 - RegionBits), And(A, A, -8));
        program.Emit(Asm.Add(A, A, Region), Asm.Sd(Number, A, 0));

        // Every 256th time another "addi Sum, Sum, n", and a way back.
        program.Emit(And(A, Left, 255)).IfZero(A, body => body
            .Emit(Asm.Slli(A, Number, 53), ShiftRight(A, A, 33)).Load(B, Asm.Addi(Sum, Sum, 0)).Emit(Asm.Add(A, A, B), Asm.Sw(A, Slot, 0))
            .Load(A, Asm.Jalr(Asm.Zero, Asm.Ra, 0)).Emit(Asm.Sw(A, Slot, 4), Asm.FenceI, Asm.Jalr(Asm.Ra, Slot, 0)));
    }

    private static uint Multiply(int rd, int first, int second) => Asm.R(0x33, 0, 1, rd, first, second);

    private static uint Xor(int rd, int first, int second) => Asm.R(0x33, 4, 0, rd, first, second);

    private static uint And(int rd, int source, int bits) => (uint)bits << 20 | (uint)source << 15 | 7u << 12 | (uint)rd << 7 | 0x13;

    private static uint ShiftRight(int rd, int source, int shift) =>
        (uint)shift << 20 | (uint)source << 15 | 5u << 12 | (uint)rd << 7 | 0x13;
}
