namespace PsVm.Riscv.Mmu;

/// <summary>
/// Where superpages are of which pages were cached: a fence for one address in a superpage must forget all of it. A few aligned ranges hold
/// them all; where they do not suffice, one becomes larger.
/// </summary>
internal sealed class SuperpageRanges
{
    private const int Most = 6;

    private readonly (ulong Address, ulong Mask)[] _ranges = new (ulong Address, ulong Mask)[Most + 1];
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
        (ulong Address, ulong Mask) added = (address, ulong.MaxValue << shift);
        for (int i = 0; i < _count; i++)
        {
            if (Together(_ranges[i], added) == _ranges[i].Mask)
            {
                return;
            }
        }

        _ranges[_count++] = added;
        if (_count > Most)
        {
            MergeNearest();
        }
    }

    /// <summary>Forgets all.</summary>
    public void Clear() => _count = 0;

    /// <summary>The mask of the least aligned range that holds two.</summary>
    private static ulong Together((ulong Address, ulong Mask) one, (ulong Address, ulong Mask) other)
    {
        ulong mask = one.Mask & other.Mask;
        while (((one.Address ^ other.Address) & mask) != 0)
        {
            mask <<= 1;
        }

        return mask;
    }

    /// <summary>Makes one range of the two that make the smallest.</summary>
    private void MergeNearest()
    {
        (int first, int second, ulong mask) = (0, 1, 0);
        for (int i = 0; i < _count; i++)
        {
            for (int j = i + 1; j < _count; j++)
            {
                if (Together(_ranges[i], _ranges[j]) is var both && both > mask)
                {
                    (first, second, mask) = (i, j, both);
                }
            }
        }

        _ranges[first].Mask = Together(_ranges[first], _ranges[second]);
        _ranges[second] = _ranges[--_count];
    }
}
