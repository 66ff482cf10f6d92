namespace PsVm.Machine.Devices.Virtio;

/// <summary>
/// A device whose queues somebody else works on, such as another process: the transport looks into none of them.
/// <see cref="IVirtioDevice.Features"/> are all that it offers, those of transports too. Called under the transport's gate, but for
/// <see cref="IVirtioDevice.Drain"/>, which stops the work on the queues until <see cref="GoOn"/>.
/// </summary>
internal interface IVirtioQueueDevice : IVirtioDevice
{
    /// <summary>A driver is there: work on its queues begins. They were checked to be in RAM, each piece beside the others.</summary>
    /// <param name="features">What driver and device agreed on.</param>
    /// <param name="queues">Those that the driver has given a place.</param>
    void Begin(ulong features, IReadOnlyList<VirtioQueuePlace> queues);

    /// <summary>The driver says that there are buffers in a queue.</summary>
    void Notify(int queue);

    /// <summary>The guest goes on after a pause.</summary>
    void GoOn();
}

/// <summary>Where a queue is, by guest physical addresses.</summary>
/// <param name="Number">Its number.</param>
/// <param name="Size">Its entries.</param>
/// <param name="Descriptors">Address of the descriptors.</param>
/// <param name="Driver">Address of the driver's ring.</param>
/// <param name="Device">Address of the device's ring.</param>
internal readonly record struct VirtioQueuePlace(int Number, int Size, ulong Descriptors, ulong Driver, ulong Device);
