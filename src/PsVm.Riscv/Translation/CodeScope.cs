namespace PsVm.Riscv.Translation;

/// <summary>Who shares code: pages are looked for within one scope only, so none of another scope is ever run. Guarded by its space.</summary>
/// <param name="family">What those who share it have in common; null: it is one guest's alone.</param>
internal sealed class CodeScope(string? family)
{
    /// <summary>What those who share it have in common; null: it is one guest's alone.</summary>
    public string? Family => family;

    /// <summary>Its pages, by a hash of their content.</summary>
    public Dictionary<int, List<CodePage>> Pages { get; } = [];

    /// <summary>Guests that have it open.</summary>
    public int Accounts { get; set; }

    /// <summary>What its pages take.</summary>
    public CodeUse Use { get; set; }
}

/// <summary>One guest's part of a scope: the pages that it alone has needed so far are on its account. Guarded by its space.</summary>
/// <param name="scope">The scope.</param>
internal sealed class CodeAccount(CodeScope scope)
{
    /// <summary>The scope.</summary>
    public CodeScope Scope => scope;

    /// <summary>Harts that run code of it.</summary>
    public int Harts { get; set; }

    /// <summary>What the pages take that nobody else has needed.</summary>
    public CodeUse Use { get; set; }
}

/// <summary>What pages of code take.</summary>
/// <param name="Decoded">Bytes of their content and their decoded blocks.</param>
/// <param name="Code">Bytes of their translations.</param>
internal readonly record struct CodeUse(long Decoded, long Code)
{
    public static CodeUse operator +(CodeUse left, CodeUse right) => new(left.Decoded + right.Decoded, left.Code + right.Code);

    public static CodeUse operator -(CodeUse left, CodeUse right) => new(left.Decoded - right.Decoded, left.Code - right.Code);

    /// <summary>The one or the other.</summary>
    public long Of(bool code) => code ? Code : Decoded;
}
