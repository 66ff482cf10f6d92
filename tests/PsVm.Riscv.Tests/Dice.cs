namespace PsVm.Riscv.Tests;

/// <summary>Pseudo-random numbers that are cheap to begin anew and the same everywhere (xorshift).</summary>
internal sealed class Dice
{
    private ulong _state;

    public Dice(int seed, int program)
    {
        _state = (((ulong)(uint)seed << 32 | (uint)program) * 0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d;
        _state |= _state == 0 ? 1ul : 0;
        for (int i = 0; i < 8; i++)
        {
            Bits();
        }
    }

    public ulong Bits()
    {
        _state ^= _state << 13;
        _state ^= _state >> 7;
        _state ^= _state << 17;
        return _state * 0x2545_f491_4f6c_dd1d;
    }

    /// <summary>From 0 to below a bound.</summary>
    public int Next(int bound) => (int)((Bits() >> 32) * (ulong)bound >> 32);

    public int Next(int low, int bound) => low + Next(bound - low);

    public bool OneIn(int count) => Next(count) == 0;

    public T Pick<T>(ReadOnlySpan<T> of) => of[Next(of.Length)];

    public double Fraction() => (Bits() >> 11) * (1.0 / (1ul << 53));
}
