using System.Diagnostics;
using PsVm.Benchmarks;

namespace PsVm.Machine.Tests.Benchmarks;

/// <summary>What is made of the figures of two sides.</summary>
public class ComparisonTests
{
    private static readonly ComparedRun One = Run(2, new("a", 1, 2, "11"), new("b", 4, 8, "22"));

    [Fact]
    public void Ratios_are_of_medians_and_say_how_many_times_as_fast_we_are()
    {
        ComparedRun[] ours =
        [
            Run(1, new("a", 0.5, 1, "11"), new("b", 9, 9, "22")),
            Run(9, new("a", 9, 9, "11"), new("b", 1, 4, "22")),
            Run(1, new("a", 0.5, 1, "11"), new("b", 2, 2, "22")),
        ];

        Comparison comparison = Comparison.Of(ours, [One], [(0.5, 0.25)]);

        Assert.Equal([new("boot, own process", 2, 1, 3, 3), new("boot, loaded shell", 2, 0.5, 3, 0.25)], comparison.Boots);
        Assert.Equal([new("a", 1, 0.5, 2, 1), new("b", 4, 2, 8, 4)], comparison.Workloads);
        Assert.Equal(2, comparison.GeometricMean!.Value, 12);
        Assert.Empty(comparison.Failures);
    }

    [Fact]
    public void An_even_number_of_runs_has_the_mean_of_the_middle_two() => Assert.Equal(2.5, Median.Of([4, 1, 2, 3]));

    [Fact]
    public void The_mean_of_ratios_is_geometric_and_the_least_has_its_name()
    {
        Comparison comparison = Comparison.Of([Run(1, new("a", 0.25, 1, "11"), new("b", 4, 4, "22"))], [One], []);

        Assert.Equal(2, comparison.GeometricMean!.Value, 12);
        Assert.Contains("| geometric mean of 2 workloads | | | 2.00 | | | 2.00 |", comparison.ToString(), StringComparison.Ordinal);
        Assert.Contains("| least | | | 1.00 (b) | | | 2.00 (a) |", comparison.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_boot_without_workloads_has_no_mean()
    {
        Comparison comparison = Comparison.Of([Run(1)], [Run(2)], []);

        Assert.Null(comparison.GeometricMean);
        Assert.Equal(2, comparison.Boots[0].Ratio);
    }

    [Fact]
    public void What_failed_on_a_side_is_a_failure_and_leaves_the_rest()
    {
        ComparedRun peer = Run(2, new ComparedWorkload("a", 1, 2, "11")) with { Failure = "It ended." };

        Comparison comparison = Comparison.Of([One], [peer], []);

        Assert.Equal(["a"], comparison.Workloads.Select(workload => workload.Name));
        Assert.Equal(["QEMU: It ended.", "b: QEMU ended 0 of 1, PsVm 1 of 1."], comparison.Failures);
        Assert.Contains("FAILED b: QEMU ended 0 of 1", comparison.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Another_checksum_on_a_side_is_a_failure_and_in_no_mean(bool here)
    {
        ComparedRun other = Run(2, new("a", 1, 2, "11"), new("b", 4, 8, "23"));

        Comparison comparison = here ? Comparison.Of([One, other], [One], []) : Comparison.Of([One], [One, other], []);

        Assert.Equal(["a"], comparison.Workloads.Select(workload => workload.Name));
        Assert.Equal(
            "b: expected one checksum, found 22, 23.",
            Assert.Single(comparison.Failures).Replace("23, 22", "22, 23", StringComparison.Ordinal));
    }

    [Fact]
    public void A_side_that_never_came_up_has_no_boot()
    {
        Comparison comparison = Comparison.Of([One with { Boot = null, Failure = "Expected it." }], [One], [(1, 1)]);

        Assert.Empty(comparison.Boots);
        Assert.Equal(["PsVm: Expected it."], comparison.Failures);
    }

    // What a console says: kernels' own lines, a boot, a workload, and one that has no time.
    [Fact]
    public void A_console_is_read_by_its_lines()
    {
        const string script = @"printf 'hello\nGUEST-UP 1.5\r\nA a\nB a 1.25 11\r\nB b 0 22\nB c\n'";
        using ConsoleRun run = new("sh", "/bin/sh", ["-c", script], TimeSpan.FromMinutes(1));

        ComparedRun result = ComparedRun.Of(run, "GUEST-UP");

        Assert.NotNull(result.Boot);
        Assert.Equal([("a", 1.25, "11")], result.Workloads.Select(workload => (workload.Name, workload.Seconds, workload.Checksum)));
        Assert.Null(result.Failure);
    }

    [Theory]
    [InlineData("echo GUEST-UP; exit 3", "Expected sh to end with 0, found 3.")]
    [InlineData("echo hello", "Expected 'GUEST-UP' on the console, found it not.")]
    public void A_run_that_fails_says_why(string script, string why)
    {
        using ConsoleRun run = new("sh", "/bin/sh", ["-c", script], TimeSpan.FromMinutes(1));

        Assert.Equal(why, ComparedRun.Of(run, "GUEST-UP").Failure);
    }

    [Fact]
    public void A_run_that_takes_too_long_is_killed()
    {
        using ConsoleRun run = new("sh", "/bin/sh", ["-c", "read never"], TimeSpan.FromMilliseconds(50));

        Assert.Contains("took too long", ComparedRun.Of(run, "GUEST-UP").Failure, StringComparison.Ordinal);
    }

    [Fact]
    public void A_process_that_has_ended_takes_no_CPU_time()
    {
        using Process ended = Process.Start("/bin/true");
        ended.WaitForExit();

        Assert.Equal(TimeSpan.Zero, ProcessCpu.Of(ended));
        Assert.NotEqual(TimeSpan.Zero, ProcessCpu.Of(Process.GetCurrentProcess()));
    }

    [Fact]
    public void A_program_that_is_not_there_is_told() =>
        Assert.Throws<BenchmarkException>(() => new ConsoleRun("QEMU", "/nowhere/qemu", [], TimeSpan.FromMinutes(1)));

    private static ComparedRun Run(double boot, params ComparedWorkload[] workloads) => new(boot, 3, 1 << 20, workloads);
}
