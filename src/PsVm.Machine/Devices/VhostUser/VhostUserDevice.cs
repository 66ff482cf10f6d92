using System.Buffers.Binary;
using System.Text;
using PsVm.Machine.Devices.Virtio;
using PsVm.Machine.State;

namespace PsVm.Machine.Devices.VhostUser;

/// <summary>A device whose work a daemon does, on one board: a shared folder or a disk.</summary>
/// <param name="frontEnd">The way to the daemon.</param>
/// <param name="board">The board, which the front end has been told of.</param>
/// <param name="tag">What the guest mounts a shared folder by: at most 36 bytes.</param>
internal sealed class VhostUserDevice(VhostFrontEnd frontEnd, VhostBoard board, string tag) : IVirtioQueueDevice
{
    /// <summary>Bytes of the configuration space of a file system.</summary>
    public const int FileSystemConfigSize = TagSize + sizeof(uint);

    private const int TagSize = 36;

    /// <inheritdoc/>
    public uint DeviceId => frontEnd.Traits.DeviceId;

    /// <inheritdoc/>
    public ulong Features => frontEnd.Features;

    /// <inheritdoc/>
    public IReadOnlyList<int> QueueSizes => frontEnd.Traits.QueueSizes;

    /// <inheritdoc/>
    public int ConfigSize => IsFileSystem ? FileSystemConfigSize : frontEnd.Traits.ConfigSize;

    private bool IsFileSystem => frontEnd.Traits.IsFileSystem;

    /// <inheritdoc/>
    public void ReadConfig(Span<byte> config)
    {
        if (IsFileSystem)
        {
            WriteFileSystem(config, tag, QueueSizes.Count - 1);
        }
        else
        {
            frontEnd.Config.CopyTo(config);
        }
    }

    /// <summary>Writes the configuration space of a file system.</summary>
    /// <param name="config">The space.</param>
    /// <param name="tag">What it is mounted by.</param>
    /// <param name="queues">Queues of requests.</param>
    public static void WriteFileSystem(Span<byte> config, string tag, int queues)
    {
        Encoding.UTF8.GetBytes(tag).CopyTo(config);
        BinaryPrimitives.WriteInt32LittleEndian(config[TagSize..], queues);
    }

    /// <inheritdoc/>
    public void Handle(int queue, VirtioChain chain) => throw new InvalidOperationException("others work on its queues");

    /// <inheritdoc/>
    public void Begin(ulong features, IReadOnlyList<VirtioQueuePlace> queues) => frontEnd.Begin(board, features, queues);

    /// <inheritdoc/>
    public void Notify(int queue) => frontEnd.Notify(queue);

    /// <inheritdoc/>
    public void Reset() => frontEnd.End(board);

    /// <inheritdoc/>
    public void Drain(CancellationToken cancellation) => frontEnd.Rest(board);

    /// <inheritdoc/>
    public void GoOn() => frontEnd.GoOn();

    /// <summary>Takes to a template what <see cref="DetachedDevice"/> shows of it.</summary>
    public void Transfer(StateStream state)
    {
        byte[] config = new byte[frontEnd.Traits.ConfigSize];
        frontEnd.Config.AsSpan(0, Math.Min(config.Length, frontEnd.Config.Length)).CopyTo(config);
        state.Transfer(config.AsSpan());
    }
}
