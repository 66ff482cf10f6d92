using System.Management.Automation;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests;

/// <summary>Measures what guests cost the host and do now; all guests of a pipeline in one go.</summary>
[Cmdlet(VerbsDiagnostic.Measure, "Guest")]
[OutputType(typeof(GuestMeasurement))]
public sealed class MeasureGuestCommand : GuestCmdlet
{
    private readonly List<GuestReference> _guests = [];

    /// <summary>Each backend's accounting too, which makes the kernel visit all mappings of the process.</summary>
    [Parameter]
    public SwitchParameter Detailed { get; set; }

    internal static void Run(
        IReadOnlyList<GuestReference> guests, bool detailed, IGuestHost host, ICmdletOutput output, CancellationToken cancellation)
    {
        try
        {
            foreach (GuestMeasurement measurement in host.Measure(guests, detailed, cancellation))
            {
                output.WriteObject(measurement);
            }
        }
        catch (GuestException) when (guests.Count > 1)
        {
            // One is not there: the others are measured all the same.
            CmdletWorks.ForEach(guests, output, guest => output.WriteObject(host.Measure(guest, detailed, cancellation)), cancellation);
        }
    }

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
            : OnGuests(_guests, (guests, host, output, cancellation) => Run(guests, detailed, host, output, cancellation));
    }
}
