using System.Management.Automation;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests.Agents;

/// <summary>Gets the network interfaces of guests with their addresses, from their agents.</summary>
[Cmdlet(VerbsCommon.Get, "GuestNetwork")]
[OutputType(typeof(GuestNetworkInterface))]
public sealed class GetGuestNetworkCommand : GuestCmdlet
{
    private readonly List<GuestReference> _guests = [];

    internal static void Run(IReadOnlyList<GuestReference> guests, IGuestHost host, ICmdletOutput output, CancellationToken cancellation) =>
        AgentWorks.ForEach(
        guests,
        AgentWorks.Throttle,
        guest => host.Agents.GetNetworkAsync(guest, cancellation),
        (_, found) =>
        {
            foreach (GuestNetworkInterface item in found)
            {
                output.WriteObject(item);
            }
        },
        output,
        cancellation);

    private protected override CmdletWork? Bind()
    {
        _guests.AddRange(Name);
        return null;
    }

    private protected override CmdletWork? BindEnd() => _guests.Count == 0 ? null : Selection.OnGuests(_guests, Run);
}
