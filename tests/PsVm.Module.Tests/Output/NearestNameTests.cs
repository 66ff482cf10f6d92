namespace PsVm.Module.Tests.Output;

public class NearestNameTests
{
    private static readonly string[] s_names = ["web-001", "web-002", "db", "cache", "ram.default", "y"];

    [Theory]
    [InlineData("web-01", "web-001")]
    [InlineData("WEB-001x", "web-001")]
    [InlineData("bd", "db")]
    [InlineData("cahce", "cache")]
    [InlineData("cach", "cache")]
    [InlineData("ram", "ram.default")]
    [InlineData("nothing-like-it", null)]
    [InlineData("", null)]
    [InlineData("zz", null)]
    [InlineData("5", null)]
    [InlineData("Y", "y")]
    public void The_name_that_was_meant_is_found(string wanted, string? expected) =>
        Assert.Equal(expected, NearestName.Find(wanted, s_names));

    [Fact]
    public void Nothing_is_near_where_there_is_nothing() => Assert.Equal(string.Empty, NearestName.Hint("web", []));
}
