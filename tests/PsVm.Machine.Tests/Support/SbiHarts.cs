using PsVm.Machine.Board;
using PsVm.Machine.Devices;
using PsVm.Machine.Firmware;
using PsVm.Machine.State;
using PsVm.Riscv;

namespace PsVm.Machine.Tests.Support;

/// <summary>Harts on the built-in SBI that do not run, the first of them started, with 128 KiB of RAM and 4 KiB of ROM behind it.</summary>
internal sealed class SbiHarts : IDisposable
{
    public const ulong Entry = MemoryMap.RamStart + 0x1000, Rom = MemoryMap.RamStart + 0x2_0000;
    public const long Success = 0, Failed = -1, NotSupported = -2, InvalidParameter = -3, Denied = -4, InvalidAddress = -5;
    public const long AlreadyStarted = -7, AlreadyStopped = -8, NoSharedMemory = -9, DeniedLocked = -14;
    public const ulong HartState = 0x48534d;

    public SbiHarts(int harts = 2, DeviceBus? bus = null)
    {
        Harts = new Hart[harts];
        Lines = new FakeHarts(harts);
        Sbi = new Sbi(Harts, Lines, Ram.Memory, Console, (_, _) => { });
        GuestClock clock = new();
        for (int hart = 0; hart < harts; hart++)
        {
            Harts[hart] = new Hart(hart, Ram.Memory.Physical, bus ?? new DeviceBus(), clock, Sbi);
        }

        Sbi.Start(0, Entry, 0);
        Sbi.Prepare(Harts[0]);
    }

    public Hart[] Harts { get; }

    public FakeHarts Lines { get; }

    public GuestConsole Console { get; } = new();

    public TestRam Ram { get; } = new((0x2_0000, false), (0x1000, true));

    public Sbi Sbi { get; }

    public (long Error, ulong Value) Call(ulong extension, ulong function, params ReadOnlySpan<ulong> arguments) =>
        Call(Harts[0], extension, function, arguments);

    public (long Error, ulong Value) Call(Hart hart, ulong extension, ulong function, params ReadOnlySpan<ulong> arguments)
    {
        (hart[17], hart[16]) = (extension, function);
        for (int i = 0; i < 6; i++)
        {
            hart[10 + i] = i < arguments.Length ? arguments[i] : 0;
        }

        Assert.True(Sbi.TryHandleCall(hart));
        return ((long)hart[10], hart[11]);
    }

    public byte[] Save(uint version = Sbi.NewestState)
    {
        StateStream stream = new(version);
        Sbi.Transfer(stream);
        return stream.ToArray();
    }

    public void Restore(byte[] state, uint version = Sbi.NewestState)
    {
        StateStream stream = new(state, version);
        Sbi.Transfer(stream);
        stream.End();
    }

    public void Dispose()
    {
        Array.ForEach(Harts, hart => hart.Dispose());
        Ram.Dispose();
    }
}
