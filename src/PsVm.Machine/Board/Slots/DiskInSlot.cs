using PsVm.Machine.Devices.Disks;
using PsVm.Machine.Devices.Virtio;
using PsVm.Memory.Options;

namespace PsVm.Machine.Board.Slots;

/// <summary>A disk that a guest was given.</summary>
/// <param name="role">Its role.</param>
/// <param name="options">What was asked for.</param>
/// <param name="access">How its image is open, and why.</param>
/// <param name="disk">The disk, its own from here on.</param>
internal sealed class DiskInSlot(string role, GuestDiskOptions options, DiskAccessResolution access, Disk disk) : IGuestDevice
{
    /// <inheritdoc/>
    public string Role => role;

    /// <inheritdoc/>
    public long OwnBytes => disk.Overlay?.OwnBytes ?? 0;

    /// <summary>The disk.</summary>
    public Disk Disk => disk;

    /// <summary>What was asked for, its name too.</summary>
    public GuestDiskOptions Options => options;

    /// <inheritdoc/>
    public void Tell(Action<string> warn) => disk.Failed = failure => warn($"a request of disk '{disk.Name}' failed: {failure}");

    /// <inheritdoc/>
    public IVirtioDevice Create(VirtioPort port, GuestRam ram) => new VirtioBlk(port, disk);

    /// <inheritdoc/>
    public void CheckCheckpoint(string guest, bool detach)
    {
        if (!disk.IsReadOnly && disk.Overlay is null)
        {
            throw new GuestException(
                GuestErrorIds.CheckpointDiskWritten,
                $"Expected disks of guest '{guest}' whose images stay as they are, found that it writes that of '{disk.Name}' "
                    + $"('{disk.Image?.Path}').",
                guest,
                "Start it with an overlay over the disk, or with the disk ReadOnly.");
        }
    }

    /// <summary>It as it is now.</summary>
    /// <param name="guest">The guest's name.</param>
    public GuestDisk Show(string guest)
    {
        (long read, long written, long failures, string? lastFailure) = disk.Counts;
        return new GuestDisk
        {
            Guest = guest,
            Name = disk.Name,
            Path = options.Path,
            Size = disk.Size,
            ReadOnly = disk.IsReadOnly,
            EffectiveMode = access.Mode,
            Reason = access.Reason,
            Overlay = access.Overlay,
            OverlayBytes = disk.OverlayBytes,
            OverlayPath = options.OverlayPath,
            TemplateBytes = disk.Layer?.Bytes ?? 0,
            TemplatePath = disk.Layer?.Path,
            ReadBytes = read,
            WrittenBytes = written,
            Failures = failures,
            LastFailure = lastFailure,
        };
    }

    /// <inheritdoc/>
    public void Dispose() => disk.Dispose();
}
