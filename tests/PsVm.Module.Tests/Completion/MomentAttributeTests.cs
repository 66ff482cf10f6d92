using PsVm.Module.Completion;

namespace PsVm.Module.Tests.Completion;

public class MomentAttributeTests
{
    private static readonly DateTimeOffset s_now = DateTimeOffset.UnixEpoch;

    public static TheoryData<object, double> Agos => new()
    {
        { TimeSpan.FromMinutes(5), 300 },
        { TimeSpan.FromMinutes(-5), 300 },
        { 30, 30 },
        { 0.5, 0.5 },
        { "90", 90 },
        { "00:05:00", 300 },
        { "1e2", 100 },
        { "1h", 3600 },
        { 5u, 5 },
    };

    [Theory]
    [MemberData(nameof(Agos))]
    public void How_long_ago_becomes_a_moment(object value, double seconds) =>
        Assert.Equal(s_now - TimeSpan.FromSeconds(seconds), MomentAttribute.Moment(value, s_now));

    [Theory]
    [InlineData("2026-11-26 10:00")]
    [InlineData("yesterday")]
    [InlineData("1,5")]
    [InlineData("1e30")]
    [InlineData(null)]
    public void The_rest_is_for_PowerShell_to_say(string? value) => Assert.Equal(value, MomentAttribute.Moment(value, s_now));
}
