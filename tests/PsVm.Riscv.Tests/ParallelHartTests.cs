using System.Diagnostics;
using System.Runtime.InteropServices;
using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests;

/// <summary>Harts of one guest on several threads at once, on both tiers.</summary>
public class ParallelHartTests
{
    private const ulong Code = TestMachine.RamBase, Other = Code + 0x1000, Data = Code + 0x10000;
    private const ulong Tables = Code + 0x100000, CodeAddress = 0x4000_0000, DataAddress = 0x4020_0000;
    private const int AmoAdd = 0, AmoSwap = 1, Lr = 2, Sc = 3, AmoXor = 4, AmoMaxu = 0x1c;
    private const int Word = 2, Double = 3;
    private const int Mip = 0x344, Sip = 0x144, Mideleg = 0x303, Satp = 0x180;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    [Theory]
    [InlineData(AmoAdd, Word, false)]
    [InlineData(AmoAdd, Word, true)]
    [InlineData(AmoAdd, Double, false)]
    [InlineData(AmoAdd, Double, true)]
    [InlineData(Lr, Word, false)]
    [InlineData(Lr, Word, true)]
    [InlineData(Lr, Double, false)]
    [InlineData(Lr, Double, true)]
    public void CountersLoseNoUpdate(int operation, int size, bool translate)
    {
        const ulong Rounds = 100_000;
        using Team team = new(3, translate);
        if (operation == Lr)
        {
            team.Machine.Program(
                Code, Atomic(Lr, size, A0, A1, 0), Add(A0, A0, A4), Atomic(Sc, size, A2, A1, A0), Bne(A2, Zero, -12),
                Addi(A3, A3, -1), Bne(A3, Zero, -20), Jal(Zero, 0));
        }
        else
        {
            team.Machine.Program(Code, Atomic(AmoAdd, size, A0, A1, A4), Addi(A3, A3, -1), Bne(A3, Zero, -8), Jal(Zero, 0));
        }

        team.Run(hart => (hart[A1], hart[A3], hart[A4]) = (Data, Rounds, 0x1_0001));

        const ulong Sum = 3 * Rounds * 0x1_0001;
        Assert.Equal(size == Word ? Sum & uint.MaxValue : Sum, team.Machine.ReadRam(Data));
    }

