using PsVm.Module.Completion;

namespace PsVm.Module.Tests.Completion;

public class ValueCompleterTests
{
    [Theory]
    [InlineData("", "db web-1 web-2")]
    [InlineData(null, "db web-1 web-2")]
    [InlineData("WEB", "web-1 web-2")]
    [InlineData("'web-2", "web-2")]
    [InlineData("x", "")]
    public void Values_that_begin_with_the_word_match(string? word, string expected) =>
        Assert.Equal(expected, string.Join(' ', ValueCompleter.Matches(["web-2", "db", "web-1"], word)));

    [Theory]
    [InlineData("ram.default", "ram.default")]
    [InlineData("my ram", "'my ram'")]
    [InlineData("it's", "'it''s'")]
    [InlineData("$x", "'$x'")]
    public void What_PowerShell_would_split_is_quoted(string value, string expected) =>
        Assert.Equal(expected, Assert.Single(ValueCompleter.Matches([value], "")));
}
