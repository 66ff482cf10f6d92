using PsVm.Module.Output;

namespace PsVm.Module.Templates;

/// <summary>Templates that are made on others which leave their places, and may not find those afterwards.</summary>
/// <param name="templates">Where they are.</param>
/// <param name="output">Where warnings go.</param>
internal sealed class NeedingTemplates(ITemplateHost templates, ICmdletOutput output)
{
    private readonly HashSet<string> _needing = [];

    /// <summary>Notes those beside a template that is about to leave its place.</summary>
    /// <param name="path">The template; where there is none, or one that cannot be read, others say so.</param>
    /// <param name="along">Templates that leave with it.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>The template's remark, as of <see cref="Remark"/>.</returns>
    public string Note(string path, IReadOnlyCollection<string> along, CancellationToken cancellation)
    {
        try
        {
            GuestTemplate[] staying = [.. templates.Needing(path, cancellation).Where(other => !along.Contains(other.Path))];
            _needing.UnionWith(staying.Select(other => other.Path));
            return Remark(staying);
        }
        catch (GuestException)
        {
            return string.Empty;
        }
    }

    /// <summary>Warns once of those that do not find any more what they are made on.</summary>
    public void Warn(CancellationToken cancellation)
    {
        List<string> lost = [];
        foreach (string folder in _needing.Select(path => Path.GetDirectoryName(path)!).Distinct())
        {
            try
            {
                lost.AddRange(
                    templates.Tree(folder, cancellation).Where(node => node.IsOrphan && _needing.Contains(node.Path))
                        .Select(node => node.Path));
            }
            catch (GuestException)
            {
                // Nothing in it starts, and who starts it is told why.
            }
        }

        if (lost.Count > 0)
        {
            output.WriteWarning(
                $"[{ModuleErrorIds.TemplateParentGone}] Expected templates to find what they are made on beside them or where it was, "
                + "found that "
                + $"{Names(lost)} {(lost.Count == 1 ? "does" : "do")} not any more. Move {(lost.Count == 1 ? "it" : "them")} to where that "
                + "is now, or name "
                + "that folder with -SearchPath or the variable PSVM_TEMPLATE_PATH.");
        }
    }

    /// <summary>Which templates are made on one, as the end of a sentence of it; empty: none are.</summary>
    public static string Remark(IReadOnlyCollection<GuestTemplate> needing) =>
        needing.Count == 0 ? string.Empty : $", on which {Names(needing)} {(needing.Count == 1 ? "is" : "are")} made";

    /// <summary>Templates' paths.</summary>
    public static string Names(IEnumerable<GuestTemplate> templates) => Names(templates.Select(template => template.Path));

    private static string Names(IEnumerable<string> paths) => string.Join(", ", paths.Select(path => $"'{path}'"));
}
