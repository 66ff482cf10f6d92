using PsVm.Machine.Board;
using PsVm.Machine.Devices;
using PsVm.Machine.State;
using PsVm.Riscv;
using PsVm.Riscv.Tests;

namespace PsVm.Fuzz.Targets;

/// <summary>
/// Loads and stores of every width at and around the devices: they give no more bits than were asked for, and the state that they leave
/// can be saved and put into another board, from which it is saved as the same.
/// </summary>
internal sealed class DeviceTarget : FuzzTarget
{
    private const int CasesPerTransfer = 16;
    private const ulong RamSize = 16 << 10;

    private readonly FuzzBoard _board = new(harts: 2, firmware: true, (RamSize, false));
    private readonly FuzzBoard _other = new(harts: 2, firmware: true, (RamSize, false));
    private readonly Dictionary<string, byte[]> _fresh;

    public DeviceTarget()
    {
        _fresh = Devices(_board).ToDictionary(part => part.Name, part => SavedState.Of(part.Part));
        foreach (Hart hart in _board.Board.Harts)
        {
            hart.SelectContext(); // as before its first instruction, of which there is none here
        }
    }

    public override unsafe void Run(Dice dice)
    {
        _board.DropInput();
        Restore(_board, _fresh);

        if (dice.OneIn(4))
        {
            _board.Console.TryType(new byte[dice.Next(40)]);
        }

        for (int accesses = dice.Next(4, 24); accesses > 0; accesses--)
        {
            Hart hart = _board.Board.Harts[dice.Next(2)];
            int size = 1 << dice.Next(4);
            ulong address = Address(dice);
            if (dice.OneIn(2))
            {
                hart.Mmu.Store(address, Odd.Number(dice), size);
            }
            else if (hart.Mmu.Load(address, size) && size < 8)
            {
                ulong value = hart.State->LoadValue;
                WrongException.ThrowIfNot(value >> (8 * size) == 0, $"a load of {size} bytes at 0x{address:x} gave 0x{value:x}");
            }
        }

        if (dice.OneIn(CasesPerTransfer))
        {
            Dictionary<string, byte[]> saved = Devices(_board).ToDictionary(part => part.Name, part => SavedState.Of(part.Part));
            _other.DropInput();
            Restore(_other, saved);
            foreach ((string name, IStateful part) in Devices(_other))
            {
                WrongException.ThrowIfNot(
                    FuzzBoard.MayRing(name, saved["rtc"]) || SavedState.Of(part).AsSpan().SequenceEqual(saved[name]),
                    $"{name} is another one after it was restored");
            }
        }
    }

    public override void Dispose()
    {
        _board.Dispose();
        _other.Dispose();
    }

    /// <summary>An address of a device or near one; registers stand at the start and behind powers of two.</summary>
    private static ulong Address(Dice dice)
    {
        AddressRange range = FuzzBoard.Machine.Devices[dice.Next(FuzzBoard.Machine.Devices.Count)].Range;
        ulong near = (ulong)(dice.OneIn(8) ? dice.Next(-64, 64) : dice.Next(40) * 4);
        return dice.Next(16) switch
        {
            0 => Odd.Number(dice) & 0x7fff_ffff,
            1 => range.End + near,
            < 9 => range.Start + near,
            _ => range.Start + (1ul << dice.Next(int.Max(1, 64 - (int)ulong.LeadingZeroCount(range.Size)))) + near,
        };
    }

    private static IEnumerable<(string Name, IStateful Part)> Devices(FuzzBoard board) =>
        board.Board.Parts.Where(part => part.Name is not ("clock" or "harts"));

    private static void Restore(FuzzBoard board, Dictionary<string, byte[]> states)
    {
        foreach ((string name, IStateful part) in Devices(board))
        {
            part.Transfer(new StateStream(states[name], part.StateVersion));
        }
    }
}
