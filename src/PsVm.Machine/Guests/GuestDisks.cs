using PsVm.Machine.Board.Slots;

namespace PsVm.Machine.Guests;

/// <summary>Changes disks of guests.</summary>
/// <param name="guests">The guests.</param>
/// <param name="assembler">Makes their devices.</param>
internal sealed class GuestDisks(GuestTable guests, GuestAssembler assembler) : IGuestDisks
{
    private readonly GuestSlots _slots = new(guests, assembler);

    /// <inheritdoc/>
    public GuestDisk Add(GuestReference guest, GuestDiskOptions disk, CancellationToken cancellation = default) =>
        _slots.Add<DiskInSlot, GuestDisk>(guest, found => With(found, disk), (made, name) => made.Show(name), cancellation);

    /// <inheritdoc/>
    public void CheckAdd(GuestReference guest, GuestDiskOptions disk, CancellationToken cancellation = default) =>
        _slots.CheckAdd(guest, found => With(found, disk));

    /// <inheritdoc/>
    public void Remove(GuestReference guest, string disk, CancellationToken cancellation = default) =>
        _slots.Remove(guest, found => Without(found, disk), cancellation);

    /// <inheritdoc/>
    public void CheckRemove(GuestReference guest, string disk, CancellationToken cancellation = default) =>
        _slots.CheckRemove(guest, found => Without(found, disk));

    /// <inheritdoc/>
    public GuestDisk Save(GuestReference guest, string disk, IProgress<StepProgress>? progress, CancellationToken cancellation = default)
    {
        LiveGuest found = guests.Find(guest);
        DiskInSlot saved = ToSave(found, disk);
        return found.HasEnded
            ? guests.WhileOff(guest, off => Save(off, ToSave(off, disk), progress, cancellation), cancellation)
            : found.WhileHeld((_, _, stop) => Save(found, saved, progress, stop), cancellation);
    }

    /// <inheritdoc/>
    public void CheckSave(GuestReference guest, string disk, CancellationToken cancellation = default) => ToSave(guests.Find(guest), disk);

    /// <inheritdoc/>
    public GuestDisk Reset(GuestReference guest, string disk, CancellationToken cancellation = default) => guests.WhileOff(
        guest,
        found =>
        {
            DiskInSlot reset = WithOverlay(found, disk);
            try
            {
                reset.Disk.Overlay!.Clear();
            }
            catch (IOException failure)
            {
                throw NotSaved(found, reset, failure.Message, "Look after the file system of the overlay, then try again.");
            }

            return reset.Show(found.Name);
        },
        cancellation);

    /// <inheritdoc/>
    public void CheckReset(GuestReference guest, string disk, CancellationToken cancellation = default) =>
        WithOverlay(guests.FindStopped(guest), disk);

    private static (GuestOptions Options, string Role) With(LiveGuest guest, GuestDiskOptions disk)
    {
        GuestDiskOptions[] present = [.. DisksOf(guest).Select(there => there.Options)];
        string name = disk.Name ?? SlotNames.FirstFree("disk", [.. present.Select(there => there.Name)]);
        return (guest.Options with { Disks = [.. present, disk with { Name = name }] }, DiskKind.RoleOf(name));
    }

    private static (GuestOptions Options, IGuestDevice Disk) Without(LiveGuest guest, string name)
    {
        DiskInSlot disk = Find(guest, name);
        return (guest.Options with { Disks = [.. DisksOf(guest).Where(other => other != disk).Select(other => other.Options)] }, disk);
    }

    private static IEnumerable<DiskInSlot> DisksOf(LiveGuest guest) => guest.Devices.All.OfType<DiskInSlot>();

    private static DiskInSlot Find(LiveGuest guest, string name) =>
        DisksOf(guest).FirstOrDefault(disk => disk.Disk.Name == name) ?? throw new GuestException(
        GuestErrorIds.GuestDiskNotFound,
        $"Expected a disk '{VisibleText.Of(name)}' of guest '{guest.Name}', found "
            + $"{SlotNames.List(DisksOf(guest).Select(disk => disk.Disk.Name))}.",
        guest.Name,
        $"List its disks: Get-GuestDisk '{guest.Name}'.");

    private static DiskInSlot WithOverlay(LiveGuest guest, string name)
    {
        DiskInSlot disk = Find(guest, name);
        return disk.Disk.Overlay is not null ? disk : throw new GuestException(
            GuestErrorIds.DiskOverlayMissing,
            $"Expected an overlay of disk '{name}' of guest '{guest.Name}', found that "
            + $"{(disk.Disk.IsReadOnly ? "the guest cannot write the disk" : "the guest writes the image itself")}.",
            guest.Name,
            "Start it with an overlay (Memory, or a file): that is what can be saved or dropped.");
    }

    private static DiskInSlot ToSave(LiveGuest guest, string name)
    {
        DiskInSlot disk = WithOverlay(guest, name);
        return guest.Options.Template is null ? disk : throw NotSaved(
            guest, disk, $"that the guest began from template '{guest.Options.Template}', which needs the image as it is",
            "Boot a guest with the image and an overlay in a file of a clone's, and save that.");
    }

    private static GuestDisk Save(LiveGuest guest, DiskInSlot disk, IProgress<StepProgress>? progress, CancellationToken cancellation)
    {
        long all = disk.Disk.OverlayBytes;
        try
        {
            disk.Disk.Save(
                progress is null ? null : done => progress.Report(new StepProgress(HostStep.Saving, Math.Min(done, all), all)),
                cancellation);
            return disk.Show(guest.Name);
        }
        catch (IOException failure)
        {
            throw NotSaved(
                guest, disk, failure.Message.TrimEnd('.'), "The overlay still has all of it. Make room for the image, then try again.");
        }
    }

    private static GuestException NotSaved(LiveGuest guest, DiskInSlot disk, string found, string action) => new(
        GuestErrorIds.DiskNotSaved,
        $"Expected that what was written over disk '{disk.Disk.Name}' of guest '{guest.Name}' can go, found {found}.",
        guest.Name,
        action);
}
