using PsVm.Machine.Board.Slots;

namespace PsVm.Machine.Guests;

/// <summary>Changes network adapters of guests.</summary>
/// <param name="guests">The guests.</param>
/// <param name="assembler">Makes their devices.</param>
internal sealed class GuestNetworks(GuestTable guests, GuestAssembler assembler) : IGuestNetworks
{
    /// <inheritdoc/>
    public GuestNetworkAdapter Add(GuestReference guest, GuestNetworkOptions network, CancellationToken cancellation = default) => guests.WhileOff(
        guest,
        found =>
        {
            (GuestOptions options, GuestDevicePlan plan) = PlanOf(found, network);
            NetworkInSlot made = (NetworkInSlot)assembler.Make(plan, onlyLooks: false);
            found.ChangeDevices(options, found.Devices.With(made));
            return made.Show(found.Name);
        },
        cancellation);

    /// <inheritdoc/>
    public void CheckAdd(GuestReference guest, GuestNetworkOptions network, CancellationToken cancellation = default) =>
        assembler.Make(PlanOf(guests.FindStopped(guest), network).Plan, onlyLooks: true).Dispose();

    /// <inheritdoc/>
    public void Remove(GuestReference guest, string adapter, CancellationToken cancellation = default) => guests.WhileOff(
        guest,
        found =>
        {
            (GuestOptions options, NetworkInSlot gone) = Without(found, adapter);
            found.ChangeDevices(options, found.Devices.Without(gone));
            return gone;
        },
        cancellation);

    /// <inheritdoc/>
    public void CheckRemove(GuestReference guest, string adapter, CancellationToken cancellation = default) => Without(guests.FindStopped(guest), adapter);

    private (GuestOptions Options, GuestDevicePlan Plan) PlanOf(LiveGuest guest, GuestNetworkOptions network)
    {
        GuestNetworkOptions[] present = [.. AdaptersOf(guest).Select(there => there.Options!)];
        string name = network.Name ?? Enumerable.Range(0, present.Length + 1).Select(number => $"net{number}")
            .First(free => !Array.Exists(present, there => there.Name == free));
        (GuestOptions options, IReadOnlyList<GuestDevicePlan> slots) = assembler.OpenWith(
            guest.Options with { Networks = [.. present, network with { Name = name }] });
        return (options, slots.Single(plan => plan.Role == NetworkKind.RoleOf(name)));
    }

    private (GuestOptions Options, NetworkInSlot Adapter) Without(LiveGuest guest, string name)
    {
        NetworkInSlot adapter = Find(guest, name);
        GuestNetworkOptions[] others = [.. AdaptersOf(guest).Where(other => other != adapter).Select(other => other.Options!)];
        return (assembler.OpenWith(guest.Options with { Networks = others }).Options, adapter);
    }

    // One without options leads nowhere and is a clone's, which is refused.
    private static IEnumerable<NetworkInSlot> AdaptersOf(LiveGuest guest) => guest.Devices.All.OfType<NetworkInSlot>().Where(adapter => adapter.Options is not null);

    private static NetworkInSlot Find(LiveGuest guest, string name) =>
        guest.Devices.All.OfType<NetworkInSlot>().FirstOrDefault(adapter => adapter.Name == name) ?? throw new GuestException(
            GuestErrorIds.GuestNetworkAdapterNotFound,
            $"Expected a network adapter '{VisibleText.Of(name)}' of guest '{guest.Name}', found {string.Join(", ", guest.Devices.All.OfType<NetworkInSlot>()
                .Select(adapter => adapter.Name)) switch
            {
                "" => "none",
                var names => names,
            }}.",
            guest.Name,
            $"List its adapters: Get-GuestNetworkAdapter '{guest.Name}'.");
}
