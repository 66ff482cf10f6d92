using PsVm.Machine.Board;
using PsVm.Machine.Devices;

namespace PsVm.Machine.Boot;

/// <summary>Decides what of RAM goes to what before a guest starts.</summary>
/// <remarks>Kernel and firmware say where they belong; the rest is taken from the top of RAM, out of their way.</remarks>
internal sealed class BootPlan
{
    // Stretches of writable RAM that are still free, in address order.
    private readonly List<AddressRange> _free = [];
    private readonly IReadOnlyList<RamBlock> _blocks;
    private readonly AddressRange _ram;

    /// <param name="blocks">RAM in address order, without gaps.</param>
    public BootPlan(IReadOnlyList<RamBlock> blocks)
    {
        _blocks = blocks;
        _ram = new AddressRange(blocks[0].Range.Start, blocks[^1].Range.End - blocks[0].Range.Start);
        foreach (RamBlock block in blocks.Where(block => !block.ReadOnly))
        {
            if (_free.Count > 0 && _free[^1].End == block.Range.Start)
            {
                _free[^1] = _free[^1] with { Size = _free[^1].Size + block.Range.Size };
            }
            else
            {
                _free.Add(block.Range);
            }
        }
    }

    /// <summary>Gives a kernel or firmware the places it asks for.</summary>
    /// <exception cref="GuestException">They are not free.</exception>
    public void Place(BootImage image)
    {
        foreach (BootSegment segment in image.Segments)
        {
            AddressRange wanted = segment.Range;
            if (!TryTake(wanted))
            {
                throw Refusal(image, wanted);
            }
        }
    }

    /// <summary>Keeps a range free of what is placed later; what of it is not free stays as it is.</summary>
    public void Avoid(AddressRange range)
    {
        foreach (AddressRange free in _free.ToArray())
        {
            ulong start = Math.Max(free.Start, range.Start);
            ulong end = Math.Min(free.End, range.End);
            if (start < end)
            {
                TryTake(new AddressRange(start, end - start));
            }
        }
    }

    /// <summary>Takes the highest free range of a size; null: there is none.</summary>
    public AddressRange? TakeHighest(ulong size, ulong alignment)
    {
        for (int i = _free.Count - 1; i >= 0; i--)
        {
            if (size > _free[i].Size)
            {
                continue;
            }

            AddressRange range = new((_free[i].End - size) & ~(alignment - 1), size);
            if (range.Start >= _free[i].Start)
            {
                TryTake(range);
                return range;
            }
        }

        return null;
    }

    /// <summary>The error for what found no place.</summary>
    public GuestException NoRoom(string errorId, string name, string what, ulong size) => new(
        errorId,
        $"Expected {size} bytes of free writable RAM in one piece for the {what}, found at most "
        + $"{_free.Select(range => range.Size).DefaultIfEmpty().Max()} of {_ram.Size} bytes of RAM.",
        name,
        "Give the guest more memory.");

    private bool TryTake(AddressRange wanted)
    {
        int index = _free.FindIndex(range => range.Start <= wanted.Start && wanted.Size <= range.Size
            && wanted.Start - range.Start <= range.Size - wanted.Size);
        if (index < 0)
        {
            return false;
        }

        AddressRange whole = _free[index];
        _free.RemoveAt(index);
        AddIfAny(index, new AddressRange(wanted.End, whole.End - wanted.End));
        AddIfAny(index, new AddressRange(whole.Start, wanted.Start - whole.Start));
        return true;
    }

    private void AddIfAny(int index, AddressRange range)
    {
        if (range.Size > 0)
        {
            _free.Insert(index, range);
        }
    }

    private GuestException Refusal(BootImage image, AddressRange wanted)
    {
        string what = $"Expected RAM for the {image.Role.Noun} at {wanted}";
        if (wanted.Start < _ram.Start || wanted.End < wanted.Start)
        {
            return new GuestException(GuestErrorIds.OutsideRam, $"{what}, found that RAM is at {_ram}.", image.Name);
        }

        if (wanted.End > _ram.End)
        {
            return new GuestException(
                GuestErrorIds.RamTooSmall,
                $"{what}, found that RAM ends at 0x{_ram.End:x}: {wanted.End - _ram.Start} bytes are needed, there are {_ram.Size}.",
                image.Name,
                "Give the guest more memory.");
        }

        return _blocks.Any(block => block.ReadOnly && block.Range.Start < wanted.End && wanted.Start < block.Range.End)
            ? new GuestException(
                GuestErrorIds.RamReadOnly,
                $"{what}, found a read-only backend there.",
                image.Name,
                "Make a writable backend the first; read-only ones may follow it.")
            : new GuestException(GuestErrorIds.BootImagesOverlap, $"{what}, found another boot image there.", image.Name);
    }
}
