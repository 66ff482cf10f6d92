using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests;

/// <summary>What guests that share a cache of code can do to each other: nothing.</summary>
public class CodeSharingTests
{
    private const ulong Victim = TestMachine.RamBase + 0x300000;

    [SkippableFact]
    public void AGuestThatRemapsItsOwnPageGivesNobodyElseItsCode()
    {
        Skip.IfNot(Translation.HostBackEnd.IsSupported, "this host runs no translated code");
        using var code = new CodeCache(new TranslatorOptions { Threshold = 1 });
        using RemappingGuest attacker = new(code);
        attacker.Run();
        using TestMachine victim = new(code: code);
        RemappingGuest.WriteFirstPage(victim, Victim);
        (victim.Hart.Pc, victim.Hart[A0]) = (Victim, TestMachine.RamBase + 0x380000);

        Assert.Equal(HartExit.WaitForInterrupt, victim.Hart.Run(100));

        Assert.Equal((1ul, 0ul), (victim.Hart[A2], victim.Hart[A3]));
    }

    // What others have made of the same page must not show: the jump is bound already here, and was not above.
    [SkippableTheory]
    [InlineData(true)]
    [InlineData(false)]
    public void WhetherOthersRanAPageChangesNothingForAGuestThatRemapsIt(bool others)
    {
        Skip.IfNot(Translation.HostBackEnd.IsSupported, "this host runs no translated code");
        using var code = new CodeCache(new TranslatorOptions { Threshold = 1 });
        using TestMachine other = new(code: code);
        if (others)
        {
            RemappingGuest.WriteFirstPage(other, Victim);
            (other.Hart.Pc, other.Hart[A0]) = (Victim, TestMachine.RamBase + 0x380000);
            other.Hart.Run(100);
        }

        using RemappingGuest guest = new(code);
        guest.Run();

        Assert.Equal((1ul, 0ul), (guest.Machine.Hart[A2], guest.Machine.Hart[A3]));
    }
}
