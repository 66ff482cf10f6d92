using System.Runtime.InteropServices;
using PsVm.Machine.Board;
using PsVm.Machine.Devices;
using PsVm.Machine.Scheduling;
using PsVm.Riscv;

namespace PsVm.Machine.Tests.Support;

/// <summary>A board with a program of machine mode at the start of RAM, and its harts on a scheduler.</summary>
internal sealed unsafe class BareMachine : IDisposable
{
    private const ulong RamSize = 64 << 10;

    private readonly byte* _ram = (byte*)NativeMemory.AlignedAlloc((nuint)RamSize, 4096);
    private readonly CodeCache _code = new();

    public BareMachine(HartScheduler scheduler, int harts, params uint[] program)
        : this(scheduler, new CpuAccount(), harts, program)
    {
    }

    public BareMachine(HartScheduler scheduler, CpuAccount account, int harts, params uint[] program)
    {
        NativeMemory.Clear(_ram, (nuint)RamSize);
        MemoryMarshal.AsBytes<uint>(program).CopyTo(Ram);
        Board = new(
            MachineType.Get("virt-1.3"),
            new GuestMemory([((nint)_ram, RamSize, false)]), harts, environment: null, _code, new GuestConsole(), (_, _) => OnPower());
        Board.PowerOn(new BootEntry(MemoryMap.RamStart, 0, 0));
        Group = new HartGroup(scheduler, account, Board, () => OnSlice(), Fail, End);
    }

    public GuestBoard Board { get; }

    /// <summary>All of RAM.</summary>
    public Span<byte> Ram => new(_ram, (int)RamSize); // Safety: it is there until the machine is disposed

    public HartGroup Group { get; }

    public Action OnSlice { get; set; } = () => { };

    public Action OnPower { get; set; } = () => { };

    public Action OnFailure { get; set; } = () => { };

    public Action OnEnd { get; set; } = () => { };

    public List<Exception> Failures { get; } = [];

    public int Ends { get; private set; }

    public long Instructions => Board.Harts.Sum(hart => (long)hart.InstructionsRetired);

    public TimeSpan CpuTime => TimeSpan.FromTicks(Group.Harts.Sum(hart => hart.CpuTime.Ticks));

    public void Dispose()
    {
        Board.Dispose();
        _code.Dispose();
        NativeMemory.AlignedFree(_ram);
    }

    private void End()
    {
        Ends++;
        OnEnd();
    }

    private void Fail(Exception failure)
    {
        OnFailure();
        Failures.Add(failure);
        Group.Stop();
    }
}
