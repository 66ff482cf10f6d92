using PsVm.Machine.Devices.Virtio;
using PsVm.Riscv;
using PsVm.Riscv.Memory;

namespace PsVm.Machine.Devices;

/// <summary>What a board gives its devices to work with.</summary>
internal sealed record DeviceWires
{
    /// <summary>Number of harts.</summary>
    public required int Harts { get; init; }

    /// <summary>The wires to the harts.</summary>
    public required IHartLines Lines { get; init; }

    /// <summary>The guest's time, which stands still while the guest is held.</summary>
    public required IGuestClock Clock { get; init; }

    /// <summary>The host's time.</summary>
    public required TimeProvider Time { get; init; }

    /// <summary>The guest's RAM; it is there until the device has come to rest for good.</summary>
    public required PhysicalMemory Memory { get; init; }

    /// <summary>The guest's console.</summary>
    public required GuestConsole Console { get; init; }

    /// <summary>The host's ends of the named ports.</summary>
    public ConsolePorts Ports { get; init; } = new();

    /// <summary>Called with what the guest asks of the board's power, and with a code.</summary>
    public required Action<PowerRequest, uint> Power { get; init; }

    /// <summary>
    /// Called with the host CPU time that was used for the guest elsewhere than on its harts' threads, so that the guest pays for it.
    /// </summary>
    public Action<TimeSpan> Charge { get; init; } = static _ => { };

    /// <summary>Makes what is in the device, when it is a virtio slot; null: nothing is.</summary>
    public Func<VirtioPort, IVirtioDevice>? Inserted { get; init; }

    /// <summary>The device's interrupt lines, as many as its kind says.</summary>
    public IReadOnlyList<InterruptLine> Interrupts { get; init; } = [];
}

/// <summary>A wire from a device to the interrupt controller.</summary>
/// <param name="controller">The controller.</param>
/// <param name="source">The number of the source there.</param>
internal sealed class InterruptLine(IInterruptController controller, int source)
{
    /// <summary>Sets its level.</summary>
    public void Set(bool level) => controller.SetLevel(source, level);

    /// <summary>Makes it pending once, whatever its level.</summary>
    public void Pulse() => controller.Pulse(source);
}

/// <summary>What takes devices' interrupts to harts. Safe from any thread.</summary>
internal interface IInterruptController
{
    /// <summary>Sets the level of a source.</summary>
    void SetLevel(int source, bool level);

    /// <summary>Makes a source pending once, whatever its level.</summary>
    void Pulse(int source);
}
