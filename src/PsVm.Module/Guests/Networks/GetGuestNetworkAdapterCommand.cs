using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests.Networks;

/// <summary>Gets network adapters of guests, by the slots of their boards.</summary>
[Cmdlet(VerbsCommon.Get, "GuestNetworkAdapter")]
[OutputType(typeof(GuestNetworkAdapter))]
public sealed class GetGuestNetworkAdapterCommand : AnyGuestCmdlet
{
    /// <summary>Only adapters of these names, or of patterns with *, ? and [ ].</summary>
    [Parameter(Position = 1)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(AdapterNameCompleter))]
    public string[] AdapterName { get; set; } = ["*"];

    internal static void Run(
        IEnumerable<GuestReference> guests, string[] names, IGuestHost host, ICmdletOutput output, CancellationToken cancellation) =>
        CmdletWorks.ForEach(guests, output, guest =>
        {
            foreach (GuestNetworkAdapter adapter in host.Get(guest, cancellation).Networks)
            {
                if (names.Any(name => NamePattern.Matches(name, adapter.Name)))
                {
                    output.WriteObject(adapter);
                }
            }
        }, cancellation);

    private protected override CmdletWork Bind()
    {
        string[] names = AdapterName;
        return OnGuests((guests, host, output, cancellation) => Run(guests, names, host, output, cancellation));
    }
}
