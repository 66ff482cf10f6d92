using PsVm.Riscv.FloatingPoint;
using Xunit.Abstractions;

namespace PsVm.Riscv.Tests.FloatingPoint;

/// <summary>Every operation, in every rounding mode, against exact arithmetic: value and flags.</summary>
public sealed class OracleTests(ITestOutputHelper output)
{
    private const string SeedVariable = "PSVM_TEST_SEED";
    private const int RandomCases = 2000;

    private static readonly RoundingMode[] Modes = Enum.GetValues<RoundingMode>();

    public static TheoryData<string> OperationNames => [.. Operations.All.Keys];

    [Theory]
    [MemberData(nameof(OperationNames))]
    public void Special_operands_give_the_exact_result_and_flags(string name)
    {
        Operation operation = Operations.All[name];
        IReadOnlyList<ulong> special = Operands.Special(operation.Takes, few: operation.Arity == 3);
        IReadOnlyList<ulong> unused = [0];
        foreach (ulong a in special)
        {
            foreach (ulong b in operation.Arity >= 2 ? special : unused)
            {
                foreach (ulong c in operation.Arity == 3 ? special : unused)
                {
                    Check(operation, a, b, c, "");
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(OperationNames))]
    public void Random_operands_give_the_exact_result_and_flags(string name)
    {
        int seed = int.TryParse(Environment.GetEnvironmentVariable(SeedVariable), out int given) ? given : Random.Shared.Next();
        string repeat = $"; repeat with {SeedVariable}={seed}";
        output.WriteLine($"{SeedVariable}={seed}");

        Operation operation = Operations.All[name];
        Random random = new(seed);
        for (int i = 0; i < RandomCases; i++)
        {
            Check(operation, Draw(), Draw(), Draw(), repeat);
        }

        ulong Draw() => Operands.Draw(operation.Takes, random);
    }

    /// <summary>Flags that were set before stay, and change nothing: some operations take a shorter way once Inexact is set.</summary>
    private static void Check(Operation operation, ulong a, ulong b, ulong c, string repeat)
    {
        foreach (RoundingMode mode in Modes)
        {
            Outcome expected = operation.Expect(a, b, c, mode);
            foreach (FpFlags before in (ReadOnlySpan<FpFlags>)[FpFlags.None, FpFlags.Inexact])
            {
                FpFlags flags = before;
                Outcome actual = new(operation.Run(a, b, c, mode, ref flags), flags);
                if (actual != expected with { Flags = expected.Flags | before })
                {
                    Assert.Fail(
                        $"{operation.Name} {mode}, operands {a:x} {b:x} {c:x}, flags before {before}: " +
                        $"expected {expected.Bits:x} {expected.Flags}, got {actual.Bits:x} {actual.Flags}{repeat}");
                }
            }
        }
    }
}
