using PsVm.Riscv.Tests;

namespace PsVm.Fuzz;

/// <summary>Values that programs get wrong.</summary>
internal static class Odd
{
    /// <summary>A number near an edge, small, or any.</summary>
    public static ulong Number(Dice dice) => dice.Next(8) switch
    {
        0 => 0,
        1 => (ulong)dice.Next(-4, 16),
        2 => (1ul << dice.Next(64)) + (ulong)dice.Next(-2, 3),
        3 => ulong.MaxValue << dice.Next(64),
        4 => (ulong)dice.Next(1 << 16),
        5 => dice.Bits() >> dice.Next(64),
        6 => (uint)dice.Next(-3, 3),
        _ => dice.Bits(),
    };

    /// <summary>A number, often near one that is of interest.</summary>
    public static ulong Near(Dice dice, params ReadOnlySpan<ulong> places) =>
        dice.OneIn(4) ? Number(dice) : dice.Pick(places) + dice.Next(4) switch
        {
            0 => 0,
            1 => (ulong)dice.Next(-4097, 4097),
            _ => (ulong)dice.Next(-9, 9),
        };

    /// <summary>Changes bytes, or how many there are.</summary>
    public static byte[] Mutate(Dice dice, byte[] bytes)
    {
        List<byte> changed = [.. bytes];
        for (int i = dice.Next(1, 4); i > 0; i--)
        {
            int at = dice.Next(changed.Count + 1);
            int left = changed.Count - at;
            switch (dice.Next(8))
            {
                case 0 when left > 0:
                    changed.RemoveRange(at, dice.Next(1, Math.Min(left, 40) + 1));
                    break;
                case 1:
                    changed.InsertRange(at, Enumerable.Repeat((byte)dice.Next(256), dice.Next(1, 40)));
                    break;
                case 2 when dice.OneIn(4):
                    changed.RemoveRange(at, left);
                    break;
                case 3 or 4 when left >= sizeof(ulong):
                    int size = dice.OneIn(2) ? 4 : 8;
                    byte[] word = BitConverter.GetBytes(Number(dice));
                    for (int index = 0; index < size; index++)
                    {
                        changed[(at / size * size) + index < changed.Count ? (at / size * size) + index : at] = word[index];
                    }

                    break;
                default:
                    if (left > 0)
                    {
                        changed[at] ^= (byte)(1 << dice.Next(8));
                    }

                    break;
            }
        }

        return [.. changed];
    }
}
