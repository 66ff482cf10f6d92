namespace PsVm.Riscv.FloatingPoint;

/// <summary>How single-precision numbers live in the 64-bit registers of the D extension (unprivileged manual, "NaN Boxing").</summary>
internal static class Float32
{
    /// <summary>The quiet NaN that every operation without a result gives.</summary>
    public const uint CanonicalNaN = 0x7FC0_0000;

    private const ulong BoxMask = 0xFFFF_FFFF_0000_0000;

    /// <summary>The number in a register: its low half if the high half is all ones, otherwise the canonical NaN.</summary>
    public static uint Unbox(ulong register) => register >= BoxMask ? (uint)register : CanonicalNaN;

    /// <summary>The register that holds a number: its high half is all ones.</summary>
    public static ulong Box(uint a) => BoxMask | a;
}
