namespace PsVm.Riscv.Interpreter;

/// <summary>Division as RISC-V defines it: no traps; by zero gives all ones or the dividend, overflow gives the dividend or 0.</summary>
/// <remarks>Unprivileged manual, chapter "M", table "Semantics for division by zero and division overflow".</remarks>
internal static class Division
{
    public static ulong Div(ulong a, ulong b) => b switch
    {
        0 => ulong.MaxValue,
        ulong.MaxValue => 0 - a,
        _ => (ulong)((long)a / (long)b),
    };

    public static ulong Divu(ulong a, ulong b) => b == 0 ? ulong.MaxValue : a / b;

    public static ulong Rem(ulong a, ulong b) => b switch
    {
        0 => a,
        ulong.MaxValue => 0,
        _ => (ulong)((long)a % (long)b),
    };

    public static ulong Remu(ulong a, ulong b) => b == 0 ? a : a % b;

    public static ulong Divw(ulong a, ulong b) => (uint)b switch
    {
        0 => ulong.MaxValue,
        uint.MaxValue => (ulong)(int)(0 - (uint)a),
        _ => (ulong)((int)a / (int)b),
    };

    public static ulong Divuw(ulong a, ulong b) => (uint)b == 0 ? ulong.MaxValue : (ulong)(int)((uint)a / (uint)b);

    public static ulong Remw(ulong a, ulong b) => (uint)b switch
    {
        0 => (ulong)(int)a,
        uint.MaxValue => 0,
        _ => (ulong)((int)a % (int)b),
    };

    public static ulong Remuw(ulong a, ulong b) => (ulong)(int)((uint)b == 0 ? (uint)a : (uint)a % (uint)b);
}
