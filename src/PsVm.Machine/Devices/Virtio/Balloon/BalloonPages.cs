using System.Numerics;
using PsVm.Machine.State;

namespace PsVm.Machine.Devices.Virtio.Balloon;

/// <summary>Which pages of a guest are in its balloon, a bit for each. Under the transport's gate, but for <see cref="Count"/>.</summary>
/// <param name="pageCount">Pages of the guest.</param>
internal sealed class BalloonPages(long pageCount)
{
    private const int WordBits = 64;

    private ulong[] _words = []; // none as long as the balloon was never inflated
    private long _count;

    /// <summary>Pages in it.</summary>
    public long Count => Volatile.Read(ref _count);

    /// <summary>Puts pages in.</summary>
    public void Add(long first, long count) => Change(first, count, isIn: true);

    /// <summary>Takes pages out.</summary>
    public void Remove(long first, long count) => Change(first, count, isIn: false);

    /// <summary>Takes all out.</summary>
    public void Clear() => (_words, _count) = ([], 0);

    /// <summary>Whether all of some pages are in it.</summary>
    public bool HasAll(long first, long count)
    {
        for (long page = first; page < first + count;)
        {
            (int bits, ulong mask) = Part(page, first + count);
            if (_words.Length == 0 || (_words[page / WordBits] & mask) != mask)
            {
                return false;
            }

            page += bits;
        }

        return true;
    }

    /// <summary>Takes the pages to a template, or from it, as stretches.</summary>
    public void Transfer(StateStream state)
    {
        List<(long First, long Count)> stretches = state.IsReading ? [] : Stretches();
        int number = state.TransferCount(stretches.Count, 2 * sizeof(ulong));
        if (state.IsReading)
        {
            Clear();
        }

        long next = 0;
        for (int i = 0; i < number; i++)
        {
            (long first, long count) = state.IsReading ? default : stretches[i];
            state.Transfer(ref first);
            state.Transfer(ref count);
            if (first < next || count <= 0 || count > pageCount || first > pageCount - count)
            {
                throw new InvalidDataException(
                    $"{count} pages from page {first} on in the balloon of a guest of {pageCount} pages, behind page {next}");
            }

            next = first + count;
            if (state.IsReading)
            {
                Add(first, count);
            }
        }
    }

    private bool Has(long page) => _words.Length != 0 && (_words[page / WordBits] >> (int)(page % WordBits) & 1) != 0;

    /// <summary>How many pages from one on, up to an end, are in its word, and their bits.</summary>
    private static (int Bits, ulong Mask) Part(long page, long end)
    {
        int bit = (int)(page % WordBits);
        int bits = (int)Math.Min(WordBits - bit, end - page);
        return (bits, (bits == WordBits ? ulong.MaxValue : (1ul << bits) - 1) << bit);
    }

    private void Change(long first, long count, bool isIn)
    {
        if (_words.Length == 0)
        {
            if (!isIn)
            {
                return;
            }

            _words = new ulong[(pageCount + WordBits - 1) / WordBits];
        }

        long changed = 0;
        for (long page = first; page < first + count;)
        {
            (int bits, ulong mask) = Part(page, first + count);
            ref ulong word = ref _words[page / WordBits];
            ulong after = isIn ? word | mask : word & ~mask;
            changed += BitOperations.PopCount(word ^ after);
            word = after;
            page += bits;
        }

        Volatile.Write(ref _count, _count + (isIn ? changed : -changed));
    }

    private List<(long First, long Count)> Stretches()
    {
        List<(long, long)> found = [];
        for (long page = 0; page < pageCount && _words.Length != 0;)
        {
            if (_words[page / WordBits] == 0)
            {
                page = ((page / WordBits) + 1) * WordBits;
                continue;
            }

            long first = page;
            while (page < pageCount && Has(page))
            {
                page++;
            }

            if (page > first)
            {
                found.Add((first, page - first));
            }
            else
            {
                page++;
            }
        }

        return found;
    }
}
