using System.Globalization;

namespace PsVm.Module.Completion;

/// <summary>
/// Reads a length of time as operators give it: a TimeSpan, its text (<c>0:01:30</c>), a number of seconds, or one with a unit (<c>90s</c>,
/// <c>5m</c>, <c>1h</c>, <c>500ms</c>); in every culture.
/// </summary>
/// <remarks>No unit for days: 2d is a number, the decimal 2, to PowerShell.</remarks>
internal static class Seconds
{
    /// <summary>The seconds that a value means.</summary>
    /// <returns>False: it is no length of time.</returns>
    public static bool TryRead(object? value, out double seconds)
    {
        switch (value)
        {
            case TimeSpan time:
                seconds = time.TotalSeconds;
                return true;
            case string text when double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out seconds):
                return true;
            case string text when TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out TimeSpan time):
                seconds = time.TotalSeconds;
                return true;
            case string text when Unit(text) is { Factor: > 0 } unit
                && double.TryParse(text.AsSpan()[..^unit.Length], NumberStyles.Float, CultureInfo.InvariantCulture, out double number):
                seconds = number * unit.Factor;
                return true;
            case byte or sbyte or short or ushort or int or uint or long or ulong or float or double or decimal:
                seconds = Convert.ToDouble(value, CultureInfo.InvariantCulture);
                return true;
            default:
                seconds = 0;
                return false;
        }
    }

    private static (double Factor, int Length) Unit(string text) => text switch
    {
        [.., 'm', 's'] => (0.001, 2),
        [.., 's'] => (1, 1),
        [.., 'm'] => (60, 1),
        [.., 'h'] => (3600, 1),
        _ => default,
    };
}
