using System.Management.Automation;
using PsVm.Module.Output;

namespace PsVm.Module.Guests;

/// <summary>What is piped into Start-Guest, and what a guest can start from with it.</summary>
internal static class StartInput
{
    /// <summary>Tells what an input item is.</summary>
    /// <param name="input">The item; null: nothing is piped in.</param>
    /// <param name="backends">What -MemoryBackend says.</param>
    /// <param name="template">What -Template or the item's property of that name says.</param>
    /// <param name="isTemplateGiven">-Template stood on the command line.</param>
    /// <returns>
    /// Backends, or the path of a template, or none; and whether the item's properties are parameters, as in a row of a table.
    /// </returns>
    /// <exception cref="CmdletException">A guest cannot start from it.</exception>
    public static (BackendReference[] Backends, string? Template, bool IsRow) Read(
        PSObject? input, BackendReference[] backends, string? template, bool isTemplateGiven)
    {
        string? onCommandLine = isTemplateGiven ? template : null;
        return input?.BaseObject switch
        {
            null => (backends, template, false),
            GuestTemplate found => ([], found.Path, false),
            TemplateReport report => ([], report.Path, false),
            GuestPool => ([], onCommandLine, false),
            DirectoryInfo folder => ([], folder.FullName, false),
            MemoryBackendInfo backend => ([backend.Reference], onCommandLine, false),
            BackendReference backend => ([backend], onCommandLine, false),
            string text when IsPath(text) => ([], text, false),
            string id => ([new BackendReference(id)], onCommandLine, false),
            IEnumerable<object> several =>
                ([.. several.SelectMany(item => Read(PSObject.AsPSObject(item), [], null, false).Backends)], onCommandLine, false),
            PSCustomObject when IsRow(input) => ([], template, true),
            System.Collections.IDictionary =>
                throw Invalid(input, "a dictionary", "Splat it: Start-Guest @options, or make an object of it: [pscustomobject] $options."),
            var other => throw Invalid(
                input,
                $"a {other.GetType().Name}",
                "Pipe templates, paths of templates, pools, memory backends, or rows with Name and Template."),
        };
    }

    /// <summary>The text can only be a path: names and ids have no slash, but for a guest's backend.</summary>
    public static bool IsPath(string text) =>
        text.StartsWith('.') || text.StartsWith('~') || text.StartsWith('/')
            || text.Contains(Path.DirectorySeparatorChar, StringComparison.Ordinal);

    /// <summary>The text is the id of a memory backend.</summary>
    public static bool IsBackend(string text, IMemoryHost host) => host.List().Any(backend =>
        backend.Id.Equals(text, StringComparison.OrdinalIgnoreCase)
            || backend.QualifiedId.Equals(text, StringComparison.OrdinalIgnoreCase));

    private static bool IsRow(PSObject input) =>
        input.Properties.Any(
            property => property.Name.ToUpperInvariant()
                is "NAME" or "TEMPLATE" or "MEMORY" or "KERNEL" or "FIRMWARE" or "COUNT" or "NAMEFORMAT");

    private static CmdletException Invalid(PSObject input, string found, string advice) => new(
        ModuleErrorIds.StartInputInvalid,
        $"Expected a template, a memory backend or a row with Name, Template, Memory or Kernel, found {found}: "
            + $"{VisibleText.Of($"{input}")}.",
        null,
        advice);
}
