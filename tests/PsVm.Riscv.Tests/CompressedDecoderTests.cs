using PsVm.Riscv.Decoding;

namespace PsVm.Riscv.Tests;

public class CompressedDecoderTests
{
    /// <summary>Both columns as GNU as encodes them.</summary>
    [Theory]
    [InlineData("c.addi4spn a0,sp,16", 0x0808, 0x01010513)]
    [InlineData("c.addi4spn s1,sp,1020", 0x1fe4, 0x3fc10493)]
    [InlineData("c.fld fa0,8(a1)", 0x2588, 0x0085b507)]
    [InlineData("c.lw a2,124(a3)", 0x5ef0, 0x07c6a603)]
    [InlineData("c.ld a4,248(a5)", 0x7ff8, 0x0f87b703)]
    [InlineData("c.fsd fs0,240(s1)", 0xb8e0, 0x0e84b827)]
    [InlineData("c.sw a0,64(s0)", 0xc028, 0x04a42023)]
    [InlineData("c.sd a3,8(a2)", 0xe614, 0x00d63423)]
    [InlineData("c.addi zero,0", 0x0001, 0x00000013)]
    [InlineData("c.addi a0,-32", 0x1501, 0xfe050513)]
    [InlineData("c.addi t6,31", 0x0ffd, 0x01ff8f93)]
    [InlineData("c.addiw s11,-1", 0x3dfd, 0xfffd8d9b)]
    [InlineData("c.li t0,-5", 0x52ed, 0xffb00293)]
    [InlineData("c.addi16sp sp,-512", 0x7101, 0xe0010113)]
    [InlineData("c.addi16sp sp,496", 0x617d, 0x1f010113)]
    [InlineData("c.lui a3,0x1f", 0x66fd, 0x0001f6b7)]
    [InlineData("c.lui t3,0xfffe0", 0x7e01, 0xfffe0e37)]
    [InlineData("c.srli a0,0x3f", 0x917d, 0x03f55513)]
    [InlineData("c.srai s1,0x21", 0x9485, 0x4214d493)]
    [InlineData("c.andi a5,-7", 0x9be5, 0xff97f793)]
    [InlineData("c.sub a0,a1", 0x8d0d, 0x40b50533)]
    [InlineData("c.xor a2,a3", 0x8e35, 0x00d64633)]
    [InlineData("c.or a4,a5", 0x8f5d, 0x00f76733)]
    [InlineData("c.and s0,s1", 0x8c65, 0x00947433)]
    [InlineData("c.subw a0,a5", 0x9d1d, 0x40f5053b)]
    [InlineData("c.addw s1,a2", 0x9cb1, 0x00c484bb)]
    [InlineData("c.slli t1,0x28", 0x1322, 0x02831313)]
    [InlineData("c.fldsp ft3,504(sp)", 0x31fe, 0x1f813187)]
    [InlineData("c.lwsp ra,252(sp)", 0x50fe, 0x0fc12083)]
    [InlineData("c.ldsp s10,504(sp)", 0x7d7e, 0x1f813d03)]
    [InlineData("c.jr ra", 0x8082, 0x00008067)]
    [InlineData("c.mv a7,t6", 0x88fe, 0x01f008b3)]
    [InlineData("c.ebreak", 0x9002, 0x00100073)]
    [InlineData("c.jalr t2", 0x9382, 0x000380e7)]
    [InlineData("c.add sp,gp", 0x910e, 0x00310133)]
    [InlineData("c.fsdsp fs11,504(sp)", 0xbfee, 0x1fb13c27)]
    [InlineData("c.swsp t4,252(sp)", 0xdff6, 0x0fd12e23)]
    [InlineData("c.sdsp s2,256(sp)", 0xe24a, 0x11213023)]
    public void ExpandsToItsEqual(string instruction, uint compressed, uint full) =>
        Assert.True(full == CompressedDecoder.Expand(compressed), $"{instruction}: 0x{CompressedDecoder.Expand(compressed):x8}");

    [Theory]
    [InlineData(0, 0)]
    [InlineData(62, 0xfe2)]
    [InlineData(-64, 0xfc0)]
    public void JumpsAndBranchesKeepTheirTargets(int offset, int pageOffset)
    {
        uint bits = (uint)offset;
        uint jump = 0xa001 | (bits >> 11 & 1) << 12 | (bits >> 4 & 1) << 11 | (bits >> 8 & 3) << 9 | (bits >> 10 & 1) << 8
            | (bits >> 6 & 1) << 7 | (bits >> 7 & 1) << 6 | (bits >> 1 & 7) << 3 | (bits >> 5 & 1) << 2;
        uint branch =
            0xc001 | (bits >> 8 & 1) << 12 | (bits >> 3 & 3) << 10 | (bits >> 6 & 3) << 5 | (bits >> 1 & 3) << 3 | (bits >> 5 & 1) << 2;

        Assert.Equal((OpCode.Jal, (long)(pageOffset + offset)), Target(Decoder.Decode(jump, pageOffset, IsaProfile.Base.Extensions)));
        Assert.Equal((OpCode.Beq, (long)(pageOffset + offset)), Target(Decoder.Decode(branch, pageOffset, IsaProfile.Base.Extensions)));
    }

    [Theory]
    [InlineData("all zeros", 0x0000)]
    [InlineData("c.addi4spn with 0", 0x0004)]
    [InlineData("funct3 4 of quadrant 0", 0x8000)]
    [InlineData("c.addiw to x0", 0x2001)]
    [InlineData("c.addi16sp with 0", 0x6101)]
    [InlineData("c.lui with 0", 0x6181)]
    [InlineData("c.subw's unused neighbour", 0x9c41)]
    [InlineData("c.lwsp to x0", 0x4002)]
    [InlineData("c.ldsp to x0", 0x6002)]
    [InlineData("c.jr x0", 0x8002)]
    public void ReservedEncodingsAreIllegal(string what, uint bits) =>
        Assert.True(OpCode.Illegal == Decoder.Decode(bits, 0, IsaProfile.Full.Extensions).Code, what);

    private static (OpCode Code, long Target) Target(Op op) => (op.Code, op.Immediate);
}
