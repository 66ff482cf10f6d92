using System.Globalization;

namespace PsVm;

/// <summary>Sizes as people read them.</summary>
public static class ByteSize
{
    private static readonly string[] Units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

    /// <summary>A size in the largest binary unit that keeps it at least 1, such as <c>256 MiB</c> or <c>1.5 GiB</c>.</summary>
    /// <param name="bytes">The size in bytes.</param>
    public static string ToText(long bytes)
    {
        int unit = 0;
        double value = bytes;
        while (Math.Abs(value) >= 1024 && unit < Units.Length - 1)
        {
            value /= 1024;
            unit++;
        }

        return string.Create(CultureInfo.InvariantCulture, $"{value:0.##} {Units[unit]}");
    }
}
