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
    /// <param name="parameter">The parameter that a single name has.</param>
    /// <exception cref="CmdletException">The names would not differ, or the format is none.</exception>
    public static IReadOnlyList<string?> Names(string? name, string? format, int count, string parameter = "Name")
    {
        if (name is not null && (format is not null || count > 1))
        {
            throw new CmdletException(
                ModuleErrorIds.GuestNamesConflict,
                $"Expected -{parameter} for a single guest or -NameFormat for many, found -{parameter} '{name}' "
                    + $"{(format is null ? $"for {count}" : "with a format")}.",
                name,
                "Give only -NameFormat, such as 'web-{0:d3}'.");
        }

        if (format is null)
        {
            return [.. Enumerable.Repeat(name, count)];
        }

        string?[] names = [.. Enumerable.Range(1, count).Select(
            number => Format("-NameFormat", format, () => string.Format(CultureInfo.InvariantCulture, format, number)))];
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
    /// <param name="cancellation">
    /// Starts no more, and removes those that the next cmdlet has not taken, as after <c>Select-Object -First</c>.
    /// </param>
    public static void Start(
        GuestOptions options,
        IReadOnlyList<string?> names,
        Func<string, bool, TemplateReport> test,
        IGuestHost host,
        ICmdletOutput output,
        CancellationToken cancellation)
    {
        if (!output.ShouldProcess(() => Describe(options, names), () => Check(options, names, host, cancellation)))
        {
            return;
        }

        int turn = 0;
        using ProgressTicker progress = new(output, _ => new CmdletProgress(
            $"Starting guests from {Origin(options)}", $"{turn} of {names.Count}", (int)(100L * turn / names.Count)));

        // What is wrong with the template is one error, not one for each clone.
        if (names.Count > 1 && options is { MemoryPath: null, Pool: null, Lazy: false })
        {
            using (ProgressTicker reading = new(output, elapsed => Reading(options, elapsed)))
            {
                TemplateReport report = test(options.Template!, options.Verify);
                if (!report.IsValid)
                {
                    TestGuestTemplateCommand.WriteErrors(report, output);
                    return;
                }
            }

            // The host remembers files whose content it has compared, while they stay what they are.
            options = options with { Verify = false };
        }

        if (names.Count > 1 && options.Pool is null)
        {
            host.CheckRoom(Numbered(options, options.Name, 1), names.Count, cancellation);
        }

        StartAll(options, names, ref turn, host, output, cancellation);
    }

    /// <summary>Starts clones of a template that is known to be whole; one that fails is reported and the others go on.</summary>
    /// <param name="options">What each clone is.</param>
    /// <param name="names">Their names.</param>
    /// <param name="turn">The number of the one that is being started, for who tells of it.</param>
    /// <param name="host">Where they live.</param>
    /// <param name="output">Where the guests go, each as it has started.</param>
    /// <param name="cancellation">Starts no more, and removes those that the next cmdlet has not taken.</param>
    public static void StartAll(
        GuestOptions options, IReadOnlyList<string?> names, ref int turn, IGuestHost host,
        ICmdletOutput output, CancellationToken cancellation)
    {
        HashSet<BackendWarning> warned = [];
        HandedOn handed = new(host, output);
        try
        {
            foreach (string? name in names)
            {
                cancellation.ThrowIfCancellationRequested();
                turn++;
                try
                {
                    GuestInfo guest = host.Start(Numbered(options, name, turn), cancellation);
                    handed.Write(guest);
                    output.WriteWarnings(guest.Backends.SelectMany(backend => backend.Warnings).Where(warned.Add));
                }
                catch (PsVmException error) when (names.Count > 1)
                {
                    string who = name ?? $"{turn} of {names.Count}";
                    PsVmError told = error.Error with { Target = who, Message = $"Guest '{who}' did not start: {error.Message}" };
                    output.WriteError(new CmdletException(told, error));
                }
            }

            output.Flush();
        }
        catch (OperationCanceledException)
        {
            handed.RemoveRest();
            throw;
        }
    }

    /// <summary>What is wrong as far as that can be known; other clones than the first differ by their name alone.</summary>
    private static void Check(GuestOptions options, IReadOnlyList<string?> names, IGuestHost host, CancellationToken cancellation)
    {
        string? wrong = FirstTaken(names, host, cancellation);
        host.CheckStart(Numbered(options, wrong ?? names[0], 1), cancellation);
        if (options.Pool is null)
        {
            host.CheckRoom(Numbered(options, options.Name, 1), names.Count, cancellation);
        }
    }

    private static CmdletProgress Reading(GuestOptions options, TimeSpan elapsed) =>
        ProgressTicker.Elapsed(
            options.Verify ? "Reading RAM files" : "Looking at the template", elapsed, Timeout.InfiniteTimeSpan) with { IsPart = true };

    /// <summary>What one clone is: its host name and its address have its number.</summary>
    private static GuestOptions Numbered(GuestOptions options, string? name, int number) =>
        options with { Name = name, Identity = Numbered(options.Identity, number) };

    /// <summary>Who a clone of that number is.</summary>
    /// <exception cref="CmdletException">Its host name, or its address, is no composite format.</exception>
    public static CloneIdentity? Numbered(CloneIdentity? identity, int number) => identity switch
    {
        { HostName: { } format } => Format("HostName of -Identity", format, () => identity.WithNumber(number)),
        { Address: { } format } => Format("Address of -Identity", format, () => identity.WithNumber(number)),
        _ => identity,
    };

    private static T Format<T>(string what, string format, Func<T> make)
    {
        try
        {
            return make();
        }
        catch (FormatException error)
        {
            throw new CmdletException(
                ModuleErrorIds.NameFormatInvalid,
                $"Expected of {what} a composite format with {{0}} for the guest's number, found '{format}': {error.Message}",
                format,
                "Write it like 'web-{0:d3}', which gives web-001, web-002 and so on.");
        }
    }

    /// <summary>Finds out, before anything is made, that guests could have their names.</summary>
    /// <exception cref="GuestException">Another guest has one, or it is none.</exception>
    public static void CheckNames(IReadOnlyList<string?> names, IGuestHost host, CancellationToken cancellation)
    {
        string? wrong = FirstTaken(names, host, cancellation) ?? names[0];
        if (wrong is not null)
        {
            host.CheckNewName(wrong);
        }
    }

    /// <summary>Guests by their names.</summary>
    public static string Describe(IReadOnlyList<string?> names) => names switch
    {
        [null] => "a guest",
        [{ } name] => $"guest '{name}'",
        [null, ..] => $"{names.Count} guests",
        _ => $"{names.Count} guests '{names[0]}' to '{names[^1]}'",
    };

    private static string? FirstTaken(IReadOnlyList<string?> names, IGuestHost host, CancellationToken cancellation)
    {
        HashSet<string> taken = [.. host.List(cancellation).Select(guest => guest.Name.ToUpperInvariant())];
        return names.FirstOrDefault(name => name is not null && taken.Contains(name.ToUpperInvariant()));
    }

    private static string Describe(GuestOptions options, IReadOnlyList<string?> names) =>
        $"Start {Describe(names)} from {Origin(options)}";

    private static string Origin(GuestOptions options) => options.Pool is { } pool ? $"pool '{pool}'" : $"template '{options.Template}'";
}
