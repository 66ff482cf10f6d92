using PsVm.Machine.State;

namespace PsVm.Machine.Devices.Virtio;

/// <summary>
/// A device behind a virtio transport: what it is, what it can, and what it does with the buffers that drivers give it. Rings, interrupts,
/// a driver's mistakes, the bounds of a piece of work and the guest's pauses are the transport's matter (<see cref="VirtioMmio"/>), which
/// calls it under its gate, one at a time.
/// </summary>
/// <remarks>
/// A device whose work takes long does it elsewhere: it keeps the chain and completes it later, from any thread, by its
/// <see cref="VirtioPort"/>. What holds something of the host's is <see cref="IDisposable"/>, too. Source: VIRTIO 1.2, chapters 2 and 5.
/// </remarks>
internal interface IVirtioDevice : IStateful
{
    /// <summary>What it is: a number of chapter 5.</summary>
    uint DeviceId { get; }

    /// <summary>What it can, as bits of its kind of device (0 to 23 and from 50 on); those of the transport come to them.</summary>
    ulong Features => 0;

    /// <summary>Sizes of its queues, by number: powers of two.</summary>
    IReadOnlyList<int> QueueSizes { get; }

    /// <summary>Bytes of its configuration space.</summary>
    int ConfigSize => 0;

    /// <summary>Shows its configuration space.</summary>
    /// <param name="config">All of it, zeros to begin with.</param>
    void ReadConfig(Span<byte> config)
    {
    }

    /// <summary>A driver writes to its configuration space; what it must not write is to be left as it is.</summary>
    /// <param name="offset">Where; the bytes are inside the space.</param>
    /// <param name="bytes">1, 2, 4 or 8 of them.</param>
    void WriteConfig(int offset, ReadOnlySpan<byte> bytes)
    {
    }

    /// <summary>A driver is there (DRIVER_OK), also one that was there when the state was taken.</summary>
    /// <param name="features">What driver and device agreed on.</param>
    void Activate(ulong features)
    {
    }

    /// <summary>
    /// It can do something with the next buffer of a queue. One that cannot says so by <see cref="VirtioPort.Kick"/> as soon as it can; the
    /// buffers stay in the queue until then.
    /// </summary>
    bool Accepts(int queue) => true;

    /// <summary>
    /// Does what a buffer asks for, or begins it. What is done at once is to be bounded, whatever the size of the buffer.
    /// </summary>
    /// <param name="queue">Number of the queue.</param>
    /// <param name="chain">The buffer; completed now or later, once.</param>
    void Handle(int queue, VirtioChain chain);

    /// <summary>
    /// The driver has reset it: what has not begun is forgotten. What has is finished without the driver, and nothing new overtakes it.
    /// </summary>
    void Reset()
    {
    }

    /// <summary>
    /// Waits, not under the gate, until nothing is under way: the guest is held, and what was begun is completed meanwhile.
    /// </summary>
    /// <param name="cancellation">Gives up.</param>
    void Drain(CancellationToken cancellation)
    {
    }

    /// <inheritdoc/>
    void IStateful.Transfer(StateStream state)
    {
    }
}
