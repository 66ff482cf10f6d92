using System.Diagnostics;

namespace PsVm.Riscv.Mmu;

/// <summary>
/// The address spaces whose translations a hart keeps beside each other, so that a switch between them forgets nothing: values of satp, the
/// least recently used of which makes room for another. Pages that are global are in none of them.
/// </summary>
internal sealed class AddressSpaces
{
    /// <summary>So many.</summary>
    public const int Count = 4;

    private const int AsidShift = 44, AsidBits = 16;

    // A value that satp never has: a mode that is reserved.
    private const ulong None = ulong.MaxValue;

    private readonly ulong[] _satp = [0, .. Enumerable.Repeat(None, Count - 1)];
    private readonly long[] _lastUse = new long[Count];
    private long _uses;

    /// <summary>The one in use.</summary>
    public int Current { get; private set; }

    /// <summary>The address space that a value of satp names.</summary>
    public static int AsidOf(ulong satp) => (int)(satp >> AsidShift) & ((1 << AsidBits) - 1);

    /// <summary>Puts one in use.</summary>
    /// <param name="satp">What satp is now.</param>
    /// <returns>It has a place that another had, and its translations are to be forgotten.</returns>
    public bool Select(ulong satp)
    {
        int found = 0, oldest = 0;
        for (; found < Count && _satp[found] != satp; found++)
        {
            oldest = _lastUse[found] < _lastUse[oldest] ? found : oldest;
        }

        bool isNew = found == Count;
        if (isNew)
        {
            found = oldest;
            _satp[found] = satp;
        }

        _lastUse[found] = ++_uses;
        Current = found;
        return isNew;
    }

    /// <summary>Forgets all but the one in use, which has no translations either.</summary>
    public void Reset(ulong satp)
    {
        for (int space = 0; space < Count; space++)
        {
            (_satp[space], _lastUse[space]) = (None, 0);
        }

        (_satp[Current], _lastUse[Current]) = (satp, ++_uses);
    }

    /// <summary>Whether a place may hold translations of an address space.</summary>
    public bool Is(int space, int asid)
    {
        Debug.Assert(asid >> AsidBits == 0, "16 bits");
        return _satp[space] != None && AsidOf(_satp[space]) == asid;
    }
}
