using System.Buffers.Binary;
using PsVm.Machine.Devices.Virtio;
using PsVm.Machine.State;

namespace PsVm.Machine.Devices.VhostUser;

/// <summary>
/// Stands for a device of another process that a template's guest had, from which it was detached when the template was made: its driver
/// goes on and gets an error for each request, at once, those too that waited.
/// </summary>
/// <remarks>
/// Not DEVICE_NEEDS_RESET: Linux's drivers do not look at that, and a device that wants a reset uses no buffers, so all who use it would
/// wait for ever.
/// </remarks>
/// <param name="port">The slot.</param>
/// <param name="traits">What is known of the kind of device.</param>
/// <param name="tag">What the guest mounts a shared folder by.</param>
internal sealed class DetachedDevice(VirtioPort port, VhostTraits traits, string tag) : IVirtioDevice
{
    private const byte BlockError = 1; // VIRTIO_BLK_S_IOERR: VIRTIO 1.2, section 5.2.6
    private const int AnswerSize = 16, NotConnected = 107; // struct fuse_out_header of Linux's fuse.h, ENOTCONN
    private const ulong UniqueOffset = 8; // in struct fuse_in_header

    private readonly byte[] _config = new byte[traits.ConfigSize];

    /// <inheritdoc/>
    public uint DeviceId => traits.DeviceId;

    /// <summary>All that any daemon may have: those that driver and daemon agreed on are among them.</summary>
    public ulong Features => traits.Features;

    /// <inheritdoc/>
    public IReadOnlyList<int> QueueSizes => traits.QueueSizes;

    /// <inheritdoc/>
    public int ConfigSize => traits.IsFileSystem ? VhostUserDevice.FileSystemConfigSize : traits.ConfigSize;

    /// <inheritdoc/>
    public void ReadConfig(Span<byte> config)
    {
        if (traits.IsFileSystem)
        {
            VhostUserDevice.WriteFileSystem(config, tag, QueueSizes.Count - 1);
        }
        else
        {
            _config.CopyTo(config);
        }
    }

    /// <inheritdoc/>
    public void Handle(int queue, VirtioChain chain)
    {
        uint written = traits.IsFileSystem ? AnswerFileSystem(chain) : AnswerBlock(chain);
        port.Complete(chain, written);
    }

    /// <inheritdoc/>
    public void Transfer(StateStream state) => state.Transfer(_config.AsSpan());

    private static uint AnswerBlock(VirtioChain chain)
    {
        if (chain.WritableLength > 0)
        {
            chain.Write(chain.WritableLength - 1, [BlockError]);
        }

        return 0;
    }

    // A request without room for an answer, as FUSE_FORGET is, gets none.
    private static uint AnswerFileSystem(VirtioChain chain)
    {
        Span<byte> answer = stackalloc byte[AnswerSize];
        if (chain.WritableLength < AnswerSize || chain.Read(UniqueOffset, answer[8..]) < sizeof(ulong))
        {
            return 0;
        }

        BinaryPrimitives.WriteInt32LittleEndian(answer, AnswerSize);
        BinaryPrimitives.WriteInt32LittleEndian(answer[4..], -NotConnected);
        return (uint)chain.Write(0, answer);
    }
}
