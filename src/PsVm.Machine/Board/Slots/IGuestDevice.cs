using PsVm.Machine.Devices.Virtio;

namespace PsVm.Machine.Board.Slots;

/// <summary>
/// What a guest was given into a virtio slot of its board. It is open as long as the guest exists, over reboots and resets, each of which
/// has a board of its own; it goes with the guest. Safe from any thread.
/// </summary>
internal interface IGuestDevice : IDisposable
{
    /// <summary>
    /// What it is to the guest, such as <c>disk:root</c> or <c>balloon</c>. A guest has one of a role, and templates know it by that.
    /// </summary>
    string Role { get; }

    /// <summary>Bytes of the host's memory that it takes for this guest alone, and that count as the guest's own.</summary>
    long OwnBytes => 0;

    /// <summary>Has an operator told of what goes wrong with it from now on, in a clause. Called by each life of the guest.</summary>
    void Tell(Action<string> warn)
    {
    }

    /// <summary>Makes what a board has in the slot.</summary>
    /// <param name="port">The slot.</param>
    /// <param name="ram">The RAM of that life of the guest; it is there until the board is disposed of.</param>
    IVirtioDevice Create(VirtioPort port, GuestRam ram);

    /// <summary>A life of the guest has ended: what it is to that life's RAM is over, when this returns.</summary>
    /// <param name="ram">The RAM.</param>
    void EndLife(GuestRam ram)
    {
    }

    /// <summary>Refuses to be part of a template, where it would not stay as it is at the moment of that.</summary>
    /// <param name="guest">The guest's name, for the error.</param>
    /// <param name="detach">What cannot be in a template is detached from it.</param>
    /// <exception cref="GuestException">It would not.</exception>
    void CheckCheckpoint(string guest, bool detach)
    {
    }

    /// <summary>
    /// Keeps others from writing the guest's RAM without this process's knowing, or no longer; called while the guest stands still and is
    /// drained.
    /// </summary>
    void HoldBack(bool holds)
    {
    }
}
