using System.Runtime.InteropServices;

namespace PsVm.Riscv.Translation;

/// <summary>Where a unit of code is written before it is placed, and what is noted on the way. For one thread at a time.</summary>
internal sealed unsafe class TranslationBuffer : IDisposable
{
    /// <summary>Code begins at addresses of this alignment, here and where it is placed.</summary>
    public const int Alignment = 16;

    // More than the largest unit of the most wordy operations takes.
    private const nuint Size = 1 << 20;

    private readonly List<(nint Jump, nint Target)> _outward = [];

    /// <summary>Where the code begins.</summary>
    public byte* Start { get; } = (byte*)NativeMemory.AlignedAlloc(Size, Alignment);

    /// <summary>Rare ways that are still to be written.</summary>
    public List<BlockTranslator.Late> Late { get; } = [];

    /// <summary>Whether an address lies in the buffer.</summary>
    public bool Contains(byte* address) => (nuint)(address - Start) < Size;

    /// <summary>Begins another unit.</summary>
    public void Clear()
    {
        Late.Clear();
        _outward.Clear();
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
