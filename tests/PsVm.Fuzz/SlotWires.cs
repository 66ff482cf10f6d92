using PsVm.Machine;
using PsVm.Machine.Devices;
using PsVm.Riscv;

namespace PsVm.Fuzz;

/// <summary>What a board gives a virtio slot, without a board.</summary>
internal static class SlotWires
{
    public static DeviceWires Of(GuardedRam ram) => new()
    {
        Harts = 1,
        Lines = new NoHarts(),
        Clock = new NoHarts(),
        Time = TimeProvider.System,
        Memory = ram.Memory.Physical,
        Console = new GuestConsole(),
        Power = (_, _) => { },
        Interrupts = [new InterruptLine(new NoHarts(), 1)],
    };

    private sealed class NoHarts : IHartLines, IGuestClock, IInterruptController
    {
        public ulong Frequency => 1;

        public ulong Now => 0;

        public void SetInterrupt(int hart, InterruptLines lines, bool level)
        {
        }

        public void Wake(int hart)
        {
        }

        public void NoteSource()
        {
        }

        public ulong GetTimer(int hart) => 0;

        public void SetTimer(int hart, ulong compare)
        {
        }

        public void SetLevel(int source, bool level)
        {
        }

        public void Pulse(int source)
        {
        }
    }
}
