using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Riscv.Tests.Extensions;

/// <summary>Harts of different profiles that share a cache: the same bytes are other instructions to each.</summary>
public class ProfileSharingTests
{
    private const ulong Code = TestMachine.RamBase, Handler = Code + 0x8000;
    private const uint CzeroEqz = 0x0ec5d533; // czero.eqz a0, a1, a2

    [SkippableTheory]
    [InlineData(Tier.Interpreter, false)]
    [InlineData(Tier.Interpreter, true)]
    [InlineData(Tier.Translator, false)]
    [InlineData(Tier.Translator, true)]
    public void WhatOneHasIsIllegalToTheOther(Tier tier, bool fullFirst)
    {
        Skip.IfNot(tier == Tier.Interpreter || Translation.HostBackEnd.IsSupported, "this host runs no translated code");
        using var cache = new CodeCache(tier == Tier.Interpreter ? TranslatorOptions.Off : new TranslatorOptions { Threshold = 1 });
        IsaProfile[] order = fullFirst ? [IsaProfile.Full, IsaProfile.Base] : [IsaProfile.Base, IsaProfile.Full];
        foreach (IsaProfile isa in (IsaProfile[])[.. order, .. order])
        {
            using var machine = new TestMachine(code: cache, isa: isa);
            machine.Program(Code, CzeroEqz, Jal(Zero, 0)).Program(Handler, Jal(Zero, 0));
            Assert.True(machine.Hart.TryWriteCsr(0x305, Handler));
            (machine.Hart[A1], machine.Hart[A2]) = (7, 1);
            machine.Hart.Run(100);
            Assert.True(machine.Hart.TryReadCsr(0x342, out ulong cause));
            Assert.Equal(isa == IsaProfile.Full ? (7ul, 0ul) : (0, 2), (machine.Hart[A0], cause));
        }

        Assert.True(cache.Usage.SharedPages >= 2, "harts of one profile share");
    }

    [Fact]
    public void AnInstructionAcrossTwoPagesIsOfTheHartsProfileToo()
    {
        foreach (IsaProfile isa in (IsaProfile[])[IsaProfile.Base, IsaProfile.Full])
        {
            using var machine = new TestMachine(isa: isa);
            ulong address = Code + 0x1ffe;
            machine.WriteRam(address & ~7ul, (ulong)(CzeroEqz & 0xffff) << 48);
            machine.WriteRam((address & ~7ul) + 8, CzeroEqz >> 16 | (ulong)Jal(Zero, 0) << 16);
            machine.Program(Handler, Jal(Zero, 0));
            Assert.True(machine.Hart.TryWriteCsr(0x305, Handler));
            (machine.Hart[A1], machine.Hart[A2], machine.Hart.Pc) = (7, 1, address);
            machine.Hart.Run(10);
            Assert.Equal(isa == IsaProfile.Full ? (7ul, address + 4) : (0, Handler), (machine.Hart[A0], machine.Hart.Pc));
        }
    }
}
