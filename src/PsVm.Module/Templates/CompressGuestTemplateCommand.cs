using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Templates;

/// <summary>Merges a differential template with those that it needs into one.</summary>
[Cmdlet(VerbsData.Compress, "GuestTemplate", SupportsShouldProcess = true)]
[OutputType(typeof(GuestTemplate), typeof(GuestJob))]
public sealed class CompressGuestTemplateCommand : TemplateCmdlet
{
    private readonly HashSet<string> _destinations = [];

    /// <summary>The folder that becomes the merged template; without it that takes the place of the one that is merged.</summary>
    [Parameter(Position = 1)]
    [ValidateNotNullOrEmpty]
    [NotUnset]
    public string? Destination { get; set; }

    /// <summary>A template of the chain that the merged one is made on: only those above it become one.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [NotUnset]
    [TemplateIdentity]
    [ArgumentCompleter(typeof(TemplatePathCompleter))]
    public string? Parent { get; set; }

    /// <summary>Folders in which templates of the chain are looked for, too.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[] SearchPath { get; set; } = [];

    /// <summary>Replaces another template that is at the destination already.</summary>
    [Parameter]
    [NotUnset]
    public SwitchParameter Force { get; set; }

    /// <summary>Does it in the background, by a job: Receive-Job gives what it found, Stop-Job gives it up.</summary>
    [Parameter]
    [NotUnset]
    public SwitchParameter AsJob { get; set; }

    internal static void Run(
        IEnumerable<string> paths, CompressOptions options, ITemplateHost templates,
        ICmdletOutput output, CancellationToken cancellation) =>
        CmdletWorks.ForEach(paths, output, path =>
        {
            IReadOnlyList<GuestTemplate> merged = output.Confirmation == Confirmation.None ? [] : templates.CheckCompress(path, options);
            if (!output.ShouldProcess(() => Describe(path, merged, options)))
            {
                return;
            }

            LatestStep step = new();
            using ProgressTicker progress = new(output, elapsed => step.At($"Merging template '{path}'", elapsed));
            output.WriteObject(templates.Compress(path, options, step, cancellation));
        }, cancellation);

    private protected override bool IsAsJob => AsJob;

    private protected override CmdletWork Bind()
    {
        IReadOnlyList<string> paths = ResolvedPaths();
        CompressOptions options = new()
        {
            Destination = ResolvePath(Destination),
            Parent = ResolvePath(Parent),
            SearchPath = [.. SearchPath.Select(folder => ResolvePath(folder)!)],
            Force = Force,
        };
        if (options.Destination is { } destination && paths.Count > 0 && (paths.Count > 1 || !_destinations.Add(destination)))
        {
            throw new CmdletException(
                ModuleErrorIds.DestinationRepeated,
                $"Expected one template for the destination '{destination}', found {(paths.Count > 1 ? $"{paths.Count}" : "another one")}.",
                destination,
                "Merge one, or leave out Destination: each then keeps its place.");
        }

        return (output, cancellation) => Run(paths, options, ModuleServices.Templates, output, cancellation);
    }

    private static string Describe(string path, IReadOnlyList<GuestTemplate> merged, CompressOptions options)
    {
        string place = options.Destination is null ? string.Empty : $" to '{options.Destination}'";
        string result = options.Parent is null ? "one that stands alone" : $"one that is made on '{options.Parent}'";
        return merged.Count switch
        {
            1 when options.Destination is null => $"Leave template '{path}', which is made on none that would be merged with it",
            1 => $"Copy template '{path}'{place}",
            _ => $"Merge template '{path}' with {string.Join(", ", merged.Skip(1).Select(template => $"'{template.Path}'"))} into "
                + $"{result}{place}",
        };
    }
}
