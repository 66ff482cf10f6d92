using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Guests;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Templates;

/// <summary>Makes a template of a guest, from which clones start.</summary>
[Cmdlet(VerbsData.Checkpoint, "Guest", SupportsShouldProcess = true)]
[OutputType(typeof(GuestTemplate))]
public sealed class CheckpointGuestCommand : GuestCmdlet
{
    private readonly List<(GuestReference Guest, CheckpointOptions Options)> _wanted = [];

    /// <summary>The folder that becomes the template, another for each guest; the folder it lies in must exist.</summary>
    [Parameter(Mandatory = true, Position = 1, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string Path { get; set; } = string.Empty;

    /// <summary>Takes over the guest's shared RAM files where they are, and stops the guest, instead of copying.</summary>
    [Parameter]
    [NotUnset]
    public SwitchParameter UseRamFile { get; set; }

    /// <summary>Records the SHA-256 of the RAM files, which reads all of them.</summary>
    [Parameter]
    public SwitchParameter Digest { get; set; }

    /// <summary>Stores only what changed since the template that the guest was started from.</summary>
    [Parameter]
    public SwitchParameter Differential { get; set; }

    /// <summary>Replaces a template that is there already.</summary>
    [Parameter]
    [NotUnset]
    public SwitchParameter Force { get; set; }

    internal static void Run(
        IEnumerable<GuestReference> guests, CheckpointOptions options, IGuestHost host, ICmdletOutput output, CancellationToken cancellation) =>
        CmdletWorks.ForEach(guests, output, guest =>
        {
            if (!output.ShouldProcess(Describe(guest, options)))
            {
                return;
            }

            WrittenPart written = new();
            using ProgressTicker progress = new(output, _ => written.At($"Checkpointing guest '{guest}'"));
            output.WriteObject(host.Checkpoint(guest, options, written, cancellation));
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
                    "Make the path of the guest's name: -Path { \"./templates/$($_.Name)\" }.");
            }
        }
    }

    private protected override CmdletWork? Bind()
    {
        CheckpointOptions options = new()
        {
            Path = ResolvePath(Path)!,
            UseRamFile = UseRamFile,
            Digest = Digest,
            Differential = Differential,
            Force = Force,
        };
        _wanted.AddRange(Name.Select(guest => (guest, options)));
        return null;
    }

    private protected override CmdletWork? BindEnd()
    {
        CheckPaths(_wanted);
        return OnGuests([.. _wanted.Select(item => item.Guest)], (_, host, output, cancellation) =>
            _wanted.ForEach(item => Run([item.Guest], item.Options, host, output, cancellation)));
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

    private sealed class WrittenPart : IProgress<double>
    {
        private double _part;

        public void Report(double value) => Volatile.Write(ref _part, value);

        public CmdletProgress At(string activity)
        {
            int percent = (int)Math.Clamp(Volatile.Read(ref _part) * 100, 0, 100);
            return new CmdletProgress(activity, $"{percent} % of the RAM written", percent);
        }
    }
}
