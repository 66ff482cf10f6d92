using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests;

/// <summary>
/// A guest with a block that maps another page in the place of its own, without a fence, and then jumps within it. Both pages hold a
/// block where the jump leads: the first counts in a2, the second in a3.
/// </summary>
internal sealed class RemappingGuest : IDisposable
{
    public const ulong Code = 0x4000_0000, First = TestMachine.RamBase + 0x200000, Second = TestMachine.RamBase + 0x201000;
    private const ulong Leaf = TestMachine.RamBase + 0x100000, Root = Leaf + 0x1000, Middle = Leaf + 0x2000;
    private const ulong Valid = 1, LeafFlags = 0xcf; // D A X W R V
    private const int Satp = 0x180;

    public RemappingGuest(CodeCache code)
    {
        Machine = new TestMachine(code: code) { FixedTime = 0 };
        WriteFirstPage(Machine, First);
        Machine.Program(Second + 12, Addi(A3, A3, 1), Wfi);
        Machine.WriteRam(Root + (2 * 8), Entry(TestMachine.RamBase, LeafFlags)); // 1 GiB as it is
        Machine.WriteRam(Root + (1 * 8), Entry(Middle, Valid));
        Machine.WriteRam(Middle, Entry(Leaf, Valid));
        Machine.WriteRam(Leaf, Entry(First, LeafFlags));
        Machine.Hart.TryWriteCsr(Satp, 8ul << 60 | Root >> 12);
        Machine.Hart.Mode = PrivilegeMode.Supervisor;
        Machine.Hart.Pc = Code;
        (Machine.Hart[A0], Machine.Hart[A1]) = (Leaf, Entry(Second, LeafFlags));
    }

    public TestMachine Machine { get; }

    public static void WriteFirstPage(TestMachine machine, ulong at) =>
        machine.Program(at, Sd(A1, A0, 0), Jal(Zero, 8), Nop, Addi(A2, A2, 1), Wfi);

    public void Run() => Assert.Equal(HartExit.WaitForInterrupt, Machine.Hart.Run(100));

    public void Dispose() => Machine.Dispose();

    private static ulong Entry(ulong page, ulong flags) => page >> 12 << 10 | flags;
}
