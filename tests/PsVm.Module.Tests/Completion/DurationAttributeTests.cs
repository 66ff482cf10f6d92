using System.Management.Automation;
using PsVm.Module.Completion;

namespace PsVm.Module.Tests.Completion;

public class DurationAttributeTests
{
    public static TheoryData<object, double> Durations => new()
    {
        { TimeSpan.FromMinutes(5), 300 },
        { 30, 30 },
        { (byte)3, 3 },
        { 0.5, 0.5 },
        { 1.5m, 1.5 },
        { "90", 90 },
        { "0:01:30", 90 },
        { "90s", 90 },
        { "1.5h", 5400 },
        { "5m", 300 },
        { "500ms", 0.5 },
    };

    [Theory]
    [MemberData(nameof(Durations))]
    public void A_length_of_time_is_read_however_it_is_given(object value, double seconds) =>
        Assert.Equal(TimeSpan.FromSeconds(seconds), new DurationAttribute().Transform(null!, value));

    [Theory]
    [InlineData(-1)]
    [InlineData(double.NaN)]
    [InlineData("1,5")]
    [InlineData("2000001")]
    [InlineData("soon")]
    [InlineData("ms")]
    [InlineData("5 parsecs")]
    [InlineData(true)]
    public void What_is_none_or_endless_is_refused(object value) =>
        Assert.Throws<ArgumentTransformationMetadataException>(() => new DurationAttribute().Transform(null!, value));

    [Fact]
    public void What_is_not_given_stays_so() => Assert.Null(new DurationAttribute().Transform(null!, null));
}
