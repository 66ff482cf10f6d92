using System.Buffers.Binary;
using PsVm.Riscv.Decoding;
using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests;

/// <summary>
/// An instruction that begins in one page and ends in the next, which is kept like others: what the next page is changes under it, by
/// stores and by the page table, in lock-step.
/// </summary>
public sealed class CrossingTests
{
    private const ulong First = TestMachine.RamBase + 0x200000, Leaf = TestMachine.RamBase + 0x100000, Root = Leaf + 0x1000,
        Middle = Leaf + 0x2000;
    private const ulong Code = 0x4000_0000, PagesWindow = 0x4000_8000, Handler = TestMachine.RamBase + 0x8000;
    private const ulong Flags = 0xcf;
    private const int Satp = 0x180, Mtvec = 0x305, Mtval = 0x343, S2 = 18, S3 = 19, S4 = 20, S5 = 21, T3 = 28, Begin = 0xf00;

    public static TheoryData<int> Thresholds => [1, 3, int.MaxValue];

    [SkippableTheory]
    [MemberData(nameof(Thresholds))]
    public void TheNextPageIsTheOneThatThePageTableSaysAfterAFenceOfItsAddressAlone(int threshold)
    {
        // Each round maps the other page behind the first one: a2 counts by the one and by 16 for the other.
        using Pair pair = new(threshold, Sd(S2, A0, 8), R(0x33, 4, 0, S2, S2, S3), SfenceVma(T3, Zero));
        pair.Run();
        Assert.Equal(50ul + (50 * 16), pair.Subject.Hart[A2]);
    }

    [SkippableTheory]
    [MemberData(nameof(Thresholds))]
    public void WithoutAFenceBothTiersKeepWhatTheyKnow(int threshold)
    {
        using Pair pair = new(threshold, Sd(S2, A0, 8), R(0x33, 4, 0, S2, S2, S3));
        pair.Run();
        Assert.Equal(100ul, pair.Subject.Hart[A2]);
    }

    [SkippableTheory]
    [MemberData(nameof(Thresholds))]
    public void AStoreIntoTheNextPageIsSeen(int threshold)
    {
        // The half-word that the instruction ends with is written through another address: the immediate is 1 and 16 by turns.
        using Pair pair = new(threshold, Store(1, S4, S5, 0), R(0x33, 4, 0, S4, S4, T0), FenceI);
        ulong other = HighHalf(16);
        pair.SetBoth(S4, other);
        pair.SetBoth(S5, PagesWindow + 0x1000);
        pair.SetBoth(T0, other ^ HighHalf(1));
        pair.Run();
        Assert.Equal(50ul + (50 * 16), pair.Subject.Hart[A2]);
    }

    [SkippableTheory]
    [MemberData(nameof(Thresholds))]
    public void ANextPageThatIsNoLongerThereFaultsAtItsAddress(int threshold)
    {
        using Pair pair = new(threshold, Sd(S2, A0, 8), R(0x33, 4, 0, S2, S2, S3), SfenceVma(T3, Zero));
        pair.SetBoth(S3, Entry(First + 0x1000)); // the entry becomes 0
        pair.Run();
        Assert.True(pair.Subject.Hart.TryReadCsr(Mtval, out ulong value));
        Assert.Equal((Code + 0x1000, 1ul), (value, pair.Subject.Hart[A2]));
    }

    [SkippableFact]
    public void ItIsTranslatedAndRunsWithoutLeaving()
    {
        using Pair pair = new(threshold: 1);
        pair.Run();
        Assert.Equal(100ul, pair.Subject.Hart[A2]);
        Assert.InRange(pair.Subject.Hart.Fetch.Lookups, 1, 30);
    }

    [Fact]
    public void APageGoesTogetherWithABoundedNumberOfOthers()
    {
        using CodeCache code = new(TranslatorOptions.Off);
        using TestMachine machine = new(code: code);
        machine.Program(TestMachine.RamBase + 0x2002, Wfi);
        WriteCrossing(machine, TestMachine.RamBase + 0x1000, TestMachine.RamBase + 0x2000, 1);
        ulong sum = 0;
        long after = 0;
        for (int immediate = 1; immediate <= 200; immediate++)
        {
            WriteHigh(machine, TestMachine.RamBase + 0x2000, immediate);
            machine.Memory.NotifyWritten(TestMachine.RamBase + 0x2000, 2);
            machine.Hart.Pc = TestMachine.RamBase + 0x1ffe;
            Assert.Equal(HartExit.WaitForInterrupt, machine.Hart.Run(100));
            Assert.Equal(sum += (ulong)immediate, machine.Hart[A2]);
            after = immediate == 100 ? code.Usage.DecodedBytes : after;
        }

        // Each content of the second page is kept, with one block; the first one has no more than a few.
        long perPage = (code.Usage.DecodedBytes - after) / 100;
        Assert.InRange(perPage, 4096, 4096 + 400);
    }

