namespace PsVm.Riscv.Tests;

/// <summary>Encodes the instructions that the tests need (unprivileged manual, instruction formats).</summary>
internal static class Asm
{
    public const uint Nop = 0x13, Ecall = 0x73, Ebreak = 0x00100073, Mret = 0x30200073, Sret = 0x10200073, Wfi = 0x10500073,
        FenceI = 0x100f;
    public const uint Fence = 0x0330000f;
    public const int Zero = 0, Ra = 1, Sp = 2, T0 = 5, T1 = 6, T2 = 7, A0 = 10, A1 = 11, A2 = 12, A3 = 13, A4 = 14, A5 = 15, A6 = 16,
        A7 = 17;

    public static uint Addi(int rd, int rs1, int immediate) => I(0x13, 0, rd, rs1, immediate);

    public static uint Slli(int rd, int rs1, int shift) => I(0x13, 1, rd, rs1, shift);

    public static uint Add(int rd, int rs1, int rs2) => R(0x33, 0, 0, rd, rs1, rs2);

    public static uint Lui(int rd, uint upper20) => upper20 << 12 | (uint)rd << 7 | 0x37;

    public static uint Auipc(int rd, uint upper20) => upper20 << 12 | (uint)rd << 7 | 0x17;

    public static uint Load(int funct3, int rd, int rs1, int offset) => I(0x03, funct3, rd, rs1, offset);

    public static uint Ld(int rd, int rs1, int offset) => Load(3, rd, rs1, offset);

    public static uint Store(int funct3, int rs2, int rs1, int offset) =>
        ((uint)offset >> 5 & 0x7f) << 25 | (uint)rs2 << 20 | (uint)rs1 << 15 | (uint)funct3 << 12 | ((uint)offset & 31) << 7 | 0x23;

    public static uint Sd(int rs2, int rs1, int offset) => Store(3, rs2, rs1, offset);

    public static uint Sw(int rs2, int rs1, int offset) => Store(2, rs2, rs1, offset);

    public static uint Jalr(int rd, int rs1, int offset) => I(0x67, 0, rd, rs1, offset);

    public static uint Jal(int rd, int offset) =>
        ((uint)offset >> 20 & 1) << 31 | ((uint)offset >> 1 & 0x3ff) << 21 | ((uint)offset >> 11 & 1) << 20
        | ((uint)offset >> 12 & 0xff) << 12 | (uint)rd << 7 | 0x6f;

    public static uint Branch(int funct3, int rs1, int rs2, int offset) =>
        ((uint)offset >> 12 & 1) << 31 | ((uint)offset >> 5 & 0x3f) << 25 | (uint)rs2 << 20 | (uint)rs1 << 15
        | (uint)funct3 << 12 | ((uint)offset >> 1 & 15) << 8 | ((uint)offset >> 11 & 1) << 7 | 0x63;

    public static uint Bne(int rs1, int rs2, int offset) => Branch(1, rs1, rs2, offset);

    public static uint Csrrw(int rd, int csr, int rs1) => I(0x73, 1, rd, rs1, csr);

    public static uint Csrrs(int rd, int csr, int rs1) => I(0x73, 2, rd, rs1, csr);

    public static uint Csrrc(int rd, int csr, int rs1) => I(0x73, 3, rd, rs1, csr);

    public static uint Csr(int funct3, int rd, int csr, int rs1) => I(0x73, funct3, rd, rs1, csr);

    public static uint SfenceVma(int rs1, int rs2) => R(0x73, 0, 9, 0, rs1, rs2);

    public static uint Atomic(int funct5, int funct3, int rd, int rs1, int rs2) => R(0x2f, funct3, funct5 << 2, rd, rs1, rs2);

    public static uint R(int opcode, int funct3, int funct7, int rd, int rs1, int rs2) =>
        (uint)(funct7 << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode);

    private static uint I(int opcode, int funct3, int rd, int rs1, int immediate) =>
        (uint)(immediate << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode);
}
