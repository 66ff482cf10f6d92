namespace PsVm.Riscv.FloatingPoint;

/// <summary>
/// The F extension's arithmetic on the bits of binary32 numbers (unprivileged manual, chapters F and D). Flags accrue; NaN results
/// are canonical. Nothing throws.
/// </summary>
public static class Float32
{
    /// <summary>The quiet NaN that every operation without a result gives.</summary>
    public const uint CanonicalNaN = 0x7FC0_0000;

    private const ulong BoxMask = 0xFFFF_FFFF_0000_0000;

    /// <summary>The number in a 64-bit register: its low half if the high half is all ones, otherwise the canonical NaN.</summary>
    public static uint Unbox(ulong register) => register >= BoxMask ? (uint)register : CanonicalNaN;

    /// <summary>The 64-bit register that holds a number: its high half is all ones.</summary>
    public static ulong Box(uint a) => BoxMask | a;

    /// <summary><c>fadd</c>: a + b.</summary>
    public static uint Add(uint a, uint b, RoundingMode mode, ref FpFlags flags) => (uint)Ieee754<float>.Add(a, b, mode, ref flags);

    /// <summary><c>fsub</c>: a - b.</summary>
    public static uint Sub(uint a, uint b, RoundingMode mode, ref FpFlags flags) => (uint)Ieee754<float>.Sub(a, b, mode, ref flags);

    /// <summary><c>fmul</c>: a * b.</summary>
    public static uint Mul(uint a, uint b, RoundingMode mode, ref FpFlags flags) => (uint)Ieee754<float>.Mul(a, b, mode, ref flags);

    /// <summary><c>fdiv</c>: a / b.</summary>
    public static uint Div(uint a, uint b, RoundingMode mode, ref FpFlags flags) => (uint)Ieee754<float>.Div(a, b, mode, ref flags);

    /// <summary><c>fsqrt</c>: the square root.</summary>
    public static uint Sqrt(uint a, RoundingMode mode, ref FpFlags flags) => (uint)Ieee754<float>.Sqrt(a, mode, ref flags);

    /// <summary><c>fmadd</c>, <c>fmsub</c>, <c>fnmsub</c>, <c>fnmadd</c>: ±(a * b) ± c, rounded once.</summary>
    public static uint FusedMultiplyAdd(
        uint a, uint b, uint c, bool negateProduct, bool negateAddend, RoundingMode mode, ref FpFlags flags) =>
        (uint)Ieee754<float>.FusedMultiplyAdd(a, b, c, negateProduct, negateAddend, mode, ref flags);

    /// <summary><c>fmin</c>: the smaller; -0 is below +0, and a number is preferred to a NaN.</summary>
    public static uint Min(uint a, uint b, ref FpFlags flags) => (uint)Ieee754<float>.Min(a, b, ref flags);

    /// <summary><c>fmax</c>: the larger; +0 is above -0, and a number is preferred to a NaN.</summary>
    public static uint Max(uint a, uint b, ref FpFlags flags) => (uint)Ieee754<float>.Max(a, b, ref flags);

    /// <summary><c>feq</c>: a = b; only a signaling NaN is invalid.</summary>
    public static bool Eq(uint a, uint b, ref FpFlags flags) => Ieee754<float>.Eq(a, b, ref flags);

    /// <summary><c>flt</c>: a &lt; b; any NaN is invalid.</summary>
    public static bool Lt(uint a, uint b, ref FpFlags flags) => Ieee754<float>.Lt(a, b, ref flags);

    /// <summary><c>fle</c>: a &lt;= b; any NaN is invalid.</summary>
    public static bool Le(uint a, uint b, ref FpFlags flags) => Ieee754<float>.Le(a, b, ref flags);

    /// <summary><c>fclass</c>: one bit of ten, from minus infinity (bit 0) to plus infinity (7), signaling (8) and quiet NaN (9).</summary>
    public static uint Classify(uint a) => Ieee754<float>.Classify(a);

    /// <summary><c>fcvt.w.f</c>: to a signed 32-bit integer, saturating with NV; the result is sign-extended.</summary>
    public static ulong ToInt32(uint a, RoundingMode mode, ref FpFlags flags) =>
        Ieee754<float>.ToInteger(a, signed: true, 32, mode, ref flags);

    /// <summary><c>fcvt.wu.f</c>: to an unsigned 32-bit integer, saturating with NV; the result is sign-extended.</summary>
    public static ulong ToUInt32(uint a, RoundingMode mode, ref FpFlags flags) =>
        Ieee754<float>.ToInteger(a, signed: false, 32, mode, ref flags);

    /// <summary><c>fcvt.l.f</c>: to a signed 64-bit integer, saturating with NV.</summary>
    public static ulong ToInt64(uint a, RoundingMode mode, ref FpFlags flags) =>
        Ieee754<float>.ToInteger(a, signed: true, 64, mode, ref flags);

    /// <summary><c>fcvt.lu.f</c>: to an unsigned 64-bit integer, saturating with NV.</summary>
    public static ulong ToUInt64(uint a, RoundingMode mode, ref FpFlags flags) =>
        Ieee754<float>.ToInteger(a, signed: false, 64, mode, ref flags);

    /// <summary><c>fcvt.f.w</c>: from a signed 32-bit integer.</summary>
    public static uint FromInt32(int value, RoundingMode mode, ref FpFlags flags) =>
        (uint)Ieee754<float>.FromInteger(value < 0, value < 0 ? 0 - (ulong)value : (ulong)value, mode, ref flags);

    /// <summary><c>fcvt.f.wu</c>: from an unsigned 32-bit integer.</summary>
    public static uint FromUInt32(uint value, RoundingMode mode, ref FpFlags flags) =>
        (uint)Ieee754<float>.FromInteger(false, value, mode, ref flags);

    /// <summary><c>fcvt.f.l</c>: from a signed 64-bit integer.</summary>
    public static uint FromInt64(long value, RoundingMode mode, ref FpFlags flags) =>
        (uint)Ieee754<float>.FromInteger(value < 0, value < 0 ? 0 - (ulong)value : (ulong)value, mode, ref flags);

    /// <summary><c>fcvt.f.lu</c>: from an unsigned 64-bit integer.</summary>
    public static uint FromUInt64(ulong value, RoundingMode mode, ref FpFlags flags) =>
        (uint)Ieee754<float>.FromInteger(false, value, mode, ref flags);

    /// <summary><c>fcvt.f.d</c>: from a double-precision number.</summary>
    public static uint FromFloat64(ulong a, RoundingMode mode, ref FpFlags flags) =>
        (uint)Ieee754<float>.FromFormat<double>(a, mode, ref flags);
}
