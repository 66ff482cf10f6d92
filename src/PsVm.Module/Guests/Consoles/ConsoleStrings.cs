using System.Management.Automation;
using PsVm.Module.Output;

namespace PsVm.Module.Guests.Consoles;

/// <summary>Lines as strings that know where they come from, as those of Get-Content do.</summary>
internal static class ConsoleStrings
{
    /// <summary>The type name by which PsVm.Format.ps1xml shows a line with its guest before it.</summary>
    public const string LabelledType = "PsVm.GuestConsoleString";

    /// <summary>A string with the properties Guest and Time.</summary>
    /// <param name="line">The line.</param>
    /// <param name="isLabelled">Whether it is shown with its guest before it: where several are heard.</param>
    public static object Of(GuestConsoleLine line, bool isLabelled)
    {
        PSObject text = new(line.Text);
        text.Properties.Add(new PSNoteProperty(nameof(GuestConsoleLine.Guest), line.Guest));
        text.Properties.Add(new PSNoteProperty(nameof(GuestConsoleLine.Time), CultureFree.Value(line.Time)));
        if (isLabelled)
        {
            text.TypeNames.Insert(0, LabelledType);
        }

        return text;
    }
}
