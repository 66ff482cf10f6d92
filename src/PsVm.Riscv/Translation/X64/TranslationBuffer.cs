using System.Runtime.InteropServices;
using PsVm.Riscv.Translation.Cache;

namespace PsVm.Riscv.Translation.X64;

/// <summary>Where a unit of code is written before it is placed, and what is noted on the way. For one thread at a time.</summary>
/// <param name="size">Bytes.</param>
internal sealed unsafe class TranslationBuffer(long size) : IDisposable
{
    // More than the most wordy operation, or one rare way, takes.
    private const int Margin = 2048;

    private readonly List<(nint Jump, nint Target)> _outward = [];

    /// <summary>Where the code begins.</summary>
    public byte* Start { get; } = (byte*)NativeMemory.AlignedAlloc((nuint)size, CodeMemory.Alignment);

    /// <summary>Rare ways that are still to be written.</summary>
    public List<BlockTranslator.Late> Late { get; } = [];

    /// <summary>Direct jumps within the page: the end of each in the unit, and the offset that it goes to.</summary>
    public List<(int JumpEnd, int Target)> Jumps { get; } = [];

    /// <summary>Whether an address lies in the buffer.</summary>
    public bool Contains(byte* address) => (nuint)(address - Start) < (nuint)size;

    /// <summary>Sees to the room for one more operation or rare way.</summary>
    /// <exception cref="InvalidOperationException">There is none: the unit is too large to be translated.</exception>
    public void Reserve(byte* at)
    {
        if (at - Start > size - Margin)
        {
            throw new InvalidOperationException($"a unit takes more than {size - Margin} bytes of host code");
        }
    }

    /// <summary>Begins another unit.</summary>
    public void Clear()
    {
        Late.Clear();
        _outward.Clear();
        Jumps.Clear();
    }

    /// <summary>Points a jump to a place outside of the unit once it is known where the unit is.</summary>
    public void BindLater(byte* jumpEnd, byte* target) => _outward.Add(((nint)jumpEnd, (nint)target));

    /// <summary>Puts the unit in its place.</summary>
    public void PlaceAt(byte* place, int length)
    {
        new ReadOnlySpan<byte>(Start, length).CopyTo(new Span<byte>(place, length));
        foreach ((nint jump, nint target) in _outward)
        {
            X64Assembler.Bind(place + ((byte*)jump - Start), (byte*)target);
        }
    }

    public void Dispose() => NativeMemory.AlignedFree(Start);
}
