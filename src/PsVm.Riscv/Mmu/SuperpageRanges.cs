namespace PsVm.Riscv.Mmu;

/// <summary>
/// Where superpages are of which pages were cached: a fence for one address in a superpage must forget all of it. A few aligned ranges hold them
/// all; where they do not suffice, one becomes larger.
/// </summary>
internal sealed class SuperpageRanges
{
    private const int Most = 4;

    private readonly (ulong Address, ulong Mask)[] _ranges = new (ulong Address, ulong Mask)[Most];
    private int _count;

    /// <summary>Whether a superpage may be at an address.</summary>
    public bool Contains(ulong address)
    {
        for (int i = 0; i < _count; i++)
        {
            if (((address ^ _ranges[i].Address) & _ranges[i].Mask) == 0)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Remembers one.</summary>
    /// <param name="address">An address in it.</param>
    /// <param name="shift">Bits of an address within it.</param>
    public void Add(ulong address, int shift)
    {
        ulong mask = ulong.MaxValue << shift;
        int best = -1;
        ulong bestMask = 0;
        for (int i = 0; i < _count; i++)
        {
            ulong both = Common(_ranges[i].Address ^ address, _ranges[i].Mask & mask);
            if (both == _ranges[i].Mask)
            {
                return;
            }

            if (best < 0 || both > bestMask)
            {
                (best, bestMask) = (i, both);
            }
        }

        if (_count < Most)
        {
            _ranges[_count++] = (address, mask);
        }
        else
        {
            _ranges[best].Mask = bestMask;
        }
    }

    /// <summary>Forgets all.</summary>
    public void Clear() => _count = 0;

    /// <summary>The mask of the least aligned range with two addresses that differ in some bits.</summary>
    private static ulong Common(ulong difference, ulong mask)
    {
        while ((difference & mask) != 0)
        {
            mask <<= 1;
        }

        return mask;
    }
}
