namespace PsVm.Riscv.Memory;

/// <summary>A guest physical address. What is computed with it is checked: nothing wraps around to a low address.</summary>
/// <param name="Value">The address.</param>
public readonly record struct GuestAddress(ulong Value) : IComparable<GuestAddress>
{
    /// <summary>Whether the first address comes before the second.</summary>
    public static bool operator <(GuestAddress left, GuestAddress right) => left.Value < right.Value;

    /// <summary>Whether the first address comes after the second.</summary>
    public static bool operator >(GuestAddress left, GuestAddress right) => left.Value > right.Value;

    /// <summary>Whether the first address is the second or comes before it.</summary>
    public static bool operator <=(GuestAddress left, GuestAddress right) => left.Value <= right.Value;

    /// <summary>Whether the first address is the second or comes after it.</summary>
    public static bool operator >=(GuestAddress left, GuestAddress right) => left.Value >= right.Value;

    /// <summary>The address some bytes further on.</summary>
    /// <param name="bytes">How far.</param>
    /// <param name="sum">The address there; this one when there is none.</param>
    /// <returns>False: no address is that far on.</returns>
    public bool TryAdd(ulong bytes, out GuestAddress sum)
    {
        bool fits = bytes <= ulong.MaxValue - Value;
        sum = fits ? new GuestAddress(Value + bytes) : this;
        return fits;
    }

    /// <summary>Bytes from this address on to a later one.</summary>
    /// <param name="later">The later address.</param>
    /// <param name="bytes">How far it is; 0 when it is not later.</param>
    /// <returns>False: the other address comes before this one.</returns>
    public bool TryDistanceTo(GuestAddress later, out ulong bytes)
    {
        bytes = later.Value >= Value ? later.Value - Value : 0;
        return later.Value >= Value;
    }

    /// <summary>Whether it is a multiple of a power of two.</summary>
    public bool IsAligned(ulong alignment) => (Value & (alignment - 1)) == 0;

    /// <inheritdoc/>
    public int CompareTo(GuestAddress other) => Value.CompareTo(other.Value);

    /// <summary>The address in hexadecimal, with its prefix.</summary>
    public override string ToString() => $"0x{Value:x}";
}
