namespace PsVm.Riscv.FloatingPoint;

/// <summary>Accrued exceptions, each at its bit of <c>fflags</c> (unprivileged manual, F extension).</summary>
[Flags]
public enum FpFlags : uint
{
    /// <summary>Nothing was raised.</summary>
    None = 0,

    /// <summary>NX: the result was rounded.</summary>
    Inexact = 1,

    /// <summary>UF: the result was rounded, and is below the smallest normal number even after rounding.</summary>
    Underflow = 2,

    /// <summary>OF: the rounded result is above the largest finite number.</summary>
    Overflow = 4,

    /// <summary>DZ: a finite number was divided by zero.</summary>
    DivideByZero = 8,

    /// <summary>NV: a signaling NaN came in, or the operation has no result.</summary>
    Invalid = 16,
}
