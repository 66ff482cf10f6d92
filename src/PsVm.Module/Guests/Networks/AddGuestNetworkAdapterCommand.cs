using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests.Networks;

/// <summary>Gives network adapters to guests that have stopped, for when they boot again.</summary>
[Cmdlet(VerbsCommon.Add, "GuestNetworkAdapter", SupportsShouldProcess = true)]
[OutputType(typeof(GuestNetworkAdapter))]
public sealed class AddGuestNetworkAdapterCommand : GuestCmdlet
{
    /// <summary>
    /// Network adapters: <c>Hub</c>, <c>Hub:NAME</c>, <c>Passt</c> or <c>Tap:DEVICE</c>, or dictionaries with Backend, Name, Hub, Device,
    /// Mac, Mtu and Forward.
    /// </summary>
    [Parameter(Mandatory = true, Position = 1)]
    [ValidateNotNullOrEmpty]
    [Networks]
    [ArgumentCompleter(typeof(NetworkCompleter))]
    public GuestNetworkOptions[] Network { get; set; } = [];

    internal static void Run(
        IEnumerable<GuestReference> guests, GuestNetworkOptions[] networks, IGuestHost host,
        ICmdletOutput output, CancellationToken cancellation) =>
        CmdletWorks.ForEach(guests, output, guest => CmdletWorks.ForEach(networks, output, network =>
        {
            if (output.ShouldProcess(
                () => $"Add network adapter '{network.Name ?? network.Backend.ToString()}' to guest '{guest}'",
                () => host.Networks.CheckAdd(guest, network, cancellation)))
            {
                output.WriteObject(host.Networks.Add(guest, network, cancellation));
            }
        }, cancellation), cancellation);

    private protected override CmdletWork Bind()
    {
        GuestNetworkOptions[] networks = Network;
        return OnGuests((guests, host, output, cancellation) => Run(guests, networks, host, output, cancellation));
    }
}
