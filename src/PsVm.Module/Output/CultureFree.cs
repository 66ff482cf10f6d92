using System.Globalization;
using System.Management.Automation;
using System.Reflection;

namespace PsVm.Module.Output;

/// <summary>
/// Properties with a moment or a fraction, as PsVm.Types.ps1xml has them: the same values, but their text, which is what Export-Csv writes,
/// is one in every culture (ISO 8601; a point). PowerShell would write both as the operator's culture does, and read neither back.
/// </summary>
/// <remarks>PowerShell wants such methods public.</remarks>
public static class CultureFree
{
    private static readonly MethodInfo s_toText = ((Func<PSObject, object[], string>)ToText).Method;

    // Extended properties come first in CSV: what identifies the object is one of them, to stand before the others.

    /// <summary>Which guest it is.</summary>
    /// <param name="guest">A guest, its state or its measurement.</param>
    public static Guid? Id(PSObject guest) => As<GuestMeasurement>(guest)?.Id ?? Columns.Info(guest)?.Id;

    /// <summary>Its name.</summary>
    /// <param name="guest">A guest, its state or its measurement, or a pool.</param>
    public static string? Name(PSObject guest) =>
        As<GuestMeasurement>(guest)?.Name ?? As<GuestPool>(guest)?.Name ?? Columns.Info(guest)?.Name;

    /// <summary>Where a template or an archive is.</summary>
    /// <param name="template">It.</param>
    public static string? Path(PSObject template) => As<GuestTemplate>(template)?.Path ?? As<TemplateArchive>(template)?.Path;

    /// <summary>When a guest was started.</summary>
    /// <param name="guest">A guest or its state.</param>
    public static object? StartedAt(PSObject guest) => Value(Columns.Info(guest)?.StartedAt);

    /// <summary>When a guest ended; null: it has not.</summary>
    /// <param name="guest">A guest or its state.</param>
    public static object? EndedAt(PSObject guest) => Value(Columns.Info(guest)?.EndedAt);

    /// <summary>Most host CPUs that a guest uses; null: all.</summary>
    /// <param name="guest">A guest or its state.</param>
    public static object? CpuLimit(PSObject guest) => Value(Columns.Info(guest)?.CpuLimit);

    /// <summary>Instructions per second since the last measurement.</summary>
    /// <param name="measurement">A <see cref="GuestMeasurement"/>.</param>
    public static object? InstructionsPerSecond(PSObject measurement) => Value(As<GuestMeasurement>(measurement)?.InstructionsPerSecond);

    /// <summary>When something was made.</summary>
    /// <param name="made">A template, an archive of templates, or a pool.</param>
    public static object? CreatedAt(PSObject made) => made?.BaseObject switch
    {
        GuestTemplate template => Value(template.CreatedAt),
        TemplateArchive archive => Value(archive.CreatedAt),
        GuestPool pool => Value(pool.CreatedAt),
        _ => null,
    };

    /// <summary>When a line came.</summary>
    /// <param name="line">A <see cref="GuestConsoleLine"/>.</param>
    public static object? Time(PSObject line) => Value(As<GuestConsoleLine>(line)?.Time);

    /// <summary>The text of such a value, or what its own ToString makes with a format.</summary>
    /// <param name="value">The value.</param>
    /// <param name="arguments">None, or a format and a culture.</param>
    public static string ToText(PSObject value, params object[] arguments)
    {
        IFormattable plain = (IFormattable)value.BaseObject;
        return arguments switch
        {
            [] => plain.ToString(plain is DateTimeOffset ? "O" : null, CultureInfo.InvariantCulture),
            [IFormatProvider culture] => plain.ToString(null, culture),
            [var format, .. var rest] =>
                plain.ToString($"{format}", rest is [IFormatProvider culture] ? culture : CultureInfo.CurrentCulture),
        };
    }

    private static T? As<T>(PSObject? value)
        where T : class => value?.BaseObject as T;

    /// <summary>The value, with that text.</summary>
    internal static PSObject? Value(object? value)
    {
        if (value is null)
        {
            return null;
        }

        PSObject shown = new(value);
        shown.Members.Add(new PSCodeMethod(nameof(ToString), s_toText));
        return shown;
    }
}
