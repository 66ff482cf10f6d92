using PsVm.Riscv.Memory;

namespace PsVm.Riscv.Translation;

/// <summary>A page of instructions as it was when a block was first decoded from it. Guarded by its space.</summary>
/// <param name="number">Number of the page where it was seen first, counted over all RAM of that guest.</param>
/// <param name="key">A hash of its content.</param>
/// <param name="bytes">Its content.</param>
/// <param name="id">Its number in the space.</param>
/// <param name="isa">The extensions of the harts that use it.</param>
internal sealed unsafe class CodePage(long number, int key, byte* bytes, int id, IsaExtensions isa)
{
    private const int Size = (int)PhysicalMemory.PageSize;

    /// <summary>Number of the page where it was seen first, counted over all RAM of that guest.</summary>
    public long Number => number;

    /// <summary>A hash of its content.</summary>
    public int Key => key;

    /// <summary>Its content.</summary>
    public byte* Bytes => bytes;

    /// <summary>Its number in the space.</summary>
    public int Id => id;

    /// <summary>The extensions of the harts that use it: what else it holds are illegal instructions.</summary>
    public IsaExtensions Isa => isa;

    /// <summary>Whether a page holds the same. Its content does not change, so this needs no lock.</summary>
    public bool Holds(byte* other) => new ReadOnlySpan<byte>(bytes, Size).SequenceEqual(new ReadOnlySpan<byte>(other, Size));

    /// <summary>Decoded blocks by offset.</summary>
    public Dictionary<int, nint> Blocks { get; } = [];

    /// <summary>Translations: where they are written, their length, and whether they are loops.</summary>
    public List<(nint Place, int Length, bool Loop)> Code { get; } = [];

    /// <summary>Bytes of its content and its blocks.</summary>
    public long DecodedBytes { get; set; } = (long)PhysicalMemory.PageSize;

    /// <summary>When it was last looked up; larger is later.</summary>
    public long LastUse { get; set; }

    /// <summary>Nobody finds it any more; it is freed when nobody uses it.</summary>
    public bool IsLeaving { get; set; }

    /// <summary>Requests for translations that are under way.</summary>
    public int Pins { get; set; }
}
