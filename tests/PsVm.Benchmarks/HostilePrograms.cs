using System.Buffers.Binary;
using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Benchmarks;

/// <summary>Kernels that do nothing but cost their host as much as they can.</summary>
internal static class HostilePrograms
{
    private const int S1 = 9, A6 = 16, A7 = 17;
    private const int Stvec = 0x105;
    private const uint Illegal = 0;

    // SBI extensions, in their upper 20 and lower 12 bits (SBI specification, each extension's chapter).
    private static readonly (uint Upper, int Lower) s_debugConsole = (0x44424, 0x34e);
    private static readonly (uint Upper, int Lower) s_remoteFence = (0x52465, -0x1bd);
    private static readonly (uint Upper, int Lower) s_hartState = (0x485, 0x34d);

    /// <summary>The kernels by name, and the harts that each wants.</summary>
    public static IReadOnlyList<(string Name, int Harts, uint[] Code)> All { get; } =
    [
        ("trap-loop", 1, TrapLoop()),
        ("sbi-flood", 1, ConsoleFlood()),
        ("fence-storm", 2, FenceStorm()),
        ("code-rewriting", 1, CodeRewriting()),
        ("code-flood", 1, CodeFlood()),
        ("device-flood", 1, DeviceFlood()),
        ("flush-loop", 1, [SfenceVma(Zero, Zero), FenceI, Jal(Zero, -8)]),
    ];

    /// <summary>A kernel as a flat Linux Image: a header whose first instruction jumps over it (Linux, boot-image-header.rst).</summary>
    public static byte[] Image(uint[] code)
    {
        const int header = 64;
        byte[] image = new byte[4096];
        BinaryPrimitives.WriteUInt32LittleEndian(image, Jal(Zero, header));
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(8), 0x20_0000);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(16), (ulong)image.Length);
        "RSC\x05"u8.CopyTo(image.AsSpan(56));
        for (int i = 0; i < code.Length; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(header + (4 * i)), code[i]);
        }

        return image;
    }

    /// <summary>A handler whose first instruction traps.</summary>
    private static uint[] TrapLoop() => [Auipc(T0, 0), Addi(T0, T0, 12), Csrrw(Zero, Stvec, T0), Illegal];

    /// <summary>Prints 8 MiB in one call, again and again.</summary>
    private static uint[] ConsoleFlood() =>
    [
        .. Extension(s_debugConsole), .. RamStart(S1),
        Lui(A0, 0x800), Addi(A1, S1, 0), Addi(A2, Zero, 0), Addi(A6, Zero, 0), Ecall, Jal(Zero, -20),
    ];

    /// <summary>Two harts that fence each other.</summary>
    private static uint[] FenceStorm() =>
    [
        .. Extension(s_hartState), Addi(A6, Zero, 0), Addi(A0, Zero, 1), Auipc(A1, 0), Addi(A1, A1, 12), Ecall,
        .. Extension(s_remoteFence),
        Addi(A6, Zero, 1), Addi(A0, Zero, 0), Addi(A1, Zero, -1), Addi(A2, Zero, 0), Addi(A3, Zero, -1), Ecall, Jal(Zero, -24),
    ];

    /// <summary>Changes the next instruction, fences, and runs it.</summary>
    private static uint[] CodeRewriting() =>
    [
        Auipc(T0, 0), Lui(T1, 0x00100), Addi(T1, T1, 0x13), // t1: addi x0, x0, 1
        Sw(T1, T0, 24), Add(T1, T1, T2), FenceI,
        Nop, Lui(T2, 0x00100), Jal(Zero, -20),
    ];

    /// <summary>Writes a function of its own to each page of 8 MiB, with another constant each time, and calls it.</summary>
    private static uint[] CodeFlood() =>
    [
        .. RamStart(S1), Lui(T0, 0x400), Add(S1, S1, T0), Lui(A3, 0x800), Add(A3, A3, S1), Lui(A4, 1), Lui(A5, 8), Addi(A5, A5, 0x67),
        Addi(T0, S1, 0), // each round
        Lui(T2, 0x00100), Add(T1, T1, T2), // each page: another addi x0, x0, n
        Addi(A2, T1, 0x13), Sw(A2, T0, 0), Sw(A5, T0, 4), FenceI, Jalr(Ra, T0, 0),
        Add(T0, T0, A4), Branch(4, T0, A3, -36), Jal(Zero, -44),
    ];

    private static uint[] DeviceFlood() => [Lui(T0, 0x10000), Load(4, T1, T0, 5), Jal(Zero, -4)];

    private static uint[] Extension((uint Upper, int Lower) number) => [Lui(A7, number.Upper), Addi(A7, A7, number.Lower)];

    /// <summary>0x80000000 without its sign.</summary>
    private static uint[] RamStart(int register) =>
        [Lui(register, 0x80000), Slli(register, register, 32), R(0x13, 5, 1, register, register, 0)];
}
