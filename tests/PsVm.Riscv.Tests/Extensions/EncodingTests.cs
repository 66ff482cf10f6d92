using PsVm.Riscv.Decoding;
using static PsVm.Riscv.Tests.Extensions.ExtensionMachine;

namespace PsVm.Riscv.Tests.Extensions;

/// <summary>
/// The instructions of extensions that not every hart has, as an assembler encodes them, and what they are without their extension.
/// </summary>
public class EncodingTests
{
    /// <summary>Instruction, bits, operation, and the extension.</summary>
    internal static readonly (string Text, uint Bits, OpCode Code, IsaExtensions Extension)[] s_instructions =
    [
        ("czero.eqz a0, a1, a2", 0x0ec5d533, OpCode.CzeroEqz, IsaExtensions.Zicond),
        ("czero.nez t6, s0, t5", 0x0fe47fb3, OpCode.CzeroNez, IsaExtensions.Zicond),
        ("wrs.nto", 0x00d00073, OpCode.WrsNto, IsaExtensions.Zawrs),
        ("wrs.sto", 0x01d00073, OpCode.WrsSto, IsaExtensions.Zawrs),
        ("cbo.inval (a0)", 0x0005200f, OpCode.CboInval, IsaExtensions.Zicbom),
        ("cbo.clean (a1)", 0x0015a00f, OpCode.CboClean, IsaExtensions.Zicbom),
        ("cbo.flush (t6)", 0x002fa00f, OpCode.CboFlush, IsaExtensions.Zicbom),
        ("cbo.zero (sp)", 0x0041200f, OpCode.CboZero, IsaExtensions.Zicboz),
        ("fli.s ft1, -1.0", 0xf01000d3, OpCode.FliS, IsaExtensions.Zfa),
        ("fli.d ft1, nan", 0xf21f80d3, OpCode.FliD, IsaExtensions.Zfa),
        ("fminm.s fa0, fa1, fa2", 0x28c5a553, OpCode.FminmS, IsaExtensions.Zfa),
        ("fmaxm.s fs3, fs4, fs5", 0x295a39d3, OpCode.FmaxmS, IsaExtensions.Zfa),
        ("fminm.d fa0, fa1, fa2", 0x2ac5a553, OpCode.FminmD, IsaExtensions.Zfa),
        ("fmaxm.d fs3, fs4, fs5", 0x2b5a39d3, OpCode.FmaxmD, IsaExtensions.Zfa),
        ("fround.s ft1, fa1, dyn", 0x4045f0d3, OpCode.FroundS, IsaExtensions.Zfa),
        ("froundnx.s ft1, fa1, rne", 0x405580d3, OpCode.FroundnxS, IsaExtensions.Zfa),
        ("fround.d ft1, fa1, rup", 0x4245b0d3, OpCode.FroundD, IsaExtensions.Zfa),
        ("froundnx.d ft1, fa1, rtz", 0x425590d3, OpCode.FroundnxD, IsaExtensions.Zfa),
        ("fcvtmod.w.d a1, ft1, rtz", 0xc28095d3, OpCode.FcvtmodWD, IsaExtensions.Zfa),
        ("fltq.s a1, fs1, fs2", 0xa124d5d3, OpCode.FltqS, IsaExtensions.Zfa),
        ("fleq.s a1, ft1, ft2", 0xa020c5d3, OpCode.FleqS, IsaExtensions.Zfa),
        ("fltq.d a1, fs1, fs2", 0xa324d5d3, OpCode.FltqD, IsaExtensions.Zfa),
        ("fleq.d a1, ft1, ft2", 0xa220c5d3, OpCode.FleqD, IsaExtensions.Zfa),
    ];

    public static TheoryData<string, Tier> Instructions()
    {
        var data = new TheoryData<string, Tier>();
        foreach ((string text, _, _, _) in s_instructions)
        {
            data.Add(text, Tier.Interpreter);
            data.Add(text, Tier.Translator);
        }

        return data;
    }

