namespace PsVm.Machine.Devices.Virtio;

/// <summary>What a virtio device has of its transport. Safe from any thread.</summary>
internal abstract class VirtioPort
{
    /// <summary>Has the transport look at a queue again, soon and on another thread.</summary>
    public abstract void Kick(int queue);

    /// <summary>
    /// Has a piece of a queue served at once, on the calling thread, which has no transport's gate; what is left is served on another
    /// thread. For what the guest waits for: a thread less wakes another.
    /// </summary>
    public abstract void KickHere(int queue);

    /// <summary>
    /// Does something with a buffer that was not completed, unless its driver is gone: then its memory is the guest's again.
    /// </summary>
    /// <param name="chain">The buffer.</param>
    /// <param name="work">Reads or writes the buffer; under the transport's gate, so it is to be short.</param>
    /// <returns>False: the driver is gone, and nothing was done.</returns>
    public abstract bool Use(VirtioChain chain, Action<VirtioChain> work);

    /// <summary>Gives a buffer back to its driver; nothing, when that is gone.</summary>
    /// <param name="chain">The buffer.</param>
    /// <param name="written">Bytes from the start of its writable part that were written, all of them.</param>
    public abstract void Complete(VirtioChain chain, uint written);

    /// <summary>
    /// Gives several buffers of one queue back at once: the driver sees all of them or none. Of a life of the queue that is over, none is
    /// given.
    /// </summary>
    /// <param name="buffers">Each buffer, and what was written as with <see cref="Complete(VirtioChain, uint)"/>.</param>
    public abstract void Complete(ReadOnlySpan<(VirtioChain Chain, uint Written)> buffers);

    /// <summary>Has the guest pay for host CPU time that the device used elsewhere than on the harts' threads.</summary>
    public abstract void Charge(TimeSpan cpu);

    /// <summary>
    /// Leaves the buffer that was taken last in its queue, as if it had not been; the device then says that it accepts none for now. Of
    /// several, the last one comes first.
    /// </summary>
    /// <param name="chain">The buffer, while it is handled, or while the guest is held.</param>
    public abstract void PutBack(VirtioChain chain);

    /// <summary>
    /// Interrupts the driver of a device whose queues others work on (<see cref="IVirtioQueueDevice"/>): buffers were used.
    /// </summary>
    public abstract void NotifyUsed();

    /// <summary>Tells the driver that the configuration space is another one.</summary>
    public abstract void NotifyConfigChanged();

    /// <summary>Stops the device until its driver resets it: what it was told makes no sense.</summary>
    /// <param name="reason">What was expected and what was found.</param>
    public abstract void Break(string reason);
}
