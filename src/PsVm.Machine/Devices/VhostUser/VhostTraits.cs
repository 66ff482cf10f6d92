using Microsoft.Win32.SafeHandles;
using PsVm.Machine.Devices.Virtio;
using PsVm.Memory.Native;

namespace PsVm.Machine.Devices.VhostUser;

/// <summary>What is known of a kind of device that daemons do the work of.</summary>
/// <param name="DeviceId">Its number, of chapter 5 of VIRTIO 1.2.</param>
/// <param name="Features">Features that guests may use where the daemon has them; others are passed on to nobody.</param>
/// <param name="QueueSizes">Sizes of its queues.</param>
/// <param name="ConfigSize">Bytes of its configuration space that the daemon is asked for; 0: it is this process's matter.</param>
internal sealed record VhostTraits(uint DeviceId, ulong Features, IReadOnlyList<int> QueueSizes, int ConfigSize)
{
    // VIRTIO_F_INDIRECT_DESC, VIRTIO_F_EVENT_IDX and VIRTIO_F_VERSION_1; not packed rings, nor addresses behind an IOMMU.
    private const ulong Transport = (1ul << 28) | (1ul << 29) | (1ul << 32);

    /// <summary>A file system: a queue for what cannot wait, and one for requests. Source: VIRTIO 1.2, section 5.11.</summary>
    public static VhostTraits FileSystem { get; } = new(26, Transport, [64, 1024], 0);

    /// <summary>
    /// A disk with one queue: SIZE_MAX, SEG_MAX, GEOMETRY, RO, BLK_SIZE, FLUSH, TOPOLOGY, DISCARD and WRITE_ZEROES. Source: VIRTIO 1.2,
    /// section 5.2.
    /// </summary>
    /// <remarks>
    /// Not CONFIG_WCE: qemu-storage-daemon 7.2 has a cache for writes and says by it that it has none, so that no guest would flush.
    /// Without it a guest flushes where there is FLUSH.
    /// </remarks>
    public static VhostTraits Block { get; } = new(
        2, Transport | (1 << 1) | (1 << 2) | (1 << 4) | (1 << 5) | (1 << 6) | (1 << 9) | (1 << 10) | (1 << 13) | (1 << 14), [256], 60);

    /// <summary>It is a file system; else a disk.</summary>
    public bool IsFileSystem => this == FileSystem;

    /// <summary>What they are called in messages.</summary>
    public string Name => IsFileSystem ? "shared folder" : "disk";
}

/// <summary>A range of a guest's memory as a daemon gets it.</summary>
/// <param name="Address">Guest physical address.</param>
/// <param name="Size">Bytes.</param>
/// <param name="File">The file behind it.</param>
/// <param name="Offset">Where in that it begins.</param>
internal sealed record VhostRegion(ulong Address, ulong Size, SafeFileHandle File, ulong Offset);

/// <summary>What front end and daemon tell each other by, for each queue of a device.</summary>
internal sealed class VhostWires : IDisposable
{
    /// <param name="queues">How many queues the device has.</param>
    public VhostWires(int queues)
    {
        (Kicks, Calls, Errors) = (Make(), Make(), Make());

        EventDescriptor[] Make() => [.. Enumerable.Range(0, queues).Select(_ => new EventDescriptor())];
    }

    /// <summary>Tell the daemon that there are buffers.</summary>
    public IReadOnlyList<EventDescriptor> Kicks { get; }

    /// <summary>Tell that buffers were used.</summary>
    public IReadOnlyList<EventDescriptor> Calls { get; }

    /// <summary>Tell that the daemon cannot go on with a queue.</summary>
    public IReadOnlyList<EventDescriptor> Errors { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (EventDescriptor one in Kicks.Concat(Calls).Concat(Errors))
        {
            one.Dispose();
        }
    }
}

/// <summary>What a driver has handed over, from its start to its reset.</summary>
/// <param name="Features">What driver and device agreed on.</param>
/// <param name="Queues">The queues.</param>
/// <param name="Regions">The guest's memory.</param>
/// <param name="Wires">How front end and daemon tell each other.</param>
internal sealed record VhostLife(
    ulong Features, IReadOnlyList<VirtioQueuePlace> Queues, IReadOnlyList<VhostRegion> Regions, VhostWires Wires) : IDisposable
{
    /// <summary>What the daemon notes requests under way in; null: nothing yet, or it does not.</summary>
    public (SafeFileHandle File, ulong Size, ulong Offset)? Inflight { get; set; }

    /// <inheritdoc/>
    public void Dispose() => Inflight?.File.Dispose();
}
