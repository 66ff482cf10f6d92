using PsVm.Machine.Devices;
using PsVm.Machine.Devices.Virtio;
using PsVm.Machine.State;
using PsVm.Riscv;

namespace PsVm.Machine.Tests.Support;

/// <summary>A slot with a virtio device, in RAM of 1 MiB with 64 KiB of ROM behind it, and its interrupt line.</summary>
internal sealed class VirtioSlot : IInterruptController, IDisposable
{
    public const ulong RamStart = 0x8000_0000, RamSize = 1 << 20, RomStart = RamStart + RamSize, RamEnd = RomStart + (64 << 10);

    private long _chargedTicks;

    public VirtioSlot(Func<VirtioPort, IVirtioDevice>? create) => Device = new VirtioMmio(Wires(), create);

    /// <param name="create">Makes a device that works on the RAM by itself.</param>
    public VirtioSlot(Func<TestRam, VirtioPort, IVirtioDevice> create) => Device = new VirtioMmio(Wires(), port => create(Ram, port));

    public TestRam Ram { get; } = new((RamSize, false), (RamEnd - RomStart, true));

    public VirtioMmio Device { get; }

    /// <summary>Level of the interrupt line.</summary>
    public bool Line { get; private set; }

    /// <summary>How often the line rose.</summary>
    public int Rises { get; private set; }

    /// <summary>What is done when it rises, where a board would wake its hart.</summary>
    public Action? Rising { get; set; }

    /// <summary>CPU time that the guest was charged.</summary>
    public TimeSpan Charged => new(Interlocked.Read(ref _chargedTicks));

    /// <summary>The device's state as a template has it.</summary>
    public byte[] Save()
    {
        StateStream stream = new();
        Device.Transfer(stream);
        return stream.ToArray();
    }

    public void Restore(byte[] state)
    {
        StateStream stream = new(state);
        Device.Transfer(stream);
        stream.End();
    }

    public void SetLevel(int source, bool level)
    {
        Assert.Equal(1, source);
        bool rises = level && !Line;
        Rises += rises ? 1 : 0;
        Line = level;
        if (rises)
        {
            Rising?.Invoke();
        }
    }

    public void Pulse(int source) => Assert.Fail("virtio has levels");

    public void Dispose()
    {
        Device.Pause();
        Device.Drain(CancellationToken.None);
        Device.Dispose();
        Ram.Dispose();
    }

    private DeviceWires Wires() => new()
    {
        Harts = 1,
        Lines = new FakeHarts(1),
        Clock = new NoClock(),
        Time = TimeProvider.System,
        Memory = Ram.Memory.Physical,
        Console = new GuestConsole(),
        Power = (_, _) => { },
        Charge = cpu => Interlocked.Add(ref _chargedTicks, cpu.Ticks),
        Interrupts = [new InterruptLine(this, 1)],
    };

    private sealed class NoClock : IGuestClock
    {
        public ulong Frequency => 1;

        public ulong Now => 0;
    }
}
