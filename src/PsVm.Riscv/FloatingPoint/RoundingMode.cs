namespace PsVm.Riscv.FloatingPoint;

/// <summary>IEEE 754 rounding directions, numbered as in <c>frm</c> and the <c>rm</c> field (unprivileged manual, F extension).</summary>
public enum RoundingMode : byte
{
    /// <summary>RNE: to the nearest, ties to even.</summary>
    NearestEven = 0,

    /// <summary>RTZ: towards zero.</summary>
    TowardZero = 1,

    /// <summary>RDN: towards minus infinity.</summary>
    Down = 2,

    /// <summary>RUP: towards plus infinity.</summary>
    Up = 3,

    /// <summary>RMM: to the nearest, ties away from zero.</summary>
    NearestMaxMagnitude = 4,
}
