using System.Management.Automation;
using PsVm.Module.Guests;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Templates;

/// <summary>Makes a template of a guest, from which clones start.</summary>
[Cmdlet(VerbsData.Checkpoint, "Guest", SupportsShouldProcess = true)]
[OutputType(typeof(GuestTemplate))]
public sealed class CheckpointGuestCommand : GuestCmdlet
{
    /// <summary>The folder that becomes the template; the folder it lies in must exist.</summary>
    [Parameter(Mandatory = true, Position = 1)]
    [ValidateNotNullOrEmpty]
    public string Path { get; set; } = string.Empty;

    /// <summary>Takes over the guest's shared RAM files where they are, and stops the guest, instead of copying.</summary>
    [Parameter]
    public SwitchParameter UseRamFile { get; set; }

    /// <summary>Records the SHA-256 of the RAM files, which reads all of them.</summary>
    [Parameter]
    public SwitchParameter Digest { get; set; }

    /// <summary>Stores only what changed since the template that the guest was started from.</summary>
    [Parameter]
    public SwitchParameter Differential { get; set; }

    /// <summary>Replaces a template that is there already.</summary>
    [Parameter]
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

    private protected override CmdletWork Bind()
    {
        CheckpointOptions options = new()
        {
            Path = ResolvePath(Path)!,
            UseRamFile = UseRamFile,
            Digest = Digest,
            Differential = Differential,
            Force = Force,
        };
        return OnGuests((guests, host, output, cancellation) => Run(guests, options, host, output, cancellation));
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
