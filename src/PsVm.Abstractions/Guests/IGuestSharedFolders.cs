namespace PsVm;

/// <summary>
/// Shared folders of guests. The bus that they are on has no hot-plug: a slot comes and goes while its guest is off, while the folder that
/// is in a slot can be taken, and another given, at any time. What is checked changes nothing.
/// </summary>
public interface IGuestSharedFolders
{
    /// <summary>The shared folders of a guest as they are now.</summary>
    IReadOnlyList<GuestSharedFolder> Get(GuestReference guest, CancellationToken cancellation = default);

    /// <summary>
    /// Shares a folder with a guest: in a slot of its tag that has none, also while the guest runs, which stands still for that; else in a
    /// new slot of one that has stopped and boots when it starts again.
    /// </summary>
    /// <returns>It as the guest has it.</returns>
    /// <exception cref="GuestException">
    /// The guest has no slot for it, and runs or began from a template; or has one of that tag; or the folder cannot be had.
    /// </exception>
    GuestSharedFolder Add(GuestReference guest, GuestSharedFolderOptions folder, CancellationToken cancellation = default);

    /// <summary>Finds out what would be wrong with <see cref="Add"/>.</summary>
    /// <exception cref="GuestException">As of that.</exception>
    void CheckAdd(GuestReference guest, GuestSharedFolderOptions folder, CancellationToken cancellation = default);

    /// <summary>
    /// Shares a folder with a guest no more. A guest that has stopped and boots has no slot for it then; all others keep an empty one, and
    /// what they have open there is stale.
    /// </summary>
    /// <exception cref="GuestException">The guest has no such folder.</exception>
    void Remove(GuestReference guest, string tag, CancellationToken cancellation = default);

    /// <summary>Finds out what would be wrong with <see cref="Remove"/>.</summary>
    /// <exception cref="GuestException">As of that.</exception>
    void CheckRemove(GuestReference guest, string tag, CancellationToken cancellation = default);
}
