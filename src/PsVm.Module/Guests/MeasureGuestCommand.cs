using System.Management.Automation;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests;

/// <summary>Measures what guests cost the host and do now; all guests of a pipeline in one go.</summary>
[Cmdlet(VerbsDiagnostic.Measure, "Guest")]
[OutputType(typeof(GuestMeasurement))]
public sealed class MeasureGuestCommand : AnyGuestCmdlet
{
    private readonly List<GuestReference> _guests = [];

    /// <summary>Each backend's accounting too, which makes the kernel visit all mappings of the process.</summary>
    [Parameter]
    public SwitchParameter Detailed { get; set; }

    internal static void Run(
        IReadOnlyList<GuestReference> guests, bool detailed, IGuestHost host, ICmdletOutput output, CancellationToken cancellation) =>
        CmdletWorks.TogetherOrEach(guests, some => host.Measure(some, detailed, cancellation), output, cancellation);

    private protected override CmdletWork? Bind()
    {
        _guests.AddRange(Name);
        return null;
    }

    private protected override CmdletWork? BindEnd()
    {
        bool detailed = Detailed;
        return _guests.Count == 0
            ? null
            : Selection.OnGuests(_guests, (guests, host, output, cancellation) => Run(guests, detailed, host, output, cancellation));
    }
}
