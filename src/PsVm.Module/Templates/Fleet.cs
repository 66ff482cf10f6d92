using System.Globalization;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Templates;

/// <summary>Starts many clones of one template.</summary>
internal static class Fleet
{
    /// <summary>The names of the clones; null stands for a name that is generated at the start.</summary>
    /// <param name="name">The name of a single clone; null: it has none of its own.</param>
    /// <param name="format">A composite format in which {0} is the number of the clone, from 1 on; null: none.</param>
    /// <param name="count">Number of clones.</param>
    /// <exception cref="CmdletException">The names would not differ, or the format is none.</exception>
    public static IReadOnlyList<string?> Names(string? name, string? format, int count)
    {
        if (name is not null && (format is not null || count > 1))
        {
            throw new CmdletException(
                ModuleErrorIds.GuestNamesConflict,
                $"Expected -Name for a single guest or -NameFormat for many, found -Name '{name}' {(format is null ? $"for {count}" : "with a format")}.",
                name,
                "Give only -NameFormat, such as 'web-{0:d3}'.");
        }

        if (format is null)
        {
            return [.. Enumerable.Repeat(name, count)];
        }

        string?[] names = [.. Enumerable.Range(1, count).Select(number => Format(format, number))];
        return names.Distinct(StringComparer.OrdinalIgnoreCase).Count() == count
            ? names
            : throw new CmdletException(
                ModuleErrorIds.GuestNamesConflict,
                $"Expected -NameFormat to give {count} names, found that '{format}' gives the same name twice.",
                format,
                "Put the guest's number into it: 'web-{0:d3}'.");
    }

    /// <summary>Starts the clones; one that fails is reported and the others go on.</summary>
    /// <param name="options">What each clone is.</param>
    /// <param name="names">Their names.</param>
    /// <param name="test">Finds out what is wrong with the template at a path; true: by the content of its files.</param>
    /// <param name="host">Where they live.</param>
    /// <param name="output">Where the guests go, each as it has started.</param>
    /// <param name="cancellation">Starts no more.</param>
    public static void Start(
        GuestOptions options,
        IReadOnlyList<string?> names,
        Func<string, bool, TemplateReport> test,
        IGuestHost host,
        ICmdletOutput output,
        CancellationToken cancellation)
    {
        if (!output.ShouldProcess(Describe(options, names)))
        {
            return;
        }

        // What is wrong with the template is one error, not one for each clone.
        if (names.Count > 1 && options.MemoryPath is null)
        {
            TemplateReport report = test(options.Template!, options.Verify);
            if (!report.IsValid)
            {
                TestGuestTemplateCommand.WriteErrors(report, output);
                return;
            }

            // Files whose content has been compared need it no more while they stay what they are; copies of them are compared each time.
            options = options with { Verify = options.Verify && !test(options.Template!, false).IsValid };
        }

        int turn = 0;
        using ProgressTicker progress = new(output, _ => new CmdletProgress(
            $"Starting guests from '{options.Template}'", $"{turn} of {names.Count}", (int)(100L * turn / names.Count)));
        HashSet<BackendWarning> warned = [];
        foreach (string? name in names)
        {
            cancellation.ThrowIfCancellationRequested();
            turn++;
            try
            {
                GuestInfo guest = host.Start(options with { Name = name }, cancellation);
                output.WriteWarnings(guest.Backends.SelectMany(backend => backend.Warnings).Where(warned.Add));
                output.WriteObject(new Guest(host, guest));
            }
            catch (PsVmException error) when (names.Count > 1)
            {
                string who = name ?? $"{turn} of {names.Count}";
                PsVmError told = error.Error with { Target = who, Message = $"Guest '{who}' did not start: {error.Message}" };
                output.WriteError(new CmdletException(told, error));
            }
        }
    }

    private static string Format(string format, int number)
    {
        try
        {
            return string.Format(CultureInfo.InvariantCulture, format, number);
        }
        catch (FormatException error)
        {
            throw new CmdletException(
                ModuleErrorIds.NameFormatInvalid,
                $"Expected a composite format with {{0}} for the guest's number, found '{format}': {error.Message}",
                format,
                "Write it like 'web-{0:d3}', which gives web-001, web-002 and so on.");
        }
    }

    private static string Describe(GuestOptions options, IReadOnlyList<string?> names)
    {
        string who = names switch
        {
            [null] => "a guest",
            [{ } name] => $"guest '{name}'",
            [null, ..] => $"{names.Count} guests",
            _ => $"{names.Count} guests '{names[0]}' to '{names[^1]}'",
        };
        return $"Start {who} from template '{options.Template}'";
    }
}
