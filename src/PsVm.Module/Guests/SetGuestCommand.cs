using System.Collections;
using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests;

/// <summary>
/// Changes what guests may have of the CPU and of memory, and what operators say of them: notes, and labels to select them by.
/// </summary>
[Cmdlet(VerbsCommon.Set, "Guest", SupportsShouldProcess = true)]
[OutputType(typeof(Guest))]
public sealed class SetGuestCommand : GuestCmdlet
{
    /// <summary>What to remember; an empty text: nothing.</summary>
    [Parameter]
    [AllowEmptyString]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public string? Notes { get; set; }

    /// <summary>
    /// Labels instead of those that the guest has, as in <c>@{ role = 'web' }</c> or <c>role=web</c>; an empty dictionary: none.
    /// </summary>
    [Parameter]
    [ValidateNotNull]
    [Labels]
    [ArgumentCompleter(typeof(LabelCompleter))]
    public Hashtable? Label { get; set; }

    /// <summary>Share of a busy host's CPUs, 1 to 10000: a guest of 200 gets twice as much as one of 100.</summary>
    [Parameter]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public int CpuWeight { get; set; }

    /// <summary>Most host CPUs that a guest's harts use together, such as 0.5 or 2; 0 or null: all.</summary>
    [Parameter]
    [AllowNull]
    [CpuCount]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public double? CpuLimit { get; set; }

    /// <summary>Most memory that a guest may have for itself, such as 64MB; 0 or null: any amount.</summary>
    [Parameter]
    [AllowNull]
    [BlankIsNull]
    [Size]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public long? OwnMemoryLimit { get; set; }

    /// <summary>What is done when a guest takes more than that, or more than the host can spare.</summary>
    [Parameter]
    [ValidateNotNull]
    [ArgumentCompleter(typeof(EnumCompleter<OwnMemoryAction>))]
    public Arguments.OwnMemoryAction? OwnMemoryAction { get; set; }

    /// <summary>Gives the guests.</summary>
    [Parameter]
    public SwitchParameter PassThru { get; set; }

    internal static void Run(
        IEnumerable<GuestReference> guests,
        GuestChange change,
        bool passThru,
        IGuestHost host,
        ICmdletOutput output,
        CancellationToken cancellation) =>
        CmdletWorks.ForEach(guests, output, guest =>
        {
            if (output.ShouldProcess(() => $"Change guest '{guest}'", () => host.CheckChange(guest, change)))
            {
                GuestInfo changed = host.Change(guest, change, cancellation);
                if (passThru)
                {
                    output.WriteObject(new Guest(host, changed));
                }
            }
        }, cancellation);

    private protected override CmdletWork Bind()
    {
        GuestChange change = new()
        {
            Notes = Notes,
            Labels = Label is null ? null : LabelsAttribute.ToDictionary(Label),
            CpuWeight = IsGiven(nameof(CpuWeight)) ? CpuWeight : null,
            CpuLimit = IsGiven(nameof(CpuLimit)) ? CpuLimit ?? 0 : null,
            OwnMemoryLimit = IsGiven(nameof(OwnMemoryLimit)) ? OwnMemoryLimit ?? 0 : null,
            OwnMemoryAction = OwnMemoryAction?.Value,
        };
        bool passThru = PassThru;
        return OnGuests((guests, host, output, cancellation) => Run(guests, change, passThru, host, output, cancellation));
    }
}