    // Each hart turns bits of its own and raises one maximum: what the interpreter does for both tiers.
    [Theory]
    [InlineData(Word, false)]
    [InlineData(Word, true)]
    [InlineData(Double, false)]
    [InlineData(Double, true)]
    public void OtherAtomicsLoseNoUpdate(int size, bool translate)
    {
        const ulong OddRounds = 50_001;
        using Team team = new(3, translate);
        team.Machine.Program(
            Code, Atomic(AmoXor, size, A0, A1, A4), Atomic(AmoMaxu, size, A0, A2, A3), Addi(A3, A3, -1), Bne(A3, Zero, -12), Jal(Zero, 0));

        team.Run(hart => (hart[A1], hart[A2], hart[A3], hart[A4]) = (Data, Data + 8, OddRounds + (ulong)(2 * hart.Id), 1ul << hart.Id));

        Assert.Equal((7ul, OddRounds + 4), (team.Machine.ReadRam(Data), team.Machine.ReadRam(Data + 8)));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void ALockKeepsOthersOut(bool translate)
    {
        const ulong Rounds = 20_000;
        const int Acquire = AmoSwap << 2 | 2, Release = AmoSwap << 2 | 1;
        using Team team = new(2, translate);
        team.Machine.Program(
            Code,
            R(0x2f, Word, Acquire, A0, A1, A4), Bne(A0, Zero, -4),
            Ld(A0, A1, 8), Addi(A0, A0, 1), Sd(A0, A1, 8),
            Ld(A0, A1, 0x800 - 8), Addi(A0, A0, 1), Sd(A0, A1, 0x800 - 8),
            R(0x2f, Word, Release, Zero, A1, Zero), Addi(A3, A3, -1), Bne(A3, Zero, -40), Jal(Zero, 0));

        team.Run(hart => (hart[A1], hart[A3], hart[A4]) = (Data, Rounds, 1));

        Assert.Equal((2 * Rounds, 2 * Rounds), (team.Machine.ReadRam(Data + 8), team.Machine.ReadRam(Data + 0x7f8)));
    }

    // Each hart stores its round, then reads the other's and keeps it. With the fence one of two rounds sees the other.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void AFenceKeepsAStoreBeforeALoad(bool translate)
    {
        const ulong Rounds = 100_000, Kept = Data + 0x1000, KeptBySecond = Kept + (Rounds * 8);
        using Team team = new(2, translate);
        team.Machine.Program(
            Code, Addi(A3, A3, 1), Sd(A3, A1, 0), Fence, Ld(A0, A2, 0), Sd(A0, A4, 0), Addi(A4, A4, 8), Bne(A3, A5, -24),
            Addi(A3, Zero, 0), Jal(Zero, 0));

        team.Run(hart => (hart[A1], hart[A2], hart[A4], hart[A5]) =
            hart.Id == 0 ? (Data, Data + 256, Kept, Rounds) : (Data + 256, Data, KeptBySecond, Rounds));

        for (ulong round = 1; round <= Rounds; round++)
        {
            ulong unseen = Seen(Kept, round) + 1; // the other's first round whose store came after this one's load
            Assert.True(unseen > Rounds || Seen(KeptBySecond, unseen) >= round, $"rounds {round} and {unseen} saw neither the other");
        }

        ulong Seen(ulong table, ulong round) => team.Machine.ReadRam(table + ((round - 1) * 8));
    }

    // One hart writes an instruction, the other runs it after its own FENCE.I.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void CodeThatAnotherHartWroteRunsAfterAFence(bool translate)
    {
        const ulong Rounds = 2_000, Writer = Code, Reader = Code + 0x2000;
        using Team team = new(2, translate);
        team.Machine.Program(Other, Addi(A0, Zero, 0), Jalr(Zero, Ra, 0));
        team.Machine.Program(
            Writer,
            Addi(A4, A4, 1), Slli(A0, A4, 20), Addi(A0, A0, 0x513), Sw(A0, A2, 0), // addi a0, zero, round
            Fence, Sd(A4, A1, 0), Ld(A0, A1, 8), Bne(A0, A4, -4), Bne(A4, A5, -32), Addi(A3, Zero, 0), Jal(Zero, 0));
        team.Machine.Program(
            Reader,
            Addi(A4, A4, 1), Ld(A0, A1, 0), Bne(A0, A4, -4), FenceI, Jalr(Ra, A2, 0), Branch(0, A0, A4, 8), Addi(T0, T0, 1),
            Sd(A4, A1, 8), Bne(A4, A5, -32), Addi(A3, Zero, 0), Jal(Zero, 0));

        team.Run(hart => (hart.Pc, hart[A1], hart[A2], hart[A3], hart[A5]) = (hart.Id == 0 ? Writer : Reader, Data, Other, 1, Rounds));

        Assert.Equal(0ul, team.Harts[1][T0]);
    }

    // A store that a hart does through a translation that was taken away would show in the page that it had before.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void NoStoreGoesToAPageThatAFenceTookAway(bool translate)
    {
        const int Rounds = 2_000;
        using Team team = new(1, translate);
        Map(team.Machine, CodeAddress, Tables + 0x10000, Code, readWriteExecute: 0xa);
        Map(team.Machine, DataAddress, Tables + 0x20000, Data, readWriteExecute: 6);
        team.Machine.Program(Code, Addi(A0, A0, 1), Sd(A0, A1, 0), Jal(Zero, -8));
        Hart hart = team.Harts[0];
        hart.TryWriteCsr(Satp, 8ul << 60 | Tables >> 12);
        hart.Mode = PrivilegeMode.Supervisor;
        (hart.Pc, hart[A1], hart[A3]) = (CodeAddress, DataAddress, 1);

        MoveStores(team, Rounds, apart: 4096, (round, next) =>
        {
            Map(team.Machine, DataAddress, Tables + 0x20000, next, readWriteExecute: 6);
            hart.RequestAddressFence();
        });
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void NoOldCodeRunsAfterARemoteFence(bool translate)
    {
        const int Rounds = 2_000;
        using Team team = new(1, translate);
        uint[] stores = [Sd(A0, A1, 0), Sd(A0, A1, 8)];
        team.Machine.Program(Other, stores[0], Jalr(Zero, Ra, 0));
        team.Machine.Program(Code, Addi(A0, A0, 1), Jalr(Ra, A2, 0), Jal(Zero, -8));
        Hart hart = team.Harts[0];
        (hart.Pc, hart[A1], hart[A2], hart[A3]) = (Code, Data, Other, 1);

        MoveStores(team, Rounds, apart: 8, (round, _) =>
        {
            team.Machine.Program(Other, stores[~round & 1]);
            hart.RequestInstructionFence();
        });
    }

    /// <summary>
    /// Makes the one hart, which stores all the time, store in turn in one of two places. Once it has fenced, nothing may come to the
    /// place that it had before.
    /// </summary>
    /// <param name="team">The hart.</param>
    /// <param name="rounds">How often.</param>
    /// <param name="apart">Bytes between the places, the first of which is <see cref="Data"/>.</param>
    /// <param name="move">Makes it store in the other place from its next fence on, and asks for that fence: round, other place.</param>
    private static void MoveStores(Team team, int rounds, ulong apart, Action<int, ulong> move)
    {
        Hart hart = team.Harts[0];
        using (team.Start())
        {
            for (int round = 0; round < rounds; round++)
            {
                ulong old = Data + (apart * ((ulong)round & 1)), next = Data + (apart * (~(ulong)round & 1));
                WaitFor(() => Volatile.Read(ref Ram(team.Machine, old)) != 0);
                move(round, next);
                WaitFor(() => !hart.IsFencePending);

                Volatile.Write(ref Ram(team.Machine, old), 0);
                WaitFor(() => Volatile.Read(ref Ram(team.Machine, next)) != 0);
                Assert.Equal(0ul, team.Machine.ReadRam(old));
            }
        }
    }

    // The hart sets A and D of an entry while another changes its other bits.
    [Fact]
    public void AccessedAndDirtyAreSetAndNothingElse()
    {
        const int Rounds = 20_000;
        const ulong SoftwareBit = 1 << 8, AccessedAndDirty = 64 | 128;
        using Team team = new(1, translate: true);
        Map(team.Machine, CodeAddress, Tables + 0x10000, Code, readWriteExecute: 0xa);
        ulong entry = Map(team.Machine, DataAddress, Tables + 0x20000, Data, readWriteExecute: 6);
        team.Machine.Program(Code, SfenceVma(A1, Zero), Sd(A0, A1, 0), Jal(Zero, -8));
        Hart hart = team.Harts[0];
        hart.TryWriteCsr(Satp, 8ul << 60 | Tables >> 12);
        hart.Mode = PrivilegeMode.Supervisor;
        (hart.Pc, hart[A1], hart[A3]) = (CodeAddress, DataAddress, 1);

        using (team.Start())
        {
            for (int round = 0; round < Rounds; round++)
            {
                ref ulong bits = ref Ram(team.Machine, entry);
                Interlocked.Or(ref bits, SoftwareBit);
                Assert.NotEqual(0ul, Volatile.Read(ref bits) & SoftwareBit);
                Interlocked.And(ref bits, ~(SoftwareBit | AccessedAndDirty));
                Assert.Equal(0ul, Volatile.Read(ref bits) & SoftwareBit);
            }
        }
    }

    // The hart writes another bit of mip all the time: an interrupt that is sent meanwhile must stay.
    [Fact]
    public void AnInterruptIsNotLostWhileAnotherBitIsWritten()
    {
        const int Rounds = 50_000;
        using Team team = new(1, translate: true);
        team.Machine.Program(Code, Csrrs(Zero, Mip, A4), Csrrc(Zero, Mip, A4), Jal(Zero, -8));
        Hart hart = team.Harts[0];
        (hart.Pc, hart[A3], hart[A4]) = (Code, 1, (ulong)InterruptLines.SupervisorTimer);

        using (team.Start())
        {
            for (int round = 0; round < Rounds; round++)
            {
                hart.SetInterrupt(InterruptLines.SupervisorSoftware, true);
                Thread.SpinWait(round % 50);
                Assert.NotEqual(0ul, hart.TryReadCsr(Mip, out ulong pending) ? pending & (ulong)InterruptLines.SupervisorSoftware : 0);
                hart.SetInterrupt(InterruptLines.SupervisorSoftware, false);
            }
        }
    }

    // The hart clears the bit and counts how often it was set: an interrupt that comes between its read and its write must count.
    [Theory]
    [InlineData(Mip)]
    [InlineData(Sip)]
    public void AnInterruptIsSeenByTheInstructionThatClearsIt(int number)
    {
        const ulong Rounds = 50_000;
        using Team team = new(1, translate: true);
        team.Machine.Program(
            Code, Csrrc(A0, number, A4), Branch(0, A0, Zero, -4), Addi(A2, A2, 1), Sd(A2, A1, 0), Jal(Zero, -16));
        Hart hart = team.Harts[0];
        hart.TryWriteCsr(Mideleg, (ulong)InterruptLines.SupervisorSoftware);
        (hart.Pc, hart[A1], hart[A3], hart[A4]) = (Code, Data, 1, (ulong)InterruptLines.SupervisorSoftware);

        using (team.Start())
        {
            for (ulong round = 1; round <= Rounds; round++)
            {
                hart.SetInterrupt(InterruptLines.SupervisorSoftware, true);
                WaitFor(() => Volatile.Read(ref Ram(team.Machine, Data)) == round);
            }
        }
    }

    /// <summary>
    /// Waits, without the long sleeps of <see cref="SpinWait.SpinUntil(Func{bool})"/>: it is often and for a moment only.
    /// </summary>
    private static void WaitFor(Func<bool> condition)
    {
        long began = Stopwatch.GetTimestamp();
        for (SpinWait spin = default; !condition(); spin.SpinOnce(sleep1Threshold: -1))
        {
            Assert.True(Stopwatch.GetElapsedTime(began) < Patience, "what was waited for did not come");
        }
    }

    private static ref ulong Ram(TestMachine machine, ulong address) =>
        ref MemoryMarshal.AsRef<ulong>(machine.Ram.Slice((int)(address - TestMachine.RamBase), sizeof(ulong)));

    /// <summary>Maps a page by Sv39; gives the address of the leaf. Lower tables are two pages from an address on.</summary>
    private static ulong Map(TestMachine machine, ulong address, ulong tables, ulong page, ulong readWriteExecute)
    {
        const ulong Valid = 1;
        ulong leaf = tables + 0x1000 + ((address >> 12 & 511) * 8);
        machine.WriteRam(Tables + ((address >> 30) * 8), (Tables + 0x1000) >> 12 << 10 | Valid);
        machine.WriteRam(Tables + 0x1000 + ((address >> 21 & 511) * 8), (tables + 0x1000) >> 12 << 10 | Valid);
        Volatile.Write(ref Ram(machine, leaf), page >> 12 << 10 | readWriteExecute | Valid);
        return leaf;
    }

    /// <summary>Harts of one machine, each with a thread; a hart runs while its a3 is not 0.</summary>
    private sealed class Team : IDisposable
    {
        private readonly CodeCache _code;

        public Team(int harts, bool translate)
        {
            _code = new CodeCache(translate ? new TranslatorOptions { Threshold = 1 } : TranslatorOptions.Off);
            Machine = new TestMachine(code: _code);
            Harts = [Machine.Hart, .. Enumerable.Range(1, harts - 1).Select(
                id => new Hart(id, Machine.Memory, Machine, Machine, null, _code))];
        }

        public TestMachine Machine { get; }

        public Hart[] Harts { get; }

        /// <summary>Runs all harts, from the first instruction unless told otherwise, until each has set its a3 to 0.</summary>
        public void Run(Action<Hart> prepare)
        {
            foreach (Hart hart in Harts)
            {
                (hart.Pc, hart[A3]) = (Code, 0);
                prepare(hart);
            }

            Thread[] threads = [.. Harts.Select(hart => new Thread(() =>
            {
                do
                {
                    hart.Run(100_000);
                }
                while (hart[A3] != 0);
            }))];
            Array.ForEach(threads, thread => thread.Start());
            Array.ForEach(threads, thread => thread.Join());
        }

        /// <summary>Runs the first hart until the result is disposed.</summary>
        public Running Start() => new Running(Harts[0]);

        public void Dispose()
        {
            Array.ForEach(Harts[1..], hart => hart.Dispose());
            Machine.Dispose();
            _code.Dispose();
        }
    }

    private sealed class Running : IDisposable
    {
        private readonly Hart _hart;
        private readonly Thread _thread;
        private volatile bool _ending;

        public Running(Hart hart)
        {
            _hart = hart;
            _thread = new Thread(() =>
            {
                while (!_ending)
                {
                    hart.Run(100_000);
                }
            });
            _thread.Start();
            WaitFor(() => hart.InstructionsRetired > 1000);
        }

        public void Dispose()
        {
            _ending = true;
            _hart.RequestExit();
            _thread.Join();
        }
    }
}
