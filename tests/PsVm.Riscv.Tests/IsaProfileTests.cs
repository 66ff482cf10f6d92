namespace PsVm.Riscv.Tests;

public class IsaProfileTests
{
    private static readonly string[] s_base =
        ["i", "m", "a", "f", "d", "c", "zicntr", "zicsr", "zifencei", "zba", "zbb", "zbs", "sstc"];

    [Fact]
    public void TheBaseIsWhatEveryMachineHasHad()
    {
        Assert.Equal(s_base, IsaProfile.Base.Names);
        Assert.Equal("rv64imafdc_zicntr_zicsr_zifencei_zba_zbb_zbs_sstc", IsaProfile.Base.Isa);
    }

    [Fact]
    public void TheFullProfileIsNamedInCanonicalOrder() => Assert.Equal(
        "rv64imafdc_zicbom_zicbop_zicboz_zicntr_zicond_zicsr_zifencei_zihintpause_zawrs_zfa_zba_zbb_zbs_sstc_svvptc", IsaProfile.Full.Isa);

    [Fact]
    public void NamesLeadBackToTheProfile()
    {
        foreach (IsaProfile profile in new[] { IsaProfile.Base, IsaProfile.Full, new(IsaProfile.Base.Extensions | IsaExtensions.Zfa) })
        {
            Assert.True(IsaProfile.TryReadNames(profile.Isa, out IReadOnlyList<string>? names));
            Assert.Equal(profile.Names, names);
            Assert.Equal(profile, IsaProfile.FromNames(names.Reverse()));
            Assert.Equal(profile.Isa, profile.ToString());
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("rv64")]
    [InlineData("rv32imac")]
    [InlineData("RV64IMAC")]
    [InlineData("rv64i m")]
    [InlineData("rv64im_")]
    [InlineData("rv64im__zba")]
    [InlineData("rv64im_z")]
    [InlineData("rv64im_Zba")]
    [InlineData("rv64im_zba_zba")]
    [InlineData("rv64imm")]
    [InlineData("rv64im_zb\u00e4")]
    [InlineData("rv642")]
    public void RefusesWordsOfAnotherForm(string isa)
    {
        Assert.False(IsaProfile.TryReadNames(isa, out IReadOnlyList<string>? names));
        Assert.Null(names);
    }

    [Fact]
    public void TellsWhatIsMissing()
    {
        Assert.Empty(IsaProfile.Full.Missing(IsaProfile.Base.Names));
        Assert.Empty(IsaProfile.Base.Missing(["zba", "i"]));
        Assert.Equal(["zicond", "zfa"], IsaProfile.Base.Missing(["i", "zicond", "zbs", "zfa"]));
        Assert.Equal(["v", "zvbb"], IsaProfile.Full.Missing(["v", "zba", "zvbb"]));
        Assert.Equal(["none", "Zba"], IsaProfile.Full.Missing(["none", "Zba"]));
    }

    [Fact]
    public void RefusesWhatNoHartCanBe()
    {
        Assert.Contains("'v'", Assert.Throws<ArgumentException>(() => IsaProfile.FromNames([.. s_base, "v"])).Message);
        Assert.Throws<ArgumentException>(() => IsaProfile.FromNames(s_base[1..]));
        Assert.Throws<ArgumentException>(() => new IsaProfile(IsaProfile.Full.Extensions | (IsaExtensions)(1 << 30)));
        Assert.Throws<ArgumentException>(() => new IsaProfile(IsaExtensions.Zfa));
    }

    [Fact]
    public void AHartHasTheBaseUnlessItIsGivenAnother()
    {
        using var machine = new TestMachine();
        Assert.Equal(IsaProfile.Base, machine.Hart.Isa);
        using var full = new Hart(1, machine.Memory, machine, machine, isa: IsaProfile.Full);
        Assert.Equal(IsaProfile.Full, full.Isa);
    }
}
