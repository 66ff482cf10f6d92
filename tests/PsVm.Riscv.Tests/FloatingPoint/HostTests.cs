using PsVm.Riscv.FloatingPoint;

namespace PsVm.Riscv.Tests.FloatingPoint;

/// <summary>Rounding to nearest even against the host's own arithmetic.</summary>
public sealed class HostTests
{
    private const int Seed = 20261122;
    private const int Cases = 20000;

    [Fact]
    public void Double_precision_agrees_with_the_host()
    {
        Random random = new(Seed);
        for (int i = 0; i < Cases; i++)
        {
            ulong a = Operands.Draw(Operand.Double, random);
            ulong b = Operands.Draw(Operand.Double, random);
            ulong c = Operands.Draw(Operand.Double, random);
            double x = BitConverter.UInt64BitsToDouble(a);
            double y = BitConverter.UInt64BitsToDouble(b);
            double z = BitConverter.UInt64BitsToDouble(c);

            Compare("d.add", x + y, a, b, c);
            Compare("d.sub", x - y, a, b, c);
            Compare("d.mul", x * y, a, b, c);
            Compare("d.div", x / y, a, b, c);
            Compare("d.sqrt", Math.Sqrt(x), a, b, c);
            Compare("d.madd", Math.FusedMultiplyAdd(x, y, z), a, b, c);
            Compare("d.nmsub", Math.FusedMultiplyAdd(-x, y, z), a, b, c);
            Compare("d.from-int64", (double)(long)a, a, b, c);
            Compare("s.from-double", (float)x, a, b, c);
        }
    }

    [Fact]
    public void Single_precision_agrees_with_the_host()
    {
        Random random = new(Seed);
        for (int i = 0; i < Cases; i++)
        {
            ulong a = Operands.Draw(Operand.Single, random);
            ulong b = Operands.Draw(Operand.Single, random);
            ulong c = Operands.Draw(Operand.Single, random);
            float x = BitConverter.UInt32BitsToSingle((uint)a);
            float y = BitConverter.UInt32BitsToSingle((uint)b);
            float z = BitConverter.UInt32BitsToSingle((uint)c);

            Compare("s.add", x + y, a, b, c);
            Compare("s.sub", x - y, a, b, c);
            Compare("s.mul", x * y, a, b, c);
            Compare("s.div", x / y, a, b, c);
            Compare("s.sqrt", MathF.Sqrt(x), a, b, c);
            Compare("s.madd", MathF.FusedMultiplyAdd(x, y, z), a, b, c);
            Compare("s.nmsub", MathF.FusedMultiplyAdd(-x, y, z), a, b, c);
            Compare("s.from-int64", (float)(long)a, a, b, c);
            Compare("d.from-single", (double)x, a, b, c);
        }
    }

    private static void Compare(string operation, double host, ulong a, ulong b, ulong c) =>
        Compare(operation, double.IsNaN(host) ? Ieee754<double>.CanonicalNaN : BitConverter.DoubleToUInt64Bits(host), a, b, c);

    private static void Compare(string operation, float host, ulong a, ulong b, ulong c) =>
        Compare(operation, float.IsNaN(host) ? Ieee754<float>.CanonicalNaN : BitConverter.SingleToUInt32Bits(host), a, b, c);

    private static void Compare(string operation, ulong host, ulong a, ulong b, ulong c)
    {
        // With Inexact clear the integer path answers whenever rounding occurs.
        FpFlags flags = FpFlags.None;
        ulong result = Operations.All[operation].Run(a, b, c, RoundingMode.NearestEven, ref flags);
        if (result != host)
        {
            Assert.Fail($"{operation} {a:x} {b:x} {c:x}: the host gives {host:x}, we {result:x}");
        }
    }
}
