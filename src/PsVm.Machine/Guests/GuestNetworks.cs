using PsVm.Machine.Board.Slots;

namespace PsVm.Machine.Guests;

/// <summary>Changes network adapters of guests.</summary>
/// <param name="guests">The guests.</param>
/// <param name="assembler">Makes their devices.</param>
internal sealed class GuestNetworks(GuestTable guests, GuestAssembler assembler) : IGuestNetworks
{
    private readonly GuestSlots _slots = new(guests, assembler);

    /// <inheritdoc/>
    public GuestNetworkAdapter Add(GuestReference guest, GuestNetworkOptions network, CancellationToken cancellation = default) =>
        _slots.Add<NetworkInSlot, GuestNetworkAdapter>(guest, found => With(found, network), (made, name) => made.Show(name), cancellation);

    /// <inheritdoc/>
    public void CheckAdd(GuestReference guest, GuestNetworkOptions network, CancellationToken cancellation = default) =>
        _slots.CheckAdd(guest, found => With(found, network));

    /// <inheritdoc/>
    public void Remove(GuestReference guest, string adapter, CancellationToken cancellation = default) =>
        _slots.Remove(guest, found => Without(found, adapter), cancellation);

    /// <inheritdoc/>
    public void CheckRemove(GuestReference guest, string adapter, CancellationToken cancellation = default) =>
        _slots.CheckRemove(guest, found => Without(found, adapter));

    private static (GuestOptions Options, string Role) With(LiveGuest guest, GuestNetworkOptions network)
    {
        GuestNetworkOptions[] present = [.. AdaptersOf(guest).Select(there => there.Options!)];
        string name = network.Name ?? SlotNames.FirstFree("net", [.. present.Select(there => there.Name)]);
        return (guest.Options with { Networks = [.. present, network with { Name = name }] }, NetworkKind.RoleOf(name));
    }

    private static (GuestOptions Options, IGuestDevice Adapter) Without(LiveGuest guest, string name)
    {
        NetworkInSlot adapter = Find(guest, name);
        return (
            guest.Options with { Networks = [.. AdaptersOf(guest).Where(other => other != adapter).Select(other => other.Options!)] },
            adapter);
    }

    // One without options leads nowhere and is a clone's, which is refused.
    private static IEnumerable<NetworkInSlot> AdaptersOf(LiveGuest guest) =>
        guest.Devices.All.OfType<NetworkInSlot>().Where(adapter => adapter.Options is not null);

    private static NetworkInSlot Find(LiveGuest guest, string name) =>
        guest.Devices.All.OfType<NetworkInSlot>().FirstOrDefault(adapter => adapter.Name == name) ?? throw new GuestException(
            GuestErrorIds.GuestNetworkAdapterNotFound,
            $"Expected a network adapter '{VisibleText.Of(name)}' of guest '{guest.Name}', found "
                + $"{SlotNames.List(guest.Devices.All.OfType<NetworkInSlot>().Select(adapter => adapter.Name))}.",
            guest.Name,
            $"List its adapters: Get-GuestNetworkAdapter '{guest.Name}'.");
}
