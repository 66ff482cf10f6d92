using PsVm.Memory.Native;

namespace PsVm.Machine.Devices.Virtio;

/// <summary>Random bytes of the host's kernel; each guest, and each clone, gets its own.</summary>
/// <remarks>Source: VIRTIO 1.2, section 5.4. A buffer gets as much as there is room for, at most a page: drivers ask again.</remarks>
/// <param name="port">Its transport.</param>
internal sealed class VirtioRng(VirtioPort port) : IVirtioDevice
{
    private const int MostBytes = 4096;

    /// <summary>What boards know of it.</summary>
    public static DeviceKind Kind { get; } = VirtioMmio.KindOf(port => new VirtioRng(port));

    public uint DeviceId => 4;

    public IReadOnlyList<int> QueueSizes { get; } = [64];

    public void Handle(int queue, VirtioChain chain)
    {
        Span<byte> bytes = stackalloc byte[(int)Math.Min(chain.WritableLength, MostBytes)];
        KernelCalls.FillRandom(bytes);
        port.Complete(chain, (uint)chain.Write(0, bytes));
    }
}
