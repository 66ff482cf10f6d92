using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;
using PsVm.Machine.Board.Slots;
using PsVm.Machine.Devices.Disks;
using PsVm.Memory;
using PsVm.Memory.Copying;

namespace PsVm.Machine.Templates;

/// <summary>The disks of a guest of which a template is made.</summary>
/// <param name="devices">What is in the guest's slots.</param>
internal sealed class CheckpointDisks(GuestDevices devices)
{
    private readonly Disk[] _disks = [.. devices.All.OfType<DiskInSlot>().Select(slot => slot.Disk)];
    private readonly Dictionary<string, (string Name, SafeFileHandle File)> _files = [];

    /// <summary>Who may read all that is on those whose content becomes a part of the template.</summary>
    public FilePermissions Mode => _disks.Where(disk => disk.Overlay is not null)
        .Aggregate(FilePermissions.ACCESSPERMS, (mode, disk) => mode & (disk.Mode | FilePermissions.S_IRUSR));

    /// <summary>Makes the file of what was written over a disk.</summary>
    /// <param name="folder">The template's folder.</param>
    /// <param name="disk">The disk's name.</param>
    /// <exception cref="IOException">It cannot be made.</exception>
    public SafeFileHandle MakeFile(TemplateFolder folder, string disk)
    {
        string name = TemplatePart.DiskName(Array.FindIndex(_disks, other => other.Name == disk));
        SafeFileHandle file = folder.CreateFile(name);
        _files.Add(disk, (name, file));
        return file;
    }

    /// <summary>What is recorded of them, when their files are written.</summary>
    /// <param name="path">Where the template will be.</param>
    /// <param name="digest">The digests of their images are recorded, too.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="IOException">One cannot be read.</exception>
    public IReadOnlyList<TemplateDisk> Describe(string path, bool digest, CancellationToken cancellation) =>
    [
        .. _disks.Select(disk => new TemplateDisk
        {
            Name = disk.Name,
            ReadOnly = disk.IsReadOnly,
            Identity = disk.Image!.Now ?? disk.Image.Identity,
            Digest = digest ? disk.Image.Digest(cancellation) : null,
            Written = _files.TryGetValue(disk.Name, out (string Name, SafeFileHandle File) written)
                ? Describe(path, written.Name, written.File, cancellation)
                : null,
        }),
    ];

    private static TemplateDiskFile Describe(string path, string name, SafeFileHandle file, CancellationToken cancellation) => new()
    {
        File = Path.Combine(path, name),
        Bytes = DiskLayer.CountBytes(file),
        Digest = RamDigest.Of(file, cancellation),
        Identity = MemoryBackends.Identify(file) ?? throw new IOException($"'{name}' cannot be looked at"),
    };
}
