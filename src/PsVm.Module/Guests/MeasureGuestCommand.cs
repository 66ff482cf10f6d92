using System.Management.Automation;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests;

/// <summary>Measures what guests cost the host and do now; all guests of a pipeline in one go.</summary>
[Cmdlet(VerbsDiagnostic.Measure, "Guest")]
[OutputType(typeof(GuestMeasurement))]
public sealed class MeasureGuestCommand : GuestCmdlet
{
    private readonly List<string> _names = [];

    /// <summary>Each backend's accounting too, which makes the kernel visit all mappings of the process.</summary>
    [Parameter]
    public SwitchParameter Detailed { get; set; }

    internal static void Run(
        IReadOnlyList<string> names, bool detailed, IGuestHost host, ICmdletOutput output, CancellationToken cancellation)
    {
        try
        {
            foreach (GuestMeasurement measurement in host.Measure(names, detailed))
            {
                output.WriteObject(measurement);
            }
        }
        catch (GuestException) when (names.Count > 1)
        {
            // One is not there: the others are measured all the same.
            CmdletWorks.ForEach(names, output, name => output.WriteObject(host.Measure(name, detailed)), cancellation);
        }
    }

    private protected override CmdletWork? Bind()
    {
        _names.AddRange(Name);
        return null;
    }

    private protected override CmdletWork? BindEnd()
    {
        bool detailed = Detailed;
        return _names.Count == 0 ? null : (output, cancellation) => Run(_names, detailed, ModuleServices.Guests, output, cancellation);
    }
}