    [Fact]
    public void EachIsWhatTheAssemblerMeantAndBelongsToOneExtension()
    {
        foreach ((string text, uint bits, OpCode code, IsaExtensions extension) in s_instructions)
        {
            Assert.True(code == Decode(bits, IsaProfile.Full.Extensions), text);
            Assert.True(code == Decode(bits, IsaProfile.Base.Extensions | extension), text);
            Assert.True(OpCode.Illegal == Decode(bits, IsaProfile.Full.Extensions & ~extension), text);
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Instructions))]
    public void EachIsIllegalWithoutItsExtension(string text, Tier tier)
    {
        uint bits = s_instructions.Single(instruction => instruction.Text == text).Bits;
        using var machine = new ExtensionMachine(tier, IsaProfile.Base);
        machine.Hart[2] = Data;
        Assert.Equal((IllegalInstruction, (ulong)bits, Code), (machine.Run(bits), machine.Value, machine.Get(Mepc)));
    }

    [Theory]
    [InlineData("pause", 0x0100000f, true)]
    [InlineData("fence w, 0 with rd 1", 0x0100008f, false)]
    [InlineData("fence.tso", 0x8330000f, false)]
    [InlineData("fence r, 0", 0x0200000f, false)]
    public void PauseIsAHintWithAndWithoutItsExtension(string text, uint bits, bool isPause)
    {
        Assert.True((isPause ? OpCode.Pause : OpCode.Fence) == Decode(bits, IsaProfile.Base.Extensions), text);
        Assert.True((isPause ? OpCode.Pause : OpCode.Fence) == Decode(bits, IsaProfile.Full.Extensions), text);
    }

    [SkippableTheory]
    [InlineData("pause", 0x0100000f, Tier.Interpreter)]
    [InlineData("pause", 0x0100000f, Tier.Translator)]
    [InlineData("prefetch.i 32(a0)", 0x02056013, Tier.Interpreter)]
    [InlineData("prefetch.i 32(a0)", 0x02056013, Tier.Translator)]
    [InlineData("prefetch.r -64(a1)", 0xfc15e013, Tier.Interpreter)]
    [InlineData("prefetch.r -64(a1)", 0xfc15e013, Tier.Translator)]
    [InlineData("prefetch.w 2016(a2)", 0x7e366013, Tier.Interpreter)]
    [InlineData("prefetch.w 2016(a2)", 0x7e366013, Tier.Translator)]
    public void HintsDoNothingButRetireWithAndWithoutTheirExtension(string text, uint bits, Tier tier)
    {
        foreach (IsaProfile isa in new[] { IsaProfile.Base, IsaProfile.Full })
        {
            using var machine = new ExtensionMachine(tier, isa);
            (machine.Hart[10], machine.Hart[11], machine.Hart[12]) = (0, ulong.MaxValue, 1ul << 63); // nothing is there
            ulong[] before = [.. machine.Hart.Save().Integers];
            ulong retired = machine.Hart.InstructionsRetired;
            Assert.True(machine.Run(PrivilegeMode.User, bits) == 0, text);
            Assert.Equal(before, machine.Hart.Save().Integers);
            Assert.True(machine.Hart.InstructionsRetired > retired);
        }
    }

    [Theory]
    [InlineData("cbo with rd 1", 0x0005208fu)]
    [InlineData("cbo of number 3", 0x0035200fu)]
    [InlineData("cbo of number 5", 0x0055200fu)]
    [InlineData("cbo.zero with a high bit", 0x8045200fu)]
    [InlineData("misc-mem of funct3 3", 0x0005300fu)]
    [InlineData("czero with funct3 6", 0x0ec5e533u)]
    [InlineData("czero as a word", 0x0ec5d53bu)]
    [InlineData("wrs with rd 1", 0x00d000f3u)]
    [InlineData("wrs with rs1 1", 0x00d08073u)]
    [InlineData("wrs of number 2d", 0x02d00073u)]
    [InlineData("fli of rs2 2", 0xf02000d3u)]
    [InlineData("fli with funct3 1", 0xf01010d3u)]
    [InlineData("fli.h", 0xf41000d3u)]
    [InlineData("fli.q", 0xf61000d3u)]
    [InlineData("fminm with funct3 4", 0x28c5c553u)]
    [InlineData("fround of rs2 6", 0x4065f0d3u)]
    [InlineData("fcvtmod.w.s", 0xc08095d3u)]
    [InlineData("fcvtmod.w.d, rne", 0xc28085d3u)]
    [InlineData("fcvtmod.w.d, dyn", 0xc280f5d3u)]
    [InlineData("fcvtmod.l.d", 0xc29095d3u)]
    [InlineData("fmvh.x.d, which only RV32 has", 0xe2150553u)]
    [InlineData("fmvp.d.x, which only RV32 has", 0xb2b50553u)]
    [InlineData("fcmp of funct3 6", 0xa020e5d3u)]
    public void NeighboursAreIllegal(string text, uint bits) =>
        Assert.True(OpCode.Illegal == Decode(bits, IsaProfile.Full.Extensions), text);

    private static OpCode Decode(uint bits, IsaExtensions isa) => Decoder.Decode(bits, 0, isa).Code;
}
