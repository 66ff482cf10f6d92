using System.Reflection;
using NetArchTest.Rules;

namespace PsVm.Architecture.Tests;

/// <summary>Which room may know which: docs/architecture.md, held against the built assemblies.</summary>
public class ArrowTests
{
    private const string Machine = "PsVm.Machine";

    // Each may use those before it.
    private static readonly string[] s_layers =
        ["State", "Devices", "Agents", "Board", "Firmware", "Boot", "Scheduling", "Templates", "Guests"];

    public static TheoryData<string, string> Arrows()
    {
        TheoryData<string, string> arrows = [];
        for (int from = 0; from < s_layers.Length; from++)
        {
            for (int to = from + 1; to < s_layers.Length; to++)
            {
                arrows.Add(s_layers[from], s_layers[to]);
            }
        }

        return arrows;
    }

    [Theory]
    [MemberData(nameof(Arrows))]
    public void No_layer_of_the_machine_knows_a_later_one(string from, string to)
    {
        TestResult result = Types.InAssembly(Assembly.Load(Machine))
            .That().ResideInNamespace($"{Machine}.{from}")
            .ShouldNot().HaveDependencyOnAny($"{Machine}.{to}")
            .GetResult();

        Assert.True(
            result.IsSuccessful,
            $"{from} must not know {to}; these types do: "
            + string.Join(", ", result.FailingTypes?.Select(type => type.FullName) ?? []));
    }

    [Fact]
    public void All_types_of_the_machine_are_in_a_layer()
    {
        string[] homeless = [.. Assembly.Load(Machine).GetTypes()
            .Where(type => type.Namespace?.StartsWith(Machine, StringComparison.Ordinal) == true && !type.FullName!.Contains('<'))
            .Where(type => !s_layers.Contains(type.Namespace!.Split('.').ElementAtOrDefault(2)))
            .Select(type => type.FullName!)];

        Assert.Empty(homeless);
    }

    [Fact]
    public void Only_the_seam_of_host_back_ends_knows_the_one_for_x86_64()
    {
        const string Translation = "PsVm.Riscv.Translation";
        TestResult result = Types.InAssembly(Assembly.Load("PsVm.Riscv"))
            .That().DoNotResideInNamespace($"{Translation}.X64").And().DoNotHaveName("HostBackEnd")
            .ShouldNot().HaveDependencyOnAny($"{Translation}.X64", "System.Runtime.Intrinsics.X86")
            .GetResult();

        Assert.True(result.IsSuccessful, string.Join(", ", result.FailingTypes?.Select(type => type.FullName) ?? []));
    }

    [Fact]
    public void Cmdlets_know_hosts_by_their_interfaces_alone()
    {
        TestResult result = Types.InAssembly(Assembly.Load("PsVm.Module"))
            .That().DoNotHaveNameStartingWith("ModuleServices").And().DoNotHaveName("Instances")
            .ShouldNot().HaveDependencyOnAny(Machine, "PsVm.Memory", "PsVm.Riscv")
            .GetResult();

        Assert.True(result.IsSuccessful, string.Join(", ", result.FailingTypes?.Select(type => type.FullName) ?? []));
    }

    [Theory]
    [InlineData("PsVm.Abstractions")]
    [InlineData("PsVm.Riscv")]
    [InlineData("PsVm.Memory", "PsVm.Abstractions")]
    [InlineData("PsVm.Machine", "PsVm.Abstractions", "PsVm.Memory", "PsVm.Riscv")]
    [InlineData("PsVm.Module", "PsVm.Abstractions", "PsVm.Machine", "PsVm.Memory", "PsVm.Riscv")]
    public void A_project_knows_only_what_it_may(string project, params string[] allowed)
    {
        string[] known = [.. Assembly.Load(project).GetReferencedAssemblies()
            .Select(reference => reference.Name!)
            .Where(name => name.StartsWith("PsVm.", StringComparison.Ordinal))
            .Order()];

        Assert.Empty(known.Except(allowed));
    }

    [Fact]
    public void A_forbidden_arrow_would_be_seen()
    {
        // Guests do know Board, so the same question the other way round has to fail.
        TestResult result = Types.InAssembly(Assembly.Load(Machine))
            .That().ResideInNamespace($"{Machine}.Guests")
            .ShouldNot().HaveDependencyOnAny($"{Machine}.Board")
            .GetResult();

        Assert.False(result.IsSuccessful);
    }
}
