using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Templates;

/// <summary>
/// Records which pages of a template clones touch first, so that those are read ahead when a clone starts and they are not in memory.
/// </summary>
[Cmdlet(VerbsCommon.Optimize, "GuestTemplate", SupportsShouldProcess = true, DefaultParameterSetName = ByPath)]
[OutputType(typeof(TemplateWorkingSet), typeof(GuestJob))]
public sealed class OptimizeGuestTemplateCommand : TemplatePathCmdlet
{
    private const string ByPath = "Path", ByGuest = "Guest";

    /// <summary>
    /// Folders of templates, or patterns with *, ? and [ ]; a template object does as well. A clone of each runs for a while.
    /// </summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ParameterSetName = ByPath)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [TemplateIdentity]
    [ArgumentCompleter(typeof(TemplatePathCompleter))]
    public string[] Path { get; set; } = [];

    /// <summary>How long the clone runs: seconds, or a TimeSpan; 2 s when not given.</summary>
    [Parameter(ParameterSetName = ByPath)]
    [Duration]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public TimeSpan Duration { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>Clones that have done what clones do first: what they have touched by now is recorded for their templates.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ByGuest)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [GuestIdentity]
    [ArgumentCompleter(typeof(GuestNameCompleter))]
    public GuestReference[] Guest { get; set; } = [];

    /// <summary>Does it in the background, by a job: Receive-Job gives what it found, Stop-Job gives it up.</summary>
    [Parameter]
    [NotUnset]
    public SwitchParameter AsJob { get; set; }

    internal static void Run(
        IEnumerable<string> paths, TimeSpan duration, IGuestHost host, ICmdletOutput output, CancellationToken cancellation) =>
        CmdletWorks.ForEach(paths, output, path =>
        {
            GuestOptions clone = new() { Template = path };
            if (output.ShouldProcess(
                () => $"Record what clones of template '{path}' touch first", () => host.CheckStart(clone, cancellation)))
            {
                using ProgressTicker progress = new(
                    output, elapsed => ProgressTicker.Elapsed($"Looking what a clone of '{path}' touches", elapsed, duration));
                output.WriteObject(host.RecordWorkingSet(path, duration, cancellation));
            }
        }, cancellation);

    internal static void Run(IEnumerable<GuestReference> guests, IGuestHost host, ICmdletOutput output, CancellationToken cancellation) =>
        CmdletWorks.ForEach(guests, output, guest =>
        {
            if (output.ShouldProcess(() => $"Record what guest '{guest}' has touched of its template", () => host.CheckNotStopped(guest)))
            {
                output.WriteObject(host.RecordWorkingSet(guest, cancellation));
            }
        }, cancellation);

    private protected override bool IsAsJob => AsJob;

    private protected override CmdletWork Bind()
    {
        if (ParameterSetName == ByGuest)
        {
            return Selection.OnGuests(Guest, Run);
        }

        IReadOnlyList<string> paths = TemplatePaths(Path);
        TimeSpan duration = Duration;
        return (output, cancellation) => Run(paths, duration, ModuleServices.Guests, output, cancellation);
    }
}
