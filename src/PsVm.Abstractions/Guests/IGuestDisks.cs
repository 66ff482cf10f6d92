namespace PsVm;

/// <summary>
/// Changes disks of guests. The bus that they are on has no hot-plug, so that disks come and go while their guest is off. What is checked
/// changes nothing.
/// </summary>
public interface IGuestDisks
{
    /// <summary>Gives a disk to a guest that has stopped and boots when it starts again.</summary>
    /// <returns>It as the guest has it.</returns>
    /// <exception cref="GuestException">It runs, began from a template, has no slot left, or the disk cannot be had.</exception>
    GuestDisk Add(GuestReference guest, GuestDiskOptions disk, CancellationToken cancellation = default);

    /// <summary>Finds out what would be wrong with <see cref="Add"/>.</summary>
    /// <exception cref="GuestException">As of that.</exception>
    void CheckAdd(GuestReference guest, GuestDiskOptions disk, CancellationToken cancellation = default);

    /// <summary>Takes a disk from a guest that has stopped and boots when it starts again; image and overlay's file stay.</summary>
    /// <exception cref="GuestException">It runs, began from a template, or has no such disk.</exception>
    void Remove(GuestReference guest, string disk, CancellationToken cancellation = default);

    /// <summary>Finds out what would be wrong with <see cref="Remove"/>.</summary>
    /// <exception cref="GuestException">As of that.</exception>
    void CheckRemove(GuestReference guest, string disk, CancellationToken cancellation = default);

    /// <summary>
    /// Writes into the image what was written over it, and begins a new overlay; a guest that runs stands still meanwhile. Given up or
    /// killed in the middle, the image has a part, and an overlay in a file still has all of it.
    /// </summary>
    /// <param name="guest">The guest.</param>
    /// <param name="disk">Name of its disk.</param>
    /// <param name="progress">Told how much is written; null: no one asks. Called on any thread.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>The disk as it is then.</returns>
    /// <exception cref="GuestException">It has no overlay, is a clone's, somebody else has the image, or it cannot be written.</exception>
    GuestDisk Save(GuestReference guest, string disk, IProgress<StepProgress>? progress, CancellationToken cancellation = default);

    /// <summary>Finds out what would be wrong with <see cref="Save"/>, but for who has the image.</summary>
    /// <exception cref="GuestException">As of that.</exception>
    void CheckSave(GuestReference guest, string disk, CancellationToken cancellation = default);

    /// <summary>Drops what was written over the image of a disk of a guest that has stopped.</summary>
    /// <returns>The disk as it is then.</returns>
    /// <exception cref="GuestException">It runs, or has no such disk, or that has no overlay.</exception>
    GuestDisk Reset(GuestReference guest, string disk, CancellationToken cancellation = default);

    /// <summary>Finds out what would be wrong with <see cref="Reset"/>.</summary>
    /// <exception cref="GuestException">As of that.</exception>
    void CheckReset(GuestReference guest, string disk, CancellationToken cancellation = default);
}
