namespace PsVm.Riscv.FloatingPoint;

/// <summary>
/// The D extension's arithmetic on the bits of binary64 numbers (unprivileged manual, chapters F and D). Flags accrue; NaN results
/// are canonical. Nothing throws.
/// </summary>
public static class Float64
{
    /// <summary>The quiet NaN that every operation without a result gives.</summary>
    public const ulong CanonicalNaN = 0x7FF8_0000_0000_0000;

    /// <summary><c>fadd</c>: a + b.</summary>
    public static ulong Add(ulong a, ulong b, RoundingMode mode, ref FpFlags flags) => Ieee754<double>.Add(a, b, mode, ref flags);

    /// <summary><c>fsub</c>: a - b.</summary>
    public static ulong Sub(ulong a, ulong b, RoundingMode mode, ref FpFlags flags) => Ieee754<double>.Sub(a, b, mode, ref flags);

    /// <summary><c>fmul</c>: a * b.</summary>
    public static ulong Mul(ulong a, ulong b, RoundingMode mode, ref FpFlags flags) => Ieee754<double>.Mul(a, b, mode, ref flags);

    /// <summary><c>fdiv</c>: a / b.</summary>
    public static ulong Div(ulong a, ulong b, RoundingMode mode, ref FpFlags flags) => Ieee754<double>.Div(a, b, mode, ref flags);

    /// <summary><c>fsqrt</c>: the square root.</summary>
    public static ulong Sqrt(ulong a, RoundingMode mode, ref FpFlags flags) => Ieee754<double>.Sqrt(a, mode, ref flags);

    /// <summary><c>fmadd</c>, <c>fmsub</c>, <c>fnmsub</c>, <c>fnmadd</c>: ±(a * b) ± c, rounded once.</summary>
    public static ulong FusedMultiplyAdd(
        ulong a, ulong b, ulong c, bool negateProduct, bool negateAddend, RoundingMode mode, ref FpFlags flags) =>
        Ieee754<double>.FusedMultiplyAdd(a, b, c, negateProduct, negateAddend, mode, ref flags);

    /// <summary><c>fmin</c>: the smaller; -0 is below +0, and a number is preferred to a NaN.</summary>
    public static ulong Min(ulong a, ulong b, ref FpFlags flags) => Ieee754<double>.Min(a, b, ref flags);

    /// <summary><c>fmax</c>: the larger; +0 is above -0, and a number is preferred to a NaN.</summary>
    public static ulong Max(ulong a, ulong b, ref FpFlags flags) => Ieee754<double>.Max(a, b, ref flags);

    /// <summary><c>feq</c>: a = b; only a signaling NaN is invalid.</summary>
    public static bool Eq(ulong a, ulong b, ref FpFlags flags) => Ieee754<double>.Eq(a, b, ref flags);

    /// <summary><c>flt</c>: a &lt; b; any NaN is invalid.</summary>
    public static bool Lt(ulong a, ulong b, ref FpFlags flags) => Ieee754<double>.Lt(a, b, ref flags);

    /// <summary><c>fle</c>: a &lt;= b; any NaN is invalid.</summary>
    public static bool Le(ulong a, ulong b, ref FpFlags flags) => Ieee754<double>.Le(a, b, ref flags);

    /// <summary><c>fclass</c>: one bit of ten, from minus infinity (bit 0) to plus infinity (7), signaling (8) and quiet NaN (9).</summary>
    public static uint Classify(ulong a) => Ieee754<double>.Classify(a);

    /// <summary><c>fcvt.w.d</c>: to a signed 32-bit integer, saturating with NV; the result is sign-extended.</summary>
    public static ulong ToInt32(ulong a, RoundingMode mode, ref FpFlags flags) =>
        Ieee754<double>.ToInteger(a, signed: true, 32, mode, ref flags);

    /// <summary><c>fcvt.wu.d</c>: to an unsigned 32-bit integer, saturating with NV; the result is sign-extended.</summary>
    public static ulong ToUInt32(ulong a, RoundingMode mode, ref FpFlags flags) =>
        Ieee754<double>.ToInteger(a, signed: false, 32, mode, ref flags);

    /// <summary><c>fcvt.l.d</c>: to a signed 64-bit integer, saturating with NV.</summary>
    public static ulong ToInt64(ulong a, RoundingMode mode, ref FpFlags flags) =>
        Ieee754<double>.ToInteger(a, signed: true, 64, mode, ref flags);

    /// <summary><c>fcvt.lu.d</c>: to an unsigned 64-bit integer, saturating with NV.</summary>
    public static ulong ToUInt64(ulong a, RoundingMode mode, ref FpFlags flags) =>
        Ieee754<double>.ToInteger(a, signed: false, 64, mode, ref flags);

    /// <summary><c>fcvt.d.w</c>: from a signed 32-bit integer.</summary>
    public static ulong FromInt32(int value, RoundingMode mode, ref FpFlags flags) =>
        Ieee754<double>.FromInteger(value < 0, value < 0 ? 0 - (ulong)value : (ulong)value, mode, ref flags);

    /// <summary><c>fcvt.d.wu</c>: from an unsigned 32-bit integer.</summary>
    public static ulong FromUInt32(uint value, RoundingMode mode, ref FpFlags flags) =>
        Ieee754<double>.FromInteger(false, value, mode, ref flags);

    /// <summary><c>fcvt.d.l</c>: from a signed 64-bit integer.</summary>
    public static ulong FromInt64(long value, RoundingMode mode, ref FpFlags flags) =>
        Ieee754<double>.FromInteger(value < 0, value < 0 ? 0 - (ulong)value : (ulong)value, mode, ref flags);

    /// <summary><c>fcvt.d.lu</c>: from an unsigned 64-bit integer.</summary>
    public static ulong FromUInt64(ulong value, RoundingMode mode, ref FpFlags flags) =>
        Ieee754<double>.FromInteger(false, value, mode, ref flags);

    /// <summary><c>fcvt.d.f</c>: from a single-precision number.</summary>
    public static ulong FromFloat32(uint a, RoundingMode mode, ref FpFlags flags) =>
        Ieee754<double>.FromFormat<float>(a, mode, ref flags);
}
