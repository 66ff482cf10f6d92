using PsVm.Machine.Devices.Disks;
using PsVm.Machine.Devices.Networks;
using PsVm.Machine.Devices.Virtio;

namespace PsVm.Machine.Board.Slots;

/// <summary>A kind of device that guests can be given into slots, such as disks. It has no state of its own.</summary>
internal interface IGuestDeviceKind
{
    /// <summary>Checks what is asked for of this kind and says what is to be made of it; nothing is opened. Pure.</summary>
    /// <param name="options">What is asked for; where it says nothing of this kind, a clone may have what the template's guest had.</param>
    /// <param name="template">The template that the guest begins from; null: it boots.</param>
    /// <exception cref="GuestException">It contradicts itself, or does not fit the template.</exception>
    IEnumerable<GuestDevicePlan> Plan(GuestOptions options, GuestTemplate? template);

    /// <summary>
    /// What stands in a slot while a template's state is looked at: it has the state and nothing of the host's, and never works.
    /// </summary>
    /// <param name="role">The role in the template.</param>
    /// <param name="template">The template.</param>
    /// <returns>Null: the role is none of this kind.</returns>
    Func<VirtioPort, IVirtioDevice>? Show(string role, GuestTemplate template);
}

/// <summary>A device that is to be made.</summary>
/// <param name="Role">Its role.</param>
/// <param name="Open">
/// Makes it, with all of the host's that it needs; throws a <see cref="GuestException"/> where that cannot be had.
/// </param>
internal sealed record GuestDevicePlan(string Role, Func<GuestDeviceHost, IGuestDevice> Open)
{
    /// <summary>
    /// What it is to the guest's RAM; the guest is not put together where it may not be that (memory-backends rules, section 6).
    /// </summary>
    public IReadOnlyList<MemoryConsumer> Consumers { get; init; } = [];

    /// <summary>
    /// Finds out what would be wrong, without making it: for what is more than open files. Null: it is made, and disposed of. Throws as
    /// <see cref="Open"/>.
    /// </summary>
    public Action<GuestDeviceHost>? Check { get; init; }
}

/// <summary>What a host of guests has for the devices of a guest.</summary>
/// <param name="HasRoom">Whether the host has memory for more; asked from any thread.</param>
/// <param name="OnlyLooks">It is found out whether the guest could be put together: nothing is made or changed.</param>
internal sealed record GuestDeviceHost(Func<bool> HasRoom, bool OnlyLooks = false)
{
    /// <summary>What a template's guest had written over a disk of it, held for the caller; null: nothing that is in a file.</summary>
    public Func<TemplateDisk, DiskLayer?> DiskLayers { get; init; } = static _ => null;

    /// <summary>Segments of its guests, and addresses of their adapters.</summary>
    public NetworkHubs Networks { get; init; } = new();
}
