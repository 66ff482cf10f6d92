namespace PsVm.Machine.Devices;

/// <summary>QEMU's panic device: a kernel that gives up says so, and is told apart from one that hangs.</summary>
/// <remarks>
/// Sources: QEMU's <c>docs/specs/pvpanic.rst</c>; Linux, devicetree binding <c>qemu,pvpanic-mmio</c>. Of the events it has the panic alone:
/// a kernel that another one takes over from (kdump) has not given up.
/// </remarks>
/// <param name="request">Called with <see cref="PowerRequest.Panic"/>.</param>
internal sealed class PvPanic(Action<PowerRequest, uint> request) : IDevice
{
    private const ulong Panicked = 1;

    /// <summary>What boards know of it.</summary>
    public static DeviceKind Kind { get; } = new()
    {
        Node = "pvpanic",
        Compatible = ["qemu,pvpanic-mmio"],
        Size = 2,
        Create = wires => new PvPanic(wires.Power),
    };

    public bool TryRead(ulong offset, int size, out ulong value)
    {
        value = offset == 0 ? Panicked : 0;
        return true;
    }

    public bool TryWrite(ulong offset, int size, ulong value)
    {
        if (offset == 0 && (value & Panicked) != 0)
        {
            request(PowerRequest.Panic, 0);
        }

        return true;
    }
}
