using static PsVm.Riscv.Tests.Asm;
using static PsVm.Riscv.Tests.Extensions.ExtensionMachine;

namespace PsVm.Riscv.Tests.Extensions;

/// <summary>PAUSE, by which a hart says that it waits for another: it leaves its thread when it has said so often.</summary>
public class PauseTests
{
    private const uint Pause = 0x0100000f;
    private const int Times = 50;

    // With and without the extension: kernels execute it without looking.
    [SkippableTheory]
    [InlineData(Tier.Interpreter, true)]
    [InlineData(Tier.Interpreter, false)]
    [InlineData(Tier.Translator, true)]
    [InlineData(Tier.Translator, false)]
    public void WhoSpinsLetsOthersRunAndGoesOnWhereItWas(Tier tier, bool hasExtension)
    {
        using var machine = new ExtensionMachine(tier, hasExtension ? IsaProfile.Full : IsaProfile.Base);
        machine.Machine.Program(Code, Ld(A1, A0, 0), Pause, Branch(0, A1, Zero, -8), Jal(Zero, 0));
        machine.Hart.Pc = Code;
        machine.Hart[A0] = Data;

        ulong[] retired = new ulong[3];
        for (int run = 0; run < retired.Length; run++)
        {
            ulong before = machine.Hart.InstructionsRetired;
            Assert.Equal(HartExit.Pause, machine.Hart.Run(1_000_000));
            retired[run] = machine.Hart.InstructionsRetired - before;
        }

        Assert.All(retired, count => Assert.InRange(count, (ulong)(3 * Times) - 3, (ulong)(3 * Times) + 3));
        machine.Machine.WriteRam(Data, 1);
        Assert.Equal(HartExit.Budget, machine.Hart.Run(10_000));
        Assert.Equal((1ul, Code + 12), (machine.Hart[A1], machine.Hart.Pc));
    }

    [SkippableTheory]
    [InlineData(Tier.Interpreter)]
    [InlineData(Tier.Translator)]
    public void WhoPausesNowAndThenGoesOn(Tier tier)
    {
        using var machine = new ExtensionMachine(tier);
        machine.Machine.Program(Code, Addi(A1, A1, -1), Pause, Bne(A1, Zero, -8), Jal(Zero, 0));
        machine.Hart.Pc = Code;
        machine.Hart[A1] = Times - 1;

        Assert.Equal(HartExit.Budget, machine.Hart.Run(10_000));
        Assert.Equal((0ul, Code + 12), (machine.Hart[A1], machine.Hart.Pc));
    }

    /// <summary>
    /// A ticket lock, as Linux takes it without Zawrs, on one host thread: who waits leaves it to the one that holds the lock.
    /// </summary>
    [SkippableTheory]
    [InlineData(Tier.Interpreter)]
    [InlineData(Tier.Translator)]
    public void TwoHartsTakeTurnsWithoutSpinning(Tier tier)
    {
        using var machine = new ExtensionMachine(tier);
        machine.Machine.Program(
            Code,
            Ld(A1, A0, 0), // loop: a1 = whose turn
            Pause,
            Bne(A1, A2, -8),
            Sd(A3, A0, 0), // the other's turn
            Addi(A4, A4, 1),
            Bne(A4, A5, -20),
            Jal(Zero, 0));

        machine.RunInTurns(turns: 200, most: 200_000, _ => { });
    }
}
