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

    [Theory]
    [InlineData("4096", 4096)]
    [InlineData(" 128 MiB ", 128L << 20)]
    [InlineData("128mb", 128L << 20)]
    [InlineData("1.5GiB", 3L << 29)]
    [InlineData("2k", 2048)]
    [InlineData("64m", 64 << 20)]
    [InlineData("2Gi", 2L << 30)]
    [InlineData("7 EiB", 7L << 60)]
    [InlineData("-1 KiB", -1024)]
    public void Sizes_are_read_as_they_are_written(string text, long expected)
    {
        Assert.True(ByteSize.TryParse(text, out long bytes));
        Assert.Equal(expected, bytes);
    }

    [Theory]
    [InlineData("")]
    [InlineData(null)]
    [InlineData("MiB")]
    [InlineData("1.5")]
    [InlineData("1,5 GiB")]
    [InlineData("8 EiB")]
    [InlineData("1e3")]
    [InlineData("99999999999999999999999999999999")]
    [InlineData("1 MMiB")]
    [InlineData("0x10")]
    public void What_is_no_size_is_told(string? text) => Assert.False(ByteSize.TryParse(text, out _));

    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(134217728, "128 MiB")]
    [InlineData(1610612736, "1.5 GiB")]
    [InlineData(20479, "20479 bytes (20 KiB)")]
    [InlineData(-4096, "-4 KiB")]
    [InlineData(long.MaxValue, "9223372036854775807 bytes (8 EiB)")]
    public void A_size_in_an_error_is_exact(long bytes, string expected) => Assert.Equal(expected, ByteSize.ToExactText(bytes));
}
