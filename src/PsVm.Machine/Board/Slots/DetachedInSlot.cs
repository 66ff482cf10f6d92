using PsVm.Machine.Devices.VhostUser;
using PsVm.Machine.Devices.Virtio;

namespace PsVm.Machine.Board.Slots;

/// <summary>
/// The place of a device of another process that a template's guest had: there is none for clones, and what uses it gets errors.
/// </summary>
/// <param name="role">Its role.</param>
/// <param name="traits">What is known of the kind of device.</param>
/// <param name="tag">What the guest knew it by.</param>
internal sealed class DetachedInSlot(string role, VhostTraits traits, string tag) : IGuestDevice
{
    /// <inheritdoc/>
    public string Role => role;

    /// <inheritdoc/>
    public void Tell(Action<string> warn) => warn(
        $"its template was made with DetachVhostUser, so {traits.Name} '{tag}' of another process is not there: requests to it give errors "
        + (traits.IsFileSystem ? "(ENOTCONN). Share a folder with it by SharedFolder" : "(EIO). Give it disks by Disk"));

    /// <inheritdoc/>
    public IVirtioDevice Create(VirtioPort port, GuestRam ram) => new DetachedDevice(port, traits, tag);

    /// <inheritdoc/>
    public void Dispose()
    {
        // It holds nothing.
    }
}
