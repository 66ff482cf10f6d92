using PsVm.Machine.Devices.Disks;
using PsVm.Machine.Devices.Virtio;
using PsVm.Memory.Files;
using PsVm.Memory.Options;

namespace PsVm.Machine.Board.Slots;

/// <summary>Disks: raw images, written, read-only, or under an overlay.</summary>
internal sealed class DiskKind : IGuestDeviceKind
{
    private const string RolePrefix = "disk:";
    private const int LongestName = 20; // what the driver can be told

    /// <summary>The role of a disk.</summary>
    public static string RoleOf(string name) => RolePrefix + name;

    /// <inheritdoc/>
    public IEnumerable<GuestDevicePlan> Plan(GuestOptions options, GuestTemplate? template)
    {
        if (options.Disks.Count == 0 && template is null or { Disks.Count: 0 })
        {
            return [];
        }

        GuestDiskOptions[] disks = [.. options.Disks.Select(
            (disk, place) => disk.Name is null ? disk with { Name = NameAt(place, template) } : disk)];
        CheckNames(disks);
        if (template is not null)
        {
            CheckAgainst(template, disks);
        }

        return [.. disks.Select(disk => PlanOf(disk, template))];
    }

    /// <inheritdoc/>
    public Func<VirtioPort, IVirtioDevice>? Show(string role, GuestTemplate template) =>
        template.Disks.FirstOrDefault(disk => RoleOf(disk.Name) == role) is { } disk
            ? port => new VirtioBlk(
                port, new Disk(disk.Name, disk.Identity.Size, disk.ReadOnly, image: null, disk.ReadOnly ? null : MemoryOverlay.Maker()))
            : null;

    private static GuestDevicePlan PlanOf(GuestDiskOptions disk, GuestTemplate? template)
    {
        TemplateDisk? recorded = template?.Disks.First(recorded => recorded.Name == disk.Name);
        disk = recorded is null ? disk : disk with { ReadOnly = recorded.ReadOnly };
        DiskAccessResolution access = DiskAccess.Resolve(disk, isClone: recorded is not null);
        return access.Error is var (message, action)
            ? throw new GuestException(GuestErrorIds.DiskOptionConflict, $"Disk '{disk.Name}': {message}", disk.Path, action)
            : new GuestDevicePlan(RoleOf(disk.Name!), host => Open(disk, access, host, template, recorded));
    }

    private static DiskInSlot Open(
        GuestDiskOptions options, DiskAccessResolution access, GuestDeviceHost host, GuestTemplate? template, TemplateDisk? recorded)
    {
        DiskFile image = DiskFile.Open(options.Path, access.Mode == FileAccessMode.ReadWrite);
        DiskLayer? layer = null;
        try
        {
            if (recorded is not null)
            {
                CheckImage(template!, recorded, image);
            }

            DiskOverlayMaker? overlay = access.Overlay switch
            {
                DiskOverlay.Memory => MemoryOverlay.Maker(host.HasRoom),
                DiskOverlay.File when host.OnlyLooks => Looked(options.OverlayPath!, image, isClone: recorded is not null),
                DiskOverlay.File =>
                    (_, read) => OverlayFile.Open(options.OverlayPath!, image.Identity, isClone: recorded is not null, read),
                _ => null,
            };
            layer = recorded is null ? null : host.DiskLayers(recorded);
            Disk disk = new(options.Name!, image.Identity.Size, options.ReadOnly, image, overlay, layer);
            return new DiskInSlot(RoleOf(options.Name!), options, access, disk);
        }
        catch
        {
            layer?.Dispose();
            image.Dispose();
            throw;
        }
    }

    private static DiskOverlayMaker? Looked(string path, DiskFile image, bool isClone)
    {
        OverlayFile.Check(path, image.Identity, isClone);
        return null;
    }

    private static string NameAt(int place, GuestTemplate? template) =>
        place < template?.Disks.Count ? template.Disks[place].Name : $"disk{place}";

    private static void CheckNames(GuestDiskOptions[] disks)
    {
        foreach (GuestDiskOptions disk in disks)
        {
            bool isName = SlotNames.IsName(disk.Name!, LongestName);
            if (!isName || disks.Count(other => other.Name == disk.Name) > 1)
            {
                throw new GuestException(
                    GuestErrorIds.DiskNameInvalid,
                    $"Expected names of disks of 1 to {LongestName} letters, digits, '-', '.' and '_', each once, found "
                    + $"'{VisibleText.Of(disk.Name!)}'"
                    + $"{(isName ? " twice" : "")}.",
                    disk.Path,
                    "Give other names, or none: disks are disk0, disk1 and so on then.");
            }
        }
    }

    /// <summary>Sees to it that the disks are those of the template, by their names, and no more writable than there.</summary>
    private static void CheckAgainst(GuestTemplate template, GuestDiskOptions[] disks)
    {
        string[] names = [.. template.Disks.Select(disk => disk.Name)];
        if (!names.Order(StringComparer.Ordinal).SequenceEqual(disks.Select(disk => disk.Name!).Order(StringComparer.Ordinal)))
        {
            string wanted = names.Length == 0 ? "no disk" : $"the disks {string.Join(", ", template.Disks.Select(Describe))}";
            throw new GuestException(
                GuestErrorIds.TemplateDiskMissing,
                $"Expected {wanted} with template '{template.Path}', found "
                    + $"{(disks.Length == 0 ? "none" : string.Join(", ", disks.Select(disk => disk.Name)))}.",
                template.Path,
                names.Length == 0
                    ? "Leave out the disks: the template's guest had none."
                    : "Give the images that the template was made with (Disk).");
        }

        if (disks.FirstOrDefault(given => given.ReadOnly && !template.Disks.First(disk => disk.Name == given.Name).ReadOnly) is { } wrong)
        {
            throw new GuestException(
                GuestErrorIds.DiskOptionConflict,
                $"Disk '{wrong.Name}': ReadOnly, which template '{template.Path}' has it not: its guest may write it.",
                wrong.Path,
                "Leave out ReadOnly: what a clone writes stays in memory.");
        }
    }

    private static string Describe(TemplateDisk disk) => $"{disk.Name} ({ByteSize.ToText(disk.Identity.Size)})";

    private static void CheckImage(GuestTemplate template, TemplateDisk recorded, DiskFile image)
    {
        FileIdentity wanted = recorded.Identity, found = image.Identity;
        bool isSame = wanted.Inode == found.Inode && wanted.Size == found.Size && wanted.ModifiedNanoseconds == found.ModifiedNanoseconds
            && wanted.ChangedNanoseconds == found.ChangedNanoseconds;
        if (!isSame && !(recorded.Digest is { } digest && wanted.Size == found.Size && image.Digest(CancellationToken.None) == digest))
        {
            throw new GuestException(
                GuestErrorIds.TemplateDiskMismatch,
                $"Expected as disk '{recorded.Name}' of template '{template.Path}' an image of {ByteSize.ToExactText(wanted.Size)}, inode "
                + $"{wanted.Inode}, as it "
                + $"was then, found '{image.Path}' with {ByteSize.ToExactText(found.Size)}, inode {found.Inode}, "
                + $"{(recorded.Digest is null ? "changed since or another one" : "and another digest")}.",
                image.Path,
                "Give the image that the template was made with; a copy of it starts when the template was made with Digest.");
        }
    }
}
