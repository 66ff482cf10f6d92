using PsVm.Riscv.Memory;

namespace PsVm.Riscv.Translation.Cache;

/// <summary>A page of instructions as it was when a block was first decoded from it. Guarded by its space.</summary>
internal sealed unsafe class CodePage
{
    private readonly byte* _bytes;
    private nint _index;

    /// <param name="account">The guest that needs it: whose scope may use it, and who pays for it until others do.</param>
    /// <param name="number">Number of the page where it was seen first, counted over all RAM of that guest.</param>
    /// <param name="key">A hash of its content.</param>
    /// <param name="bytes">Its content.</param>
    /// <param name="id">Its number in the space.</param>
    /// <param name="serial">A number that no other page has or had.</param>
    /// <param name="isa">The extensions of the harts that use it.</param>
    public CodePage(CodeAccount account, long number, int key, byte* bytes, int id, long serial, IsaExtensions isa)
    {
        _bytes = bytes;
        (Scope, Payer, Number, Key, Id, Serial, Isa) = (account.Scope, account, number, key, id, serial, isa);
        account.Pages.Add(this);
    }

    private const int Size = (int)PhysicalMemory.PageSize;

    /// <summary>Who may use it.</summary>
    public CodeScope Scope { get; }

    /// <summary>The one guest that has needed it so far, or its scope: several have, or that guest is gone.</summary>
    public CodePayer Payer { get; private set; }

    /// <summary>Number of the page where it was seen first, counted over all RAM of that guest.</summary>
    public long Number { get; }

    /// <summary>A hash of its content.</summary>
    public int Key { get; }

    /// <summary>Its content.</summary>
    public byte* Bytes => _bytes;

    /// <summary>Its number in the space, which another page has when this one is gone.</summary>
    public int Id { get; }

    /// <summary>Another number, that no other page of the space has or had: by it loops know the other pages that they lie in.</summary>
    public long Serial { get; }

    /// <summary>The extensions of the harts that use it: what else it holds are illegal instructions.</summary>
    public IsaExtensions Isa { get; }

    /// <summary>Decoded blocks by offset.</summary>
    public Dictionary<int, nint> Blocks { get; } = [];

    /// <summary>
    /// Blocks of the instruction that begins in the last half-word, by what that is with the first half-word of the page that came next.
    /// Where that lies is for each guest's page table to say, so no jump is bound to them. Null: there are none.
    /// </summary>
    public Dictionary<uint, nint>? Crossings { get; private set; }

    /// <summary>The most of them.</summary>
    public const int MostCrossings = 4;

    /// <summary>The blocks as translated code looks for them; null: there are none. Safe from any thread.</summary>
    public BlockIndex* Index
    {
        get => (BlockIndex*)Volatile.Read(ref _index);
        set => Volatile.Write(ref _index, (nint)value);
    }

    /// <summary>Translations: where they are written, their length, and whether they are loops.</summary>
    public List<(nint Place, int Length, bool Loop)> Code { get; } = [];

    /// <summary>Direct jumps within it whose target has no translation yet.</summary>
    public UnboundJumps Unbound { get; } = new();

    /// <summary>Bytes of its content, its blocks and its translations.</summary>
    public CodeUse Use { get; private set; }

    /// <summary>When it was last looked up; larger is later.</summary>
    public long LastUse { get; set; }

    /// <summary>Nobody finds it any more; it is freed when nobody uses it.</summary>
    public bool IsLeaving { get; set; }

    /// <summary>Whether a page holds the same. Its content does not change, so this needs no lock.</summary>
    /// <remarks>Safety: the other page is a whole one of mapped RAM.</remarks>
    public bool Holds(byte* other) => new ReadOnlySpan<byte>(_bytes, Size).SequenceEqual(new ReadOnlySpan<byte>(other, Size));

    /// <summary>The instruction that begins in its last half-word where another page comes next.</summary>
    public uint CrossingTo(CodePage next) => *(ushort*)(_bytes + Size - sizeof(ushort)) | (uint)*(ushort*)next._bytes << 16;

    /// <summary>Adds one to <see cref="Crossings"/>.</summary>
    public void AddCrossing(uint bits, nint block) => (Crossings ??= []).Add(bits, block);

    /// <summary>Has its payer pay for more, or less when negative.</summary>
    public void Charge(CodeUse use)
    {
        Use += use;
        Payer.Use += use;
    }

    /// <summary>It is not one guest's alone: all of its scope pay.</summary>
    public void ChargeScope()
    {
        StopCharging();
        (Payer, Scope.Use) = (Scope, Scope.Use + Use);
        Scope.Pages.Add(this);
    }

    /// <summary>Nobody pays for it any more: it is about to be freed.</summary>
    public void StopCharging()
    {
        Payer.Use -= Use;
        Payer.Pages.Remove(this);
    }
}