    [Fact]
    public void ItIsKnownByWhereItEnds()
    {
        Op[] ops = new Op[BlockDecoder.CrossingOps];
        unsafe
        {
            fixed (Op* first = ops)
            {
                BlockDecoder.DecodeCrossing(first, Addi(A2, A2, 7), IsaProfile.Full.Extensions);
                Assert.True(BlockDecoder.Crosses(first));
                Assert.Equal((4094, 4098), (first[0].Offset, first[1].Offset));
                first->Offset = 4092;
                Assert.False(BlockDecoder.Crosses(first));
            }
        }
    }

    private static ulong Entry(ulong page) => page >> 12 << 10 | Flags;

    private static ulong HighHalf(int immediate) => Addi(A2, A2, immediate) >> 16;

    private static void WriteCrossing(TestMachine machine, ulong first, ulong second, int immediate)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(
            machine.Ram[(int)(first + 0xffe - TestMachine.RamBase)..], (ushort)Addi(A2, A2, immediate));
        WriteHigh(machine, second, immediate);
    }

    private static void WriteHigh(TestMachine machine, ulong second, int immediate) =>
        BinaryPrimitives.WriteUInt16LittleEndian(machine.Ram[(int)(second - TestMachine.RamBase)..], (ushort)HighHalf(immediate));

    /// <summary>A hundred rounds over the pages' border, each of which begins with some instructions; on both tiers.</summary>
    private sealed class Pair : IDisposable
    {
        private readonly CodeCache _decoded = new(TranslatorOptions.Off), _translated;
        private readonly TestMachine _reference;

        public Pair(int threshold, params uint[] each)
        {
            Skip.IfNot(threshold == int.MaxValue || Translation.HostBackEnd.IsSupported, "this host runs no translated code");
            _translated = new CodeCache(
                threshold == int.MaxValue ? TranslatorOptions.Off : new TranslatorOptions { Threshold = threshold });
            (_reference, Subject) = (Make(_decoded, each), Make(_translated, each));
        }

        public TestMachine Subject { get; }

        public void SetBoth(int register, ulong value) => _reference.Hart[register] = Subject.Hart[register] = value;

        public void Run()
        {
            LockStepDifference? difference = new LockStep(_reference.Hart, Subject.Hart, 40).Run(5000);
            Assert.True(difference is null, $"{difference}");
        }

        public void Dispose()
        {
            _reference.Dispose();
            Subject.Dispose();
            _decoded.Dispose();
            _translated.Dispose();
        }

        private static TestMachine Make(CodeCache code, uint[] each)
        {
            TestMachine machine = new(code: code) { FixedTime = 0 };
            const int Jump = 0xff8, CompressedNop = 1;
            machine.Program(First + Begin, [.. each, Addi(A4, A4, 1), Jal(Zero, Jump - Begin - ((each.Length + 1) * 4))]);
            machine.Program(First + Jump, Nop);
            BinaryPrimitives.WriteUInt16LittleEndian(machine.Ram[(int)(First + 0xffc - TestMachine.RamBase)..], CompressedNop);
            for (int page = 1; page <= 2; page++)
            {
                WriteCrossing(machine, First, First + ((ulong)page << 12), page == 1 ? 1 : 16);
                machine.Program(First + ((ulong)page << 12) + 2, Bne(A4, A5, Begin - 0x1002), Wfi);
            }

            machine.Program(Handler, Wfi, Jal(Zero, -4));
            machine.WriteRam(Root + (2 * 8), Entry(TestMachine.RamBase));
            machine.WriteRam(Root + (1 * 8), Middle >> 12 << 10 | 1);
            machine.WriteRam(Middle, Leaf >> 12 << 10 | 1);
            for (ulong page = 0; page < 3; page++)
            {
                machine.WriteRam(Leaf + (page * 8), Entry(First + (page << 12)));
                machine.WriteRam(Leaf + ((8 + page) * 8), Entry(First + (page << 12)));
            }

            Hart hart = machine.Hart;
            hart.TryWriteCsr(Mtvec, Handler);
            hart.TryWriteCsr(Satp, 8ul << 60 | Root >> 12);
            hart.Mode = PrivilegeMode.Supervisor;
            hart.Pc = Code + Begin;
            (hart[A0], hart[A5], hart[T3]) = (Leaf, 100, Code + 0x1000);
            (hart[S2], hart[S3]) = (Entry(First + 0x1000), Entry(First + 0x1000) ^ Entry(First + 0x2000));
            return machine;
        }
    }
}
