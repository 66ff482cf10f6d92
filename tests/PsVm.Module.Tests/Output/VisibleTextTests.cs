namespace PsVm.Module.Tests.Output;

public class VisibleTextTests
{
    [Theory]
    [InlineData("plain text\twith tab\nand line", "plain text\twith tab\nand line")]
    [InlineData("\u001b]0;x\u0007\u001b[2Jend", "\\x1b]0;x\\x07\\x1b[2Jend")]
    [InlineData("a\rb\0\u007f\u009b2J", "a\\x0db\\x00\\x7f\\x9b2J")]
    [InlineData("right\u202eleft\u2066\u200b", "right\\u202eleft\\u2066\\u200b")]
    [InlineData("Gr\u00fc\u00dfe \ud83d\ude00", "Gr\u00fc\u00dfe \ud83d\ude00")]
    [InlineData("", "")]
    public void What_would_control_a_terminal_is_shown(string text, string visible) => Assert.Equal(visible, VisibleText.Of(text));

    [Fact]
    public void Half_a_character_is_shown() => Assert.Equal("x\\ud83dy\\ude00", VisibleText.Of("x" + '\ud83d' + "y" + '\ude00'));

    [Theory]
    [InlineData("web-1", 8, "web-1")]
    [InlineData("a\nb\tc", 20, "a\\x0ab\\x09c")]
    [InlineData("\u001b[2J", 4, "\\x1b")]
    [InlineData("ab\ud83d\ude00", 3, "ab")]
    public void A_name_becomes_one_line(string text, int longest, string line)
    {
        Assert.Equal(line, VisibleText.LineOf(text, longest));
        Assert.True(VisibleText.IsLine(line));
        Assert.Equal(text == line, VisibleText.IsLine(text) && text.Length <= longest);
    }
}
