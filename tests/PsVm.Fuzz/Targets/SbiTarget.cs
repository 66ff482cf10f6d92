using PsVm.Machine.Board;
using PsVm.Machine.State;
using PsVm.Memory.Native;
using PsVm.Riscv;
using PsVm.Riscv.Tests;

namespace PsVm.Fuzz.Targets;

/// <summary>
/// Calls of the SBI with any arguments, by any hart of three: a call is over soon, leaves read-only memory and what is no RAM alone, and
/// answers with what the specification knows.
/// </summary>
internal sealed class SbiTarget : FuzzTarget
{
    private const ulong Small = 64 << 10, Rom = 16 << 10, Large = 1ul << 30;
    private const ulong RomStart = MemoryMap.RamStart + Small, LargeStart = RomStart + Rom, End = LargeStart + Large;

    // A call may keep its hart's thread so long before others want it.
    private static readonly TimeSpan s_mostTime = TimeSpan.FromMilliseconds(100);

    private static readonly ulong[] s_extensions =
    [
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0x10, 0x5449_4d45, 0x73_5049, 0x5246_4e43, 0x48_534d, 0x5352_5354, 0x4442_434e, 0x5355_5350,
        0x4350_5043, 0x4e41_434c, 0x53_5441, 0x50_4d55, 0x4657_4654, 0x5353_45, 0x4442_5452, 0x4d50_5859, 0x0a00_0000, 0x0900_0000,
    ];

    private readonly FuzzBoard _board = new(harts: 3, firmware: false, (Small, false), (Rom, true), (Large, false));
    private readonly byte[] _fresh;

    public SbiTarget()
    {
        _board.Board.Environment!.Start(0, MemoryMap.RamStart, 0);
        StateStream stream = new(_board.Board.Environment!.StateVersion);
        _board.Board.Environment!.Transfer(stream);
        _fresh = stream.ToArray();
    }

    public override void Run(Dice dice)
    {
        _board.Board.Environment!.Transfer(new StateStream(_fresh, _board.Board.Environment.StateVersion));
        _board.DropInput();

        _board.Board.Environment.Prepare(_board.Board.Harts[0]);
        if (dice.OneIn(4))
        {
            _board.Console.TryType(new byte[dice.Next(100)]);
        }

        for (int calls = dice.Next(1, 5); calls > 0; calls--)
        {
            Call(_board.Board.Harts[dice.OneIn(3) ? dice.Next(3) : 0], dice);
        }
    }

    public override void Dispose() => _board.Dispose();

    private void Call(Hart hart, Dice dice)
    {
        ulong extension = dice.OneIn(32) ? Odd.Number(dice) : dice.Pick<ulong>(s_extensions);
        hart[17] = extension;
        hart[16] = dice.OneIn(8) ? Odd.Number(dice) : (ulong)dice.Next(12);
        for (int register = 10; register < 16; register++)
        {
            hart[register] = dice.Next(3) switch
            {
                0 => (ulong)dice.Next(4),
                1 => Odd.Near(dice, MemoryMap.RamStart, RomStart, LargeStart, End),
                _ => Odd.Number(dice),
            };
        }

        ulong a1 = hart[11];
        string call = $"extension 0x{extension:x} function {hart[16]} ({hart[10]:x}, {a1:x}, {hart[12]:x}, {hart[13]:x}, {hart[14]:x})";
        ulong[] asked = [.. Enumerable.Range(10, 8).Select(register => hart[register])];
        TimeSpan took = Time();
        if (took >= s_mostTime)
        {
            // The runtime may have compiled what answers, which it does not again.
            for (int i = 0; i < asked.Length; i++)
            {
                hart[10 + i] = asked[i];
            }

            took = Time();
        }

        WrongException.ThrowIfNot(took < s_mostTime, $"{call} took {took.TotalMilliseconds} ms");
        if (extension > 0x0f)
        {
            WrongException.ThrowIfNot((long)hart[10] is <= 0 and >= -14, $"{call} answered {(long)hart[10]}");
        }

        foreach (Hart other in _board.Board.Harts)
        {
            if (_board.Board.Environment!.Prepare(other) == HartActivity.Run && other.Id != 0)
            {
                other.Run(10); // from wherever it was told to
            }
        }

        TimeSpan Time()
        {
            TimeSpan began = KernelCalls.ThreadCpuTime;
            WrongException.ThrowIfNot(_board.Board.Environment!.TryHandleCall(hart), $"{call} was not answered");
            return KernelCalls.ThreadCpuTime - began;
        }
    }
}
