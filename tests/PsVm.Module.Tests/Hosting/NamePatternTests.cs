using PsVm.Module.Hosting;

namespace PsVm.Module.Tests.Hosting;

public class NamePatternTests
{
    [Theory]
    [InlineData("web", false)]
    [InlineData("web[1]", true)]
    [InlineData("web[", false)]
    [InlineData("web[]", false)]
    [InlineData("web]1[", false)]
    [InlineData("web*", true)]
    [InlineData("we?", true)]
    public void A_pattern_has_a_wildcard(string text, bool expected) => Assert.Equal(expected, NamePattern.IsPattern(text));

    [Theory]
    [InlineData("*", "anything", true)]
    [InlineData("web*", "web-001", true)]
    [InlineData("WEB*", "web-001", true)]
    [InlineData("web?", "web", false)]
    [InlineData("web?", "web1", true)]
    [InlineData("*-1", "web-10", false)]
    [InlineData("web[1-3]", "web2", true)]
    [InlineData("web[1-3]", "web4", false)]
    [InlineData("we[bB]-[13]", "WEB-3", true)]
    [InlineData("web[z-a]", "webz", false)]
    [InlineData("web[.]*", "webx1", false)]
    [InlineData("a.*", "ab", false)]
    [InlineData("web[", "web[", true)]
    public void A_pattern_matches_whole_names(string pattern, string name, bool expected) =>
        Assert.Equal(expected, NamePattern.Matches(pattern, name));
}
