using PsVm.Machine.Board.Slots;
using PsVm.Machine.Devices.Folders;

namespace PsVm.Machine.Guests;

/// <summary>Changes shared folders of guests.</summary>
/// <param name="guests">The guests.</param>
/// <param name="assembler">Makes their devices.</param>
internal sealed class GuestSharedFolders(GuestTable guests, GuestAssembler assembler) : IGuestSharedFolders
{
    private readonly GuestSlots _slots = new(guests, assembler);

    /// <inheritdoc/>
    public IReadOnlyList<GuestSharedFolder> Get(GuestReference guest, CancellationToken cancellation = default)
    {
        LiveGuest found = guests.Find(guest);
        return [.. FoldersOf(found).Select(folder => folder.Show(found.Name))];
    }

    /// <inheritdoc/>
    public GuestSharedFolder Add(GuestReference guest, GuestSharedFolderOptions folder, CancellationToken cancellation = default)
    {
        if (EmptySlot(guests.Find(guest), folder) is var (_, wanted))
        {
            return Exchange(guest, wanted.Tag!, wanted, found => EmptySlot(found, wanted)?.Slot, cancellation);
        }

        return _slots.Add<FolderInSlot, GuestSharedFolder>(
            guest, found => With(found, folder), (made, name) => made.Show(name), cancellation);
    }

    /// <inheritdoc/>
    public void CheckAdd(GuestReference guest, GuestSharedFolderOptions folder, CancellationToken cancellation = default)
    {
        if (EmptySlot(guests.Find(guest), folder) is var (_, wanted))
        {
            assembler.Folders.Open(wanted).Dispose();
            return;
        }

        _slots.CheckAdd(guest, found => With(found, folder));
    }

    /// <inheritdoc/>
    public void Remove(GuestReference guest, string tag, CancellationToken cancellation = default)
    {
        LiveGuest now = guests.Find(guest);
        _ = Find(now, tag);
        if (now.Options.Template is not null || !now.HasEnded)
        {
            Exchange(guest, tag, null, found => Find(found, tag), cancellation);
            return;
        }

        _slots.Remove(guest, found => Without(found, tag), cancellation);
    }

    /// <inheritdoc/>
    public void CheckRemove(GuestReference guest, string tag, CancellationToken cancellation = default) => Find(guests.Find(guest), tag);

    /// <summary>Gives a slot that is there another folder, or none, while the guest stands still or is off.</summary>
    private GuestSharedFolder Exchange(
        GuestReference guest, string tag, GuestSharedFolderOptions? wanted, Func<LiveGuest, FolderInSlot?> find,
        CancellationToken cancellation)
    {
        IFolderServer? server = wanted is null ? new AbsentFolder() : assembler.Folders.Open(wanted);
        try
        {
            LiveGuest found = guests.Find(guest);
            return found.HasEnded ? guests.WhileOff(guest, Give, cancellation) : found.WhileHeld((_, _, _) => Give(found), cancellation);
        }
        finally
        {
            server?.Dispose();
        }

        GuestSharedFolder Give(LiveGuest to)
        {
            FolderInSlot slot = find(to) ?? throw TaggedTwice(to, tag);
            slot.Exchange(server, wanted);
            server = null;
            to.ChangeDevices(
                to.Options with { SharedFolders = [.. FoldersOf(to).Select(folder => folder.Options).OfType<GuestSharedFolderOptions>()] },
                to.Devices);
            return slot.Show(to.Name);
        }
    }

    /// <summary>The slot of a guest that waits for a folder: of that tag, or the first one where none is given.</summary>
    private static (FolderInSlot Slot, GuestSharedFolderOptions Folder)? EmptySlot(LiveGuest guest, GuestSharedFolderOptions folder) =>
        FoldersOf(guest).FirstOrDefault(slot => slot.Options is null && (folder.Tag is null || folder.Tag == slot.Tag)) is { } found
            ? (found, folder with { Tag = found.Tag })
            : null;

    private static (GuestOptions Options, string Role) With(LiveGuest guest, GuestSharedFolderOptions folder)
    {
        GuestSharedFolderOptions[] present = [.. FoldersOf(guest).Select(there => there.Options).OfType<GuestSharedFolderOptions>()];
        string tag = folder.Tag ?? SlotNames.FirstFree("folder", [.. present.Select(there => there.Tag)]);
        if (guest.Options.Template is not null && Array.Exists(present, there => there.Tag == tag))
        {
            throw TaggedTwice(guest, tag);
        }

        return (guest.Options with { SharedFolders = [.. present, folder with { Tag = tag }] }, FolderKind.RoleOf(tag));
    }

    private static (GuestOptions Options, IGuestDevice Folder) Without(LiveGuest guest, string tag)
    {
        FolderInSlot folder = Find(guest, tag);
        GuestSharedFolderOptions[] others =
            [.. FoldersOf(guest).Where(other => other != folder).Select(other => other.Options).OfType<GuestSharedFolderOptions>()];
        return (guest.Options with { SharedFolders = others }, folder);
    }

    private static IEnumerable<FolderInSlot> FoldersOf(LiveGuest guest) => guest.Devices.All.OfType<FolderInSlot>();

    private static FolderInSlot Find(LiveGuest guest, string tag) =>
        FoldersOf(guest).FirstOrDefault(folder => folder.Tag == tag) ?? throw new GuestException(
            GuestErrorIds.GuestSharedFolderNotFound,
            $"Expected a shared folder '{VisibleText.Of(tag)}' of guest '{guest.Name}', found "
                + $"{SlotNames.List(FoldersOf(guest).Select(folder => folder.Tag))}.",
            guest.Name,
            $"List its folders: Get-GuestSharedFolder '{guest.Name}'.");

    private static GuestException TaggedTwice(LiveGuest guest, string tag) => new(
        GuestErrorIds.SharedFolderTagInvalid,
        $"Expected a tag that no other shared folder of guest '{guest.Name}' has, found '{tag}' twice.",
        guest.Name,
        $"Give another tag, or take the one that has it first: Remove-GuestSharedFolder '{guest.Name}' {tag}.");
}
