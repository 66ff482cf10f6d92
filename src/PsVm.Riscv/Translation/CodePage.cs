using PsVm.Riscv.Memory;

namespace PsVm.Riscv.Translation;

/// <summary>A page of instructions as it was when a block was first decoded from it. Guarded by its space.</summary>
/// <param name="scope">Who may use it.</param>
/// <param name="number">Number of the page where it was seen first, counted over all RAM of that guest.</param>
/// <param name="key">A hash of its content.</param>
/// <param name="bytes">Its content.</param>
/// <param name="id">Its number in the space.</param>
/// <param name="isa">The extensions of the harts that use it.</param>
internal sealed unsafe class CodePage(CodeScope scope, long number, int key, byte* bytes, int id, IsaExtensions isa)
{
    private const int Size = (int)PhysicalMemory.PageSize;

    /// <summary>Who may use it.</summary>
    public CodeScope Scope => scope;

    /// <summary>The one guest that has needed it so far; null: several, or a guest that is gone.</summary>
    public CodeAccount? Account { get; set; }

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

    /// <summary>Decoded blocks by offset.</summary>
    public Dictionary<int, nint> Blocks { get; } = [];

    /// <summary>Translations: where they are written, their length, and whether they are loops.</summary>
    public List<(nint Place, int Length, bool Loop)> Code { get; } = [];

    /// <summary>Bytes of its content, its blocks and its translations.</summary>
    public CodeUse Use { get; private set; }

    /// <summary>When it was last looked up; larger is later.</summary>
    public long LastUse { get; set; }

    /// <summary>Nobody finds it any more; it is freed when nobody uses it.</summary>
    public bool IsLeaving { get; set; }

    /// <summary>Requests for translations that are under way.</summary>
    public int Pins { get; set; }

    /// <summary>Whether a page holds the same. Its content does not change, so this needs no lock.</summary>
    /// <remarks>Safety: the other page is a whole one of mapped RAM.</remarks>
    public bool Holds(byte* other) => new ReadOnlySpan<byte>(bytes, Size).SequenceEqual(new ReadOnlySpan<byte>(other, Size));

    /// <summary>Puts what it takes, or gives back when negative, on its account and its scope.</summary>
    public void Charge(CodeUse use)
    {
        Use += use;
        scope.Use += use;
        if (Account is not null)
        {
            Account.Use += use;
        }
    }

    /// <summary>It is no longer one guest's alone.</summary>
    public void LeaveAccount()
    {
        if (Account is not null)
        {
            Account.Use -= Use;
            Account = null;
        }
    }
}
