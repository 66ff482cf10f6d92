using PsVm.Benchmarks;

namespace PsVm.Machine.Tests.Benchmarks;

/// <summary>What is made of the figures of two sides.</summary>
public class ComparisonTests
{
    private static readonly BootResult One = Run(2, "B a 1.0 11", "B b 4.0 22");

    [Fact]
    public void Ratios_are_of_medians_and_say_how_many_times_as_fast_we_are()
    {
        BootResult[] ours = [Run(1, "B a 0.5 11", "B b 9 22"), Run(9, "B a 9 11", "B b 1 22"), Run(1, "B a 0.5 11", "B b 2 22")];

        Comparison comparison = Comparison.Of(ours, [One]);

        Assert.Equal(new ComparedFigure("boot", 2, 1), comparison.Boot);
        Assert.Equal([new("a", 1, 0.5), new("b", 4, 2)], comparison.Workloads);
        Assert.Equal(2, comparison.GeometricMean!.Value, 12);
    }

    [Fact]
    public void An_even_number_of_runs_has_the_mean_of_the_middle_two() => Assert.Equal(2.5, Median.Of([4, 1, 2, 3]));

    [Fact]
    public void The_mean_of_ratios_is_geometric()
    {
        Comparison comparison = Comparison.Of([Run(1, "B a 0.25 11", "B b 4 22")], [One]);

        Assert.Equal(2, comparison.GeometricMean!.Value, 12);
    }

    [Fact]
    public void A_boot_without_workloads_has_no_mean()
    {
        Comparison comparison = Comparison.Of([Run(1)], [Run(2)]);

        Assert.Null(comparison.GeometricMean);
        Assert.Equal(2, comparison.Boot.Ratio);
    }

    [Theory]
    [InlineData("another checksum", "B a 1 11", "B b 4 23")]
    [InlineData("a workload too few", "B a 1 11")]
    [InlineData("another workload", "B a 1 11", "B c 4 22")]
    [InlineData("no time", "B a 0 11", "B b 4 22")]
    [InlineData("no checksum", "B a 1", "B b 4 22")]
    public void What_cannot_be_compared_is_refused(string what, params string[] lines)
    {
        Assert.NotEmpty(what);
        Assert.Throws<BenchmarkException>(() => Comparison.Of([One, Run(2, lines)], [One]));
        Assert.Throws<BenchmarkException>(() => Comparison.Of([One], [One, Run(2, lines)]));
    }

    [Fact]
    public void A_boot_that_came_to_no_end_is_refused() =>
        Assert.Throws<BenchmarkException>(() => Comparison.Of([One with { UntilSeconds = null }], [One]));

    [Fact]
    public void A_line_of_the_peers_is_read()
    {
        BootResult result = BootResult.Parse("""{"until_s": 1.5, "exit_s": 2.25, "bench": ["B a 1.0 11"]}""");

        Assert.Equal(1.5, result.UntilSeconds);
        Assert.Equal(2.25, result.ExitSeconds);
        Assert.Equal(["B a 1.0 11"], result.Bench);
        Assert.Null(result.Instructions);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("null")]
    [InlineData("qemu: no such machine")]
    public void Another_line_is_refused(string? line) => Assert.Throws<BenchmarkException>(() => BootResult.Parse(line));

    private static BootResult Run(double until, params string[] lines) => new() { UntilSeconds = until, ExitSeconds = 10, Bench = lines };
}
