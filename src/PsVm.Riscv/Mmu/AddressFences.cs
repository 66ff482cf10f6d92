namespace PsVm.Riscv.Mmu;

/// <summary>A fence that is asked of a hart.</summary>
/// <param name="Start">The first address.</param>
/// <param name="Size">Bytes; <see cref="ulong.MaxValue"/>: all addresses.</param>
/// <param name="Asid">The address space; null: all, and global pages.</param>
internal readonly record struct AddressFence(ulong Start, ulong Size, int? Asid);

/// <summary>
/// The fences that others ask of a hart and that it has not done yet: a few; when they are more, it does one of everything.
/// </summary>
internal sealed class AddressFences
{
    private const int Most = 16;

    private readonly Lock _gate = new();
    private readonly AddressFence[] _waiting = new AddressFence[Most];
    private int _count;
    private bool _everything;

    /// <summary>Adds one. Safe from any thread.</summary>
    public void Add(AddressFence fence)
    {
        lock (_gate)
        {
            _everything |= _count == Most || (fence.Size == ulong.MaxValue && fence.Asid is null);
            if (!_everything)
            {
                _waiting[_count++] = fence;
            }
        }
    }

    /// <summary>Does them, on the hart's thread.</summary>
    public void Serve(HartMmu mmu)
    {
        // What is added meanwhile waits for its turn: its request comes after it.
        lock (_gate)
        {
            if (_everything)
            {
                mmu.FlushAll();
            }
            else
            {
                foreach (AddressFence fence in _waiting.AsSpan(0, _count))
                {
                    mmu.FlushRange(fence.Start, fence.Size, fence.Asid);
                }
            }

            (_count, _everything) = (0, false);
        }
    }
}
