namespace PsVm.Module.Tests.Output;

public class ByteSizeTests
{
    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(1023, "1023 B")]
    [InlineData(4096, "4 KiB")]
    [InlineData(1536L << 20, "1.5 GiB")]
    [InlineData(256L << 20, "256 MiB")]
    [InlineData(long.MaxValue, "8 EiB")]
    [InlineData(-4096, "-4 KiB")]
    public void A_size_is_shown_in_its_largest_unit(long bytes, string expected) => Assert.Equal(expected, ByteSize.ToText(bytes));
}
