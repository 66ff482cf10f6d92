namespace PsVm;

/// <summary>
/// Changes network adapters of guests. The bus that they are on has no hot-plug, so that adapters come and go while their guest is off.
/// What is checked changes nothing. <see cref="GuestInfo.Networks"/> has those that there are.
/// </summary>
public interface IGuestNetworks
{
    /// <summary>Gives an adapter to a guest that has stopped and boots when it starts again.</summary>
    /// <returns>It as the guest has it.</returns>
    /// <exception cref="GuestException">
    /// It runs, began from a template, has no slot left, or what the adapter is to lead to cannot be had.
    /// </exception>
    GuestNetworkAdapter Add(GuestReference guest, GuestNetworkOptions network, CancellationToken cancellation = default);

    /// <summary>Finds out what would be wrong with <see cref="Add"/>.</summary>
    /// <exception cref="GuestException">As of that.</exception>
    void CheckAdd(GuestReference guest, GuestNetworkOptions network, CancellationToken cancellation = default);

    /// <summary>Takes an adapter from a guest that has stopped and boots when it starts again.</summary>
    /// <exception cref="GuestException">It runs, began from a template, or has no such adapter.</exception>
    void Remove(GuestReference guest, string adapter, CancellationToken cancellation = default);

    /// <summary>Finds out what would be wrong with <see cref="Remove"/>.</summary>
    /// <exception cref="GuestException">As of that.</exception>
    void CheckRemove(GuestReference guest, string adapter, CancellationToken cancellation = default);
}
