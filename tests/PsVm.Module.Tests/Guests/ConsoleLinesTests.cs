using PsVm.Module.Guests;

namespace PsVm.Module.Tests.Guests;

public class ConsoleLinesTests
{
    [Fact]
    public void Lines_are_cut_whatever_the_pieces()
    {
        ConsoleLines lines = new();

        Assert.Equal(["one"], lines.Add("one\r\ntw"));
        Assert.Empty(lines.Add("o\r"));
        Assert.Equal(["two", "", "three"], lines.Add("\n\nthree\n~ # "));
        Assert.Equal("~ # ", lines.TakeRest());
        Assert.Null(lines.TakeRest());
    }
}
