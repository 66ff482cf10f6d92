using System.Globalization;
using System.Management.Automation;
using PsVm.Module.Hosting;

namespace PsVm.Module.Completion;

/// <summary>Completes paths of templates, size and origin of each, and of folders on the way to some; no files.</summary>
internal sealed class TemplatePathCompleter : ValueCompleter
{
    private static readonly EnumerationOptions s_visible = new() { IgnoreInaccessible = true, AttributesToSkip = FileAttributes.Hidden };

    /// <summary>A template in a line.</summary>
    internal static string Describe(GuestTemplate template) =>
        $"{ByteSize.ToText(template.Memory)}, {template.MachineType}, of guest {template.Guest}, "
        + template.CreatedAt.ToLocalTime().ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture)
        + (template.Differential ? $", on {template.Parent!.Path}" : string.Empty);

    private static string Describe(TemplateReport report) => report.Template is { } template
        ? Describe(template)
        : $"Damaged: {string.Join(", ", report.Errors.Select(error => error.Id))}";

    /// <inheritdoc/>
    private protected override IEnumerable<Choice> Choices(string start)
    {
        string typed = start[..(start.LastIndexOf('/') + 1)];
        // What is typed stays as it is; only what it means is looked at.
        string folder = Resolve(typed);
        if (!Directory.Exists(folder))
        {
            return [];
        }

        Dictionary<string, TemplateReport> templates =
            ModuleServices.Templates.List(folder).ToDictionary(report => report.Name, StringComparer.Ordinal);
        IEnumerable<Choice> found = templates.Values.Select(report => new Choice(typed + report.Name, Describe(report)));
        IEnumerable<Choice> folders = Directory.EnumerateDirectories(folder, "*", s_visible)
            .Select(path => Path.GetFileName(path))
            .Where(child => !templates.ContainsKey(child))
            .Select(child => new Choice($"{typed}{child}/", "A folder that is no template"));
        return found.Concat(folders);
    }

    /// <inheritdoc/>
    private protected override string Beginning(string word) => word.Contains('/') ? word : $"./{word}";

    // The session's location is known to its runspace alone, which is busy with the completion.
    private static string Resolve(string typed)
    {
        using PowerShell shell = PowerShell.Create(RunspaceMode.CurrentRunspace);
        shell.AddScript("$ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($args[0])").AddArgument(typed);
        return shell.Invoke<string>().FirstOrDefault() ?? typed;
    }
}
