using PsVm.Module.Completion;

namespace PsVm.Module.Tests.Completion;

public class ValueCompleterTests
{
    [Theory]
    [InlineData("", "db web-1 web-2")]
    [InlineData("WEB", "web-1 web-2")]
    [InlineData("x", "")]
    public void Values_that_begin_with_the_word_match(string word, string expected) =>
        Assert.Equal(
            expected,
            string.Join(
                ' ', ValueCompleter.Matches([new("web-2", "b"), new("db", "c"), new("web-1", "a")], word).Select(choice => choice.Value)));

    [Theory]
    [InlineData("ram.default", "ram.default")]
    [InlineData("my ram", "'my ram'")]
    [InlineData("it's", "'it''s'")]
    [InlineData("$x", "'$x'")]
    public void What_PowerShell_would_split_is_quoted(string value, string expected) =>
        Assert.Equal(expected, ValueCompleter.Quoted(value));
}
