using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Guests;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Templates;

/// <summary>Makes a template of a guest, from which clones start.</summary>
[Cmdlet(VerbsData.Checkpoint, "Guest", SupportsShouldProcess = true)]
[OutputType(typeof(GuestTemplate), typeof(GuestJob))]
public sealed class CheckpointGuestCommand : GuestAndArgumentCmdlet
{
    private readonly List<(GuestReference Guest, CheckpointOptions Options, bool IntoFolder)> _wanted = [];

    /// <summary>
    /// The folder that becomes the template, another for each guest; those above it are made. With a slash at its end: the folder in which
    /// the template has the guest's name.
    /// </summary>
    [Parameter(Position = 1, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string Path { get; set; } = string.Empty;

    /// <summary>Takes over the guest's shared RAM files where they are, and stops the guest, instead of copying.</summary>
    [Parameter]
    [NotUnset]
    public SwitchParameter UseRamFile { get; set; }

    /// <summary>Records the plain SHA-256 of the RAM files too, which reads all of them.</summary>
    [Parameter]
    public SwitchParameter Digest { get; set; }

    /// <summary>Stores only what changed since the template that the guest was started from.</summary>
    [Parameter]
    public SwitchParameter Differential { get; set; }

    /// <summary>
    /// Detaches devices of other processes (VhostUser) from the template: a clone's requests to them fail, and the guest goes on with them.
    /// </summary>
    [Parameter]
    public SwitchParameter DetachVhostUser { get; set; }

    /// <summary>Replaces a template that is there already.</summary>
    [Parameter]
    [NotUnset]
    public SwitchParameter Force { get; set; }

    /// <summary>Does it in the background, by a job: Receive-Job gives what it found, Stop-Job gives it up.</summary>
    [Parameter]
    [NotUnset]
    public SwitchParameter AsJob { get; set; }

    internal static void Run(
        IEnumerable<GuestReference> guests, CheckpointOptions options, IGuestHost host,
        ICmdletOutput output, CancellationToken cancellation) =>
        CmdletWorks.ForEach(guests, output, guest =>
        {
            if (!output.ShouldProcess(() => Describe(guest, options), () => host.CheckCheckpoint(guest, options, cancellation)))
            {
                return;
            }

            LatestStep step = new();
            using ProgressTicker progress = new(output, elapsed => step.At($"Checkpointing guest '{guest}'", elapsed));
            GuestTemplate template = host.Checkpoint(guest, options, step, cancellation);
            output.WriteWarnings(template.Warnings);
            output.WriteObject(template);
        }, cancellation);

    /// <summary>Several guests would become one template: each but the last for nothing.</summary>
    /// <exception cref="CmdletException">They would.</exception>
    internal static void CheckPaths(IEnumerable<(GuestReference Guest, CheckpointOptions Options)> wanted)
    {
        foreach (var path in wanted.GroupBy(item => System.IO.Path.TrimEndingDirectorySeparator(item.Options.Path)))
        {
            string[] guests = [.. path.Select(item => $"'{item.Guest}'")];
            if (guests.Length > 1)
            {
                throw new CmdletException(
                    ModuleErrorIds.CheckpointPathRepeated,
                    $"Expected a path of its own for each guest, found '{path.Key}' for {string.Join(", ", guests)}.",
                    path.Key,
                    "End it with a slash, so that each template has its guest's name: -Path ./templates/.");
            }
        }
    }

    private protected override bool IsAsJob => AsJob;

    private protected override string ArgumentName => nameof(Path);

    private protected override CmdletWork? Bind()
    {
        (GuestReference[] guests, string[] path) = Bind(Path);
        CheckpointOptions options = new()
        {
            Path = ResolvePath(path[0])!,
            UseRamFile = UseRamFile,
            Digest = Digest,
            Differential = Differential,
            DetachVhostUser = DetachVhostUser,
            Force = Force,
        };
        bool intoFolder = path[0].EndsWith('/') && !ModuleServices.Templates.Exists(options.Path);
        _wanted.AddRange(guests.Select(guest => (guest, options, intoFolder)));
        return null;
    }

    private protected override CmdletWork BindEnd()
    {
        IGuestHost host = ModuleServices.Guests;
        ITemplateHost templates = ModuleServices.Templates;
        Session session = Session.Current;
        return (output, cancellation) =>
        {
            // A pattern is known to stand for several guests only now.
            List<(GuestReference Guest, CheckpointOptions Options)> found = [];
            foreach ((GuestReference wanted, CheckpointOptions options, bool intoFolder) in _wanted)
            {
                IReadOnlyList<GuestInfo> guests = Selection.Guests([wanted], host, output, cancellation);
                session.WarnOfFailures(guests, output);
                found.AddRange(guests.Select(guest =>
                    (guest.Reference, intoFolder ? options with { Path = System.IO.Path.Combine(options.Path, guest.Name) } : options)));
            }

            CheckPaths(found);
            NeedingTemplates needing = new(templates, output);
            foreach ((GuestReference guest, CheckpointOptions options) in found)
            {
                if (options.Force)
                {
                    needing.Note(options.Path, [], cancellation);
                }

                Run([guest], options, host, output, cancellation);
            }

            needing.Warn(cancellation);
        };
    }

    private static string Describe(GuestReference guest, CheckpointOptions options)
    {
        string how = options switch
        {
            { UseRamFile: true } => ", which takes over its RAM files, and stop it",
            { Differential: true } => ", of what changed since it was started",
            _ => string.Empty,
        };
        return $"Make {(options.Force ? "or replace " : string.Empty)}template '{options.Path}' of guest '{guest}'{how}";
    }
}
