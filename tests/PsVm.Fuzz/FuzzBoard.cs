using PsVm.Machine;
using PsVm.Machine.Board;
using PsVm.Machine.Devices;
using PsVm.Machine.Firmware;
using PsVm.Machine.Templates;
using PsVm.Riscv;

namespace PsVm.Fuzz;

/// <summary>A board that nobody runs, in RAM that is guarded.</summary>
internal sealed class FuzzBoard : IDisposable
{
    public static readonly Guid Template = new("6d9f2f0a-8f0e-4a55-9d0f-0c2d6a3b7e11");

    private static readonly Guid s_uuid = new("b2a7c8de-52f1-4f5e-8b52-0d6a1f0c9a77");

    private readonly CodeCache _code = new(TranslatorOptions.Off);

    public FuzzBoard(int harts, bool firmware, params IReadOnlyList<(ulong Size, bool ReadOnly)> blocks)
    {
        Ram = new GuardedRam(blocks);
        Board = new GuestBoard(
            Machine,
            Ram.Memory,
            harts,
            firmware ? null : Sbi.For(Ram.Memory, Console, (_, _) => PowerRequests++),
            _code,
            Console,
            (_, _) => PowerRequests++);
        Board.Pause();
    }

    /// <summary>The newest machine, which has all that there is.</summary>
    public static MachineType Machine => MachineType.All[^1];

    public GuardedRam Ram { get; }

    public GuestConsole Console { get; } = new();

    public GuestBoard Board { get; }

    /// <summary>How often the guest asked something of the board's power.</summary>
    public int PowerRequests { get; private set; }

    /// <summary>The board's state, as a template's file has it.</summary>
    public byte[] Save() => MachineState.Save(Template, Board, s_uuid, null);

    public static MachineState Read(byte[] state) => MachineState.Read("state.bin", state, Template);

    /// <summary>
    /// Whether a part may differ from what was just restored: the host's time may have come to the clock's alarm, which goes off then.
    /// </summary>
    /// <param name="name">The part's name.</param>
    /// <param name="clock">What was restored of the clock.</param>
    public static bool MayRing(string name, ReadOnlySpan<byte> clock) => clock[^3] != 0 && (name is "rtc" or "plic" or "harts");

    /// <summary>Takes what was typed and not read, which restoring adds to.</summary>
    public void DropInput()
    {
        while (Console.TryTakeInput(out _))
        {
        }
    }

    /// <summary>Brings the board to a state.</summary>
    /// <exception cref="GuestException">It is none of this board.</exception>
    public void Restore(MachineState state)
    {
        DropInput();
        state.Restore(Board, Board.Machine.DeviceNames);
    }

    public void Dispose()
    {
        Board.Dispose();
        _code.Dispose();
        Ram.Dispose();
    }
}
