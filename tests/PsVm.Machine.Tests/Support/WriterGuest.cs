using System.Buffers.Binary;
using PsVm.Riscv.Tests;

namespace PsVm.Machine.Tests.Support;

/// <summary>
/// A guest whose harts write all over their parts of RAM for ever, in an order that shows in every moment of it: what is torn is found.
/// </summary>
/// <remarks>
/// Hart h counts up and writes the count to the beginning and the middle of each of its pages, in order, and when it is through, the count
/// that it finds in the first page of hart h - 1 (hart 0 its own) to the second word of its own first page.
/// </remarks>
/// <param name="harts">Number of harts.</param>
/// <param name="pages">Pages of each.</param>
internal sealed class WriterGuest(int harts, int pages)
{
    private const ulong RamStart = 0x8000_0000;
    private const int Page = 4096, Middle = 2040, FirstBuffer = 8 << 20, HartState = 0x48534d, WorkerStart = 400;

    /// <summary>Bytes of RAM that it needs.</summary>
    public long Memory => FirstBuffer + ((long)harts * pages * Page);

    /// <summary>The program.</summary>
    public byte[] ToKernel()
    {
        GuestProgram program = new();
        ulong worker = program.Address + (4 * WorkerStart);
        for (int hart = 1; hart < harts; hart++)
        {
            program.Call(HartState, 0, (ulong)hart, worker, 0);
        }

        program.Emit(Asm.Addi(Asm.A0, Asm.Zero, 0));
        program.PadTo(WorkerStart);

        // A0: hart, A1: its first page, A2: its predecessor's, A3: the count.
        const int size = Asm.A4, at = Asm.A5, left = Asm.T0, seen = Asm.T1, step = Asm.T2;
        program.Load(size, (ulong)pages * Page).Load(Asm.A1, RamStart + FirstBuffer).Emit(Asm.Addi(Asm.A2, Asm.A1, 0));
        int next = program.Here;
        program.Emit(
            Asm.Branch(0, Asm.A0, Asm.Zero, 5 * 4), // to behind the jump
            Asm.Addi(Asm.A2, Asm.A1, 0),
            Asm.Add(Asm.A1, Asm.A1, size),
            Asm.Addi(Asm.A0, Asm.A0, -1),
            Asm.Jal(Asm.Zero, (next - (program.Here + 4)) * 4));
        program.Emit(Asm.Lui(step, 1), Asm.Addi(Asm.A3, Asm.Zero, 0));
        int pass = program.Here;
        program.Emit(Asm.Addi(Asm.A3, Asm.A3, 1), Asm.Addi(at, Asm.A1, 0)).Load(left, (ulong)pages);
        program.Repeat(left, body => body.Emit(Asm.Sd(Asm.A3, at, 0), Asm.Sd(Asm.A3, at, Middle), Asm.Add(at, at, step)));
        program.Emit(Asm.Ld(seen, Asm.A2, 0), Asm.Sd(seen, Asm.A1, 8)).Jump(pass);
        return program.ToKernel();
    }

    /// <summary>
    /// Whether each hart has been through its pages once, whatever they held before: one of several may get no thread of a busy host for
    /// long.
    /// </summary>
    /// <param name="ram">All of it.</param>
    public bool HaveAllBegun(ReadOnlySpan<byte> ram)
    {
        bool all = true;
        for (int hart = 0; hart < harts; hart++)
        {
            all &= Word(ram, FirstBuffer + (hart * pages * Page)) > 1;
        }

        return all;
    }

    /// <summary>Checks that bytes of RAM are those of one moment.</summary>
    /// <param name="ram">All of it.</param>
    /// <returns>What the harts have counted to, together.</returns>
    public ulong Check(ReadOnlySpan<byte> ram)
    {
        ulong sum = 0, before = 0;
        for (int hart = 0; hart < harts; hart++)
        {
            ReadOnlySpan<byte> own = ram[(FirstBuffer + (hart * pages * Page))..];
            ulong first = Word(own, 0), steps = 0, previous = first;
            for (int word = 0; word < 2 * pages; word++)
            {
                ulong value = Word(own, (word / 2 * Page) + (word % 2 * Middle));
                Assert.True(
                    value == previous || (value == previous - 1 && steps++ == 0),
                    $"hart {hart}, page {word / 2} of {pages}: {value} after {previous}, the first is {first}");
                previous = value;
            }

            ulong seen = Word(own, 8);
            Assert.True(seen <= (hart == 0 ? first : before), $"hart {hart} saw {seen}, and hart {hart - 1} has come to {before}");
            (before, sum) = (first, sum + first);
        }

        return sum;
    }

    private static ulong Word(ReadOnlySpan<byte> ram, int offset) => BinaryPrimitives.ReadUInt64LittleEndian(ram[offset..]);
}
