using PsVm.Benchmarks;

namespace PsVm.Machine.Tests.Benchmarks;

/// <summary>What the soak benchmark makes of a console and of its samples.</summary>
public class SoakTests
{
    [Fact]
    public void Equal_checksums_of_a_kind_are_right()
    {
        SoakLog log = Read("noise\r\nB gzip 0.1 aa\r\nB sort 0.2 bb\r\nB gzip 0.3 a", "a\r\nB so");

        Assert.Equal((3, 2), (log.Units, log.UnitsByKind["gzip"]));
        Assert.Empty(log.Wrong);
        Assert.Empty(log.Complaints);
    }

    [Fact]
    public void Another_checksum_or_a_failure_is_wrong() => Assert.Equal(
        ["B gzip 0.2 ab", "B unit3 0 failed"], Read("B gzip 0.1 aa\nB gzip 0.2 ab\nB unit3 0 failed\nB gzip 0.4 aa\n").Wrong);

    [Fact]
    public void What_the_kernel_complains_of_is_kept() =>
        Assert.Equal(["[  5.1] BUG: soft lockup"], Read("K [  5.1] BUG: soft lockup\r\n").Complaints);

    [Theory]
    [InlineData(new long[] { 100, 200 }, null)]
    [InlineData(new long[] { 100, 500, 103 }, 3L)]
    [InlineData(new long[] { 100, 120, 500, 900, 90, 110 }, -10L)]
    public void Growth_is_between_the_first_and_the_last_third(long[] kibibytes, long? growth) =>
        Assert.Equal(growth, SoakCommand.Growth([.. kibibytes.Select(host => new SoakCommand.Sample { Host = host })]));

    private static SoakLog Read(params string[] parts)
    {
        SoakLog log = new();
        Array.ForEach(parts, log.Add);
        return log;
    }
}
