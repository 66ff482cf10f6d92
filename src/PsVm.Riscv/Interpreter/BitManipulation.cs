namespace PsVm.Riscv.Interpreter;

/// <summary>Bit manipulation that C# has no word for.</summary>
internal static class BitManipulation
{
    /// <summary>Each byte becomes 0xff unless it is 0.</summary>
    public static ulong OrCombineBytes(ulong value)
    {
        const ulong Low = 0x0101010101010101;
        value |= (value >> 4) & (Low * 0x0f);
        value |= (value >> 2) & (Low * 0x03);
        value |= (value >> 1) & Low;
        return (value & Low) * 0xff;
    }
}
