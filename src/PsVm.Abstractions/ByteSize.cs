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

    /// <summary>A size that nobody takes for another: <c>128 MiB</c> where that is exact, else <c>1000001 bytes (976.56 KiB)</c>.</summary>
    /// <param name="bytes">The size in bytes.</param>
    public static string ToExactText(long bytes)
    {
        string text = ToText(bytes);
        return TryParse(text, out long shown) && shown == bytes ? text
            : string.Create(CultureInfo.InvariantCulture, $"{bytes} bytes ({text})");
    }

    /// <summary>
    /// Reads a size as people write it: <c>4096</c>, <c>128MB</c>, <c>128 MiB</c>, <c>1.5g</c>, <c>2Gi</c>. All units are binary, in every
    /// culture.
    /// </summary>
    /// <param name="text">The text.</param>
    /// <param name="bytes">The size in bytes, when there is one.</param>
    /// <returns>False: it is no size, no whole number of bytes, or too large.</returns>
    public static bool TryParse(string? text, out long bytes)
    {
        bytes = 0;
        ReadOnlySpan<char> number = text.AsSpan().Trim();
        int end = number.Length;
        while (end > 0 && char.IsAsciiLetter(number[end - 1]))
        {
            end--;
        }

        ReadOnlySpan<char> unit = number[end..];
        if (UnitPower(unit) is not { } power
            || !decimal.TryParse(
                number[..end].TrimEnd(),
                NumberStyles.AllowDecimalPoint | NumberStyles.AllowLeadingSign,
                CultureInfo.InvariantCulture,
                out decimal value))
        {
            return false;
        }

        // An exabyte times a number of 28 digits is beyond a decimal.
        if (Math.Abs(value) > long.MaxValue)
        {
            return false;
        }

        for (int i = 0; i < power && Math.Abs(value) <= long.MaxValue; i++)
        {
            value *= 1024;
        }

        if (Math.Abs(value) > long.MaxValue || decimal.Truncate(value) != value)
        {
            return false;
        }

        bytes = (long)value;
        return true;
    }

    private static int? UnitPower(ReadOnlySpan<char> unit)
    {
        if (unit.IsEmpty || unit.Equals("B", StringComparison.OrdinalIgnoreCase))
        {
            return 0;
        }

        for (int i = 1; i < Units.Length; i++)
        {
            ReadOnlySpan<char> known = Units[i];
            if (unit.Equals(known, StringComparison.OrdinalIgnoreCase)
                || unit.Equals(known[..2], StringComparison.OrdinalIgnoreCase)
                || unit.Equals(known[..1], StringComparison.OrdinalIgnoreCase)
                || (unit.Length == 2 && char.ToUpperInvariant(unit[0]) == known[0] && unit[1] is 'b' or 'B'))
            {
                return i;
            }
        }

        return null;
    }
}
