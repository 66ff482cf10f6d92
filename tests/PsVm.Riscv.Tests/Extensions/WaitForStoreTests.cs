using static PsVm.Riscv.Tests.Asm;
using static PsVm.Riscv.Tests.Extensions.ExtensionMachine;

namespace PsVm.Riscv.Tests.Extensions;

/// <summary>Zawrs: who waits, and what ends it (unprivileged manual, chapter "Zawrs").</summary>
public class WaitForStoreTests
{
    private const uint WaitNoTimeout = 0x00d00073, WaitShortTimeout = 0x01d00073;
    private const int Mie = 0x304, Mideleg = 0x303, Mip = 0x344;
    private const int Word = 2, DoubleWord = 3;

    public static TheoryData<Tier, uint> Waits()
    {
        var data = new TheoryData<Tier, uint>();
        foreach (Tier tier in Enum.GetValues<Tier>())
        {
            data.Add(tier, WaitNoTimeout);
            data.Add(tier, WaitShortTimeout);
        }

        return data;
    }

    [SkippableTheory]
    [MemberData(nameof(Waits))]
    public void WhoHoldsAReservationLetsOthersRun(Tier tier, uint wait)
    {
        foreach (int width in (int[])[Word, DoubleWord])
        {
            using ExtensionMachine machine = Prepare(tier, Reserve(width), wait);
            Assert.Equal((HartExit.WaitForStore, Code + 8), (machine.Hart.Run(1000), machine.Hart.Pc));
            Assert.Equal(2ul, machine.Hart.InstructionsRetired);
            Assert.Equal(HartExit.Budget, machine.Hart.Run(1000)); // it is not asleep: it goes on when it runs again
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Waits))]
    public void WithoutAReservationItDoesNothing(Tier tier, uint wait)
    {
        using ExtensionMachine machine = Prepare(tier, wait);
        Assert.Equal((HartExit.Budget, Code + 4), (machine.Hart.Run(1000), machine.Hart.Pc));
    }

    [SkippableTheory]
    [MemberData(nameof(Waits))]
    public void AStoreConditionalOrATrapEndsTheReservation(Tier tier, uint wait)
    {
        using ExtensionMachine machine = Prepare(tier, Reserve(Word), Atomic(3, Word, A1, A0, A2), wait);
        Assert.Equal((HartExit.Budget, Code + 12), (machine.Hart.Run(1000), machine.Hart.Pc));

        using ExtensionMachine trapped = Prepare(tier, Reserve(Word), Ecall);
        trapped.Machine.Program(Handler, wait, Jal(Zero, 0));
        Assert.Equal((HartExit.Budget, Handler + 4), (trapped.Hart.Run(1000), trapped.Hart.Pc));
    }

    [SkippableTheory]
    [MemberData(nameof(Waits))]
    public void AStoreToWhatIsReservedEndsTheWait(Tier tier, uint wait)
    {
        using ExtensionMachine machine = Prepare(tier, Reserve(DoubleWord), Sd(A2, A0, 0), wait);
        machine.Hart[A2] = 1;
        Assert.Equal((HartExit.Budget, Code + 12), (machine.Hart.Run(1000), machine.Hart.Pc));
    }

    [SkippableTheory]
    [MemberData(nameof(Waits))]
    public void AnInterruptThatIsPendingAndEnabledEndsTheWaitWhateverTheGlobalEnableSays(Tier tier, uint wait)
    {
        using ExtensionMachine machine = Prepare(tier, Reserve(Word), wait);
        machine.Set(Mip, 2);
        Assert.Equal(HartExit.WaitForStore, machine.Hart.Run(1000)); // pending alone does not count

        using ExtensionMachine enabled = Prepare(tier, Reserve(Word), wait);
        enabled.Set(Mip, 2);
        enabled.Set(Mie, 2);
        Assert.Equal((HartExit.Budget, 0ul), (enabled.Hart.Run(1000), enabled.Cause));
    }

    [SkippableTheory]
    [MemberData(nameof(Waits))]
    public void EveryModeMayWaitWithOrWithoutTimeoutWait(Tier tier, uint wait)
    {
        const ulong TimeoutWait = 1ul << 21;
        foreach (PrivilegeMode mode in Enum.GetValues<PrivilegeMode>())
        {
            foreach (ulong status in (ulong[])[0, TimeoutWait])
            {
                using ExtensionMachine machine = Prepare(tier, Reserve(Word), wait);
                machine.Set(Mstatus, status);
                machine.Hart.Mode = mode;
                Assert.Equal((HartExit.WaitForStore, 0ul), (machine.Hart.Run(1000), machine.Cause));
            }
        }
    }

    /// <summary>A lock that is taken in turns, as a kernel takes its own: each hart waits for what the other stores.</summary>
    [SkippableTheory]
    [InlineData(Tier.Interpreter)]
    [InlineData(Tier.Translator)]
    public void TwoHartsHandOverATurnWithoutSpinning(Tier tier)
    {
        const ulong Turns = 200;
        using var machine = new ExtensionMachine(tier);
        int loop = 0, wait = 8, mine = 16;
        machine.Machine.Program(
            Code,
            Reserve(DoubleWord), // loop: a1 = whose turn
            Branch(0, A1, A2, mine - 4),
            WaitNoTimeout, // wait
            Jal(Zero, loop - wait - 4),
            Sd(A3, A0, 0), // mine: the other's turn
            Addi(A4, A4, 1),
            Bne(A4, A5, loop - mine - 8),
            Jal(Zero, 0));

        long waits = 0;
        machine.RunInTurns(Turns, most: 100_000, exit => waits += exit == HartExit.WaitForStore ? 1 : 0);

        Assert.True(waits >= (long)Turns, $"{waits} waits for {Turns} turns");
    }

    private static uint Reserve(int width) => Atomic(2, width, A1, A0, 0);

    private static ExtensionMachine Prepare(Tier tier, params uint[] instructions)
    {
        var machine = new ExtensionMachine(tier);
        machine.Machine.Program(Code, [.. instructions, Jal(Zero, 0)]);
        machine.Hart[A0] = Data;
        return machine;
    }
}
