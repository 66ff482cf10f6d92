using System.Numerics;
using PsVm.Riscv.FloatingPoint;

namespace PsVm.Riscv.Tests.FloatingPoint;

/// <summary>An operation under test; operands it has no use for are ignored.</summary>
internal delegate ulong Implementation(ulong a, ulong b, ulong c, RoundingMode mode, ref FpFlags flags);

/// <summary>What it should give.</summary>
internal delegate Outcome Oracle(ulong a, ulong b, ulong c, RoundingMode mode);

/// <summary>The operations of both formats, each beside its exact counterpart.</summary>
internal static class Operations
{
    public static IReadOnlyDictionary<string, Operation> All { get; } = new[]
    {
        Of<double>("d.", Operand.Double, ExactArithmetic.Binary64),
        Of<float>("s.", Operand.Single, ExactArithmetic.Binary32),
        Between<double, float>("d.from-single", Operand.Single, ExactArithmetic.Binary64, ExactArithmetic.Binary32),
        Between<float, double>("s.from-double", Operand.Double, ExactArithmetic.Binary32, ExactArithmetic.Binary64),
    }.SelectMany(operations => operations).ToDictionary(operation => operation.Name);

    private static IEnumerable<Operation> Of<T>(string prefix, Operand takes, ExactArithmetic exact)
        where T : struct, IBinaryFloatingPointIeee754<T> =>
    [
        new(prefix + "add", 2, takes,
            (a, b, _, mode, ref flags) => Ieee754<T>.Add(a, b, mode, ref flags),
            (a, b, _, mode) => exact.Add(a, b, mode)),
        new(prefix + "sub", 2, takes,
            (a, b, _, mode, ref flags) => Ieee754<T>.Sub(a, b, mode, ref flags),
            (a, b, _, mode) => exact.Sub(a, b, mode)),
        new(prefix + "mul", 2, takes,
            (a, b, _, mode, ref flags) => Ieee754<T>.Mul(a, b, mode, ref flags),
            (a, b, _, mode) => exact.Mul(a, b, mode)),
        new(prefix + "div", 2, takes,
            (a, b, _, mode, ref flags) => Ieee754<T>.Div(a, b, mode, ref flags),
            (a, b, _, mode) => exact.Div(a, b, mode)),
        new(prefix + "sqrt", 1, takes,
            (a, _, _, mode, ref flags) => Ieee754<T>.Sqrt(a, mode, ref flags),
            (a, _, _, mode) => exact.Sqrt(a, mode)),
        new(prefix + "madd", 3, takes,
            (a, b, c, mode, ref flags) => Ieee754<T>.FusedMultiplyAdd(a, b, c, false, false, mode, ref flags),
            (a, b, c, mode) => exact.FusedMultiplyAdd(a, b, c, mode)),
        new(prefix + "msub", 3, takes,
            (a, b, c, mode, ref flags) => Ieee754<T>.FusedMultiplyAdd(a, b, c, false, true, mode, ref flags),
            (a, b, c, mode) => exact.FusedMultiplyAdd(a, b, c ^ exact.SignBit, mode)),
        new(prefix + "nmsub", 3, takes,
            (a, b, c, mode, ref flags) => Ieee754<T>.FusedMultiplyAdd(a, b, c, true, false, mode, ref flags),
            (a, b, c, mode) => exact.FusedMultiplyAdd(a ^ exact.SignBit, b, c, mode)),
        new(prefix + "nmadd", 3, takes,
            (a, b, c, mode, ref flags) => Ieee754<T>.FusedMultiplyAdd(a, b, c, true, true, mode, ref flags),
            (a, b, c, mode) => exact.FusedMultiplyAdd(a ^ exact.SignBit, b, c ^ exact.SignBit, mode)),
        new(prefix + "min", 2, takes,
            (a, b, _, _, ref flags) => Ieee754<T>.Min(a, b, ref flags),
            (a, b, _, _) => exact.Min(a, b)),
        new(prefix + "max", 2, takes,
            (a, b, _, _, ref flags) => Ieee754<T>.Max(a, b, ref flags),
            (a, b, _, _) => exact.Max(a, b)),
        new(prefix + "eq", 2, takes,
            (a, b, _, _, ref flags) => Ieee754<T>.Eq(a, b, ref flags) ? 1UL : 0,
            (a, b, _, _) => exact.Eq(a, b)),
        new(prefix + "lt", 2, takes,
            (a, b, _, _, ref flags) => Ieee754<T>.Lt(a, b, ref flags) ? 1UL : 0,
            (a, b, _, _) => exact.Lt(a, b)),
        new(prefix + "le", 2, takes,
            (a, b, _, _, ref flags) => Ieee754<T>.Le(a, b, ref flags) ? 1UL : 0,
            (a, b, _, _) => exact.Le(a, b)),
        new(prefix + "minimum", 2, takes,
            (a, b, _, _, ref flags) => Ieee754<T>.Minimum(a, b, ref flags),
            (a, b, _, _) => exact.Minimum(a, b)),
        new(prefix + "maximum", 2, takes,
            (a, b, _, _, ref flags) => Ieee754<T>.Maximum(a, b, ref flags),
            (a, b, _, _) => exact.Maximum(a, b)),
        new(prefix + "lt-quiet", 2, takes,
            (a, b, _, _, ref flags) => Ieee754<T>.LtQuiet(a, b, ref flags) ? 1UL : 0,
            (a, b, _, _) => exact.LtQuiet(a, b)),
        new(prefix + "le-quiet", 2, takes,
            (a, b, _, _, ref flags) => Ieee754<T>.LeQuiet(a, b, ref flags) ? 1UL : 0,
            (a, b, _, _) => exact.LeQuiet(a, b)),
        new(prefix + "round", 1, takes,
            (a, _, _, mode, ref flags) => Ieee754<T>.RoundToInteger(a, mode, raisesInexact: false, ref flags),
            (a, _, _, mode) => exact.RoundToInteger(a, mode, raisesInexact: false)),
        new(prefix + "round-exactly", 1, takes,
            (a, _, _, mode, ref flags) => Ieee754<T>.RoundToInteger(a, mode, raisesInexact: true, ref flags),
            (a, _, _, mode) => exact.RoundToInteger(a, mode, raisesInexact: true)),
        new(prefix + "to-int32-modulo", 1, takes,
            (a, _, _, _, ref flags) => Ieee754<T>.ToIntegerModulo(a, ref flags),
            (a, _, _, _) => exact.ToIntegerModulo(a)),
        .. from signed in new[] { true, false }
           from width in new[] { 32, 64 }
           select new Operation($"{prefix}to-{(signed ? "int" : "uint")}{width}", 1, takes,
               (a, _, _, mode, ref flags) => Ieee754<T>.ToInteger(a, signed, width, mode, ref flags),
               (a, _, _, mode) => exact.ToInteger(a, signed, width, mode)),
        new(prefix + "from-int64", 1, Operand.Integer,
            (a, _, _, mode, ref flags) => Ieee754<T>.FromInteger((long)a < 0, (long)a < 0 ? 0 - a : a, mode, ref flags),
            (a, _, _, mode) => exact.FromInteger((long)a, mode)),
        new(prefix + "from-uint64", 1, Operand.Integer,
            (a, _, _, mode, ref flags) => Ieee754<T>.FromInteger(false, a, mode, ref flags),
            (a, _, _, mode) => exact.FromInteger(a, mode)),
    ];

    private static IEnumerable<Operation> Between<T, TFrom>(string name, Operand takes, ExactArithmetic exact, ExactArithmetic from)
        where T : struct, IBinaryFloatingPointIeee754<T>
        where TFrom : struct, IBinaryFloatingPointIeee754<TFrom> =>
    [
        new(name, 1, takes,
            (a, _, _, mode, ref flags) => Ieee754<T>.FromFormat<TFrom>(a, mode, ref flags),
            (a, _, _, mode) => exact.FromFormat(from, a, mode)),
    ];
}

/// <summary>One operation, with what it takes and what it should give.</summary>
internal sealed record Operation(string Name, int Arity, Operand Takes, Implementation Run, Oracle Expect);

/// <summary>What kind of bits an operation takes.</summary>
internal enum Operand
{
    Double,
    Single,
    Integer,
}
