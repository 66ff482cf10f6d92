using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Templates;

/// <summary>Removes templates from disk.</summary>
[Cmdlet(VerbsCommon.Remove, "GuestTemplate", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High)]
[OutputType(typeof(void))]
public sealed class RemoveGuestTemplateCommand : TemplateCmdlet
{
    /// <summary>Removes a template that others are made on, too: guests cannot start from those any more.</summary>
    [Parameter]
    [NotUnset]
    public SwitchParameter Force { get; set; }

    /// <summary>Removes those that are made on it as well.</summary>
    [Parameter]
    [NotUnset]
    public SwitchParameter Cascade { get; set; }

    internal static void Run(
        IReadOnlyList<string> paths, bool force, bool cascade, ITemplateHost templates,
        ICmdletOutput output, CancellationToken cancellation)
    {
        HashSet<string> gone = [];
        CmdletWorks.ForEach(InOrder(paths, templates, cancellation), output, path =>
        {
            GuestTemplate[] needing = [.. templates.Needing(path, cancellation).Where(other => !gone.Contains(other.Path))];
            if (needing.Length > 0 && !force && !cascade)
            {
                throw new GuestException(
                    GuestErrorIds.TemplateNeeded,
                    $"Expected that no other template is made on '{path}', found {NeedingTemplates.Names(needing)}.",
                    path,
                    "Remove them as well with -Cascade, merge them first (Compress-GuestTemplate), or leave them without it with -Force.");
            }

            GuestTemplate[] left = cascade ? [.. needing.Where(other => !Remove(other.Path, $", which is made on '{path}'"))] : needing;
            Remove(path, NeedingTemplates.Remark(left));
        }, cancellation);

        // Under -WhatIf as if it went.
        bool Remove(string path, string remark)
        {
            if (output.ShouldProcess(() => $"Remove template '{path}'{remark}", () => templates.CheckRemove(path)))
            {
                templates.Remove(path, cancellation);
                return gone.Add(path);
            }

            return output.Confirmation == Confirmation.WhatIf && gone.Add(path);
        }
    }

    /// <summary>The paths, each after those that are made on it.</summary>
    private static List<string> InOrder(IReadOnlyList<string> paths, ITemplateHost templates, CancellationToken cancellation)
    {
        List<string> order = [];
        foreach (string path in paths)
        {
            IEnumerable<string> first = paths.Count == 1 ? [] : templates.Needing(path, cancellation).Select(other => other.Path);
            order.AddRange(first.Append(path).Where(other => paths.Contains(other) && !order.Contains(other)));
        }

        return order;
    }

    private protected override CmdletWork Bind()
    {
        IReadOnlyList<string> paths = ResolvedPaths();
        (bool force, bool cascade) = (Force, Cascade);
        return (output, cancellation) => Run(paths, force, cascade, ModuleServices.Templates, output, cancellation);
    }
}
