using System.Diagnostics.CodeAnalysis;

namespace PsVm.Riscv;

/// <summary>
/// The instruction set of a guest's harts: a set of extensions. What it does not have is an illegal instruction, and bits of CSRs that
/// belong to it read as 0. Harts of several profiles may share a <see cref="CodeCache"/>; they share no code there.
/// </summary>
public sealed record IsaProfile
{
    /// <summary>Bytes of a cache block, for Zicbom, Zicbop and Zicboz (<c>riscv,cbom-block-size</c> and its like).</summary>
    public const int CacheBlockSize = 64;

    private const string BaseName = "rv64";
    private const IsaExtensions Required = IsaExtensions.I | IsaExtensions.M | IsaExtensions.A | IsaExtensions.F | IsaExtensions.D
        | IsaExtensions.C | IsaExtensions.Zicntr | IsaExtensions.Zicsr | IsaExtensions.Zifencei
        | IsaExtensions.Zba | IsaExtensions.Zbb | IsaExtensions.Zbs | IsaExtensions.Sstc;

    private static readonly (string Name, IsaExtensions Extension)[] s_known = [.. Enum.GetValues<IsaExtensions>()
        .Where(extension => extension != IsaExtensions.None)
        .Select(extension => (extension.ToString().ToLowerInvariant(), extension))];

    /// <summary>Makes a profile.</summary>
    /// <param name="extensions">Its extensions.</param>
    /// <exception cref="ArgumentException">One of <see cref="Base"/> is not among them, or a bit stands for none.</exception>
    public IsaProfile(IsaExtensions extensions)
    {
        if ((extensions & Required) != Required || (extensions & ~All()) != 0)
        {
            throw new ArgumentException(
                $"expected at least {Describe(Required)} and at most {Describe(All())}, found {Describe(extensions)}", nameof(extensions));
        }

        Extensions = extensions;
    }

    /// <summary>
    /// RV64GC with Zicntr, Zba, Zbb, Zbs and Sstc: what no hart is without, and what machines before <c>virt-1.2</c> have.
    /// </summary>
    public static IsaProfile Base { get; } = new(Required);

    /// <summary>Every extension that harts know.</summary>
    public static IsaProfile Full { get; } = new(All());

    /// <summary>The extensions.</summary>
    public IsaExtensions Extensions { get; }

    /// <summary>Their names, as <c>riscv,isa-extensions</c> lists them.</summary>
    public IReadOnlyList<string> Names => [.. s_known.Where(known => Has(known.Extension)).Select(known => known.Name)];

    /// <summary>All in one word, as <c>riscv,isa</c> has it: <c>rv64imafdc_zicntr_...</c></summary>
    public string Isa => BaseName + string.Concat(Names.Select(name => name.Length == 1 ? name : "_" + name));

    /// <summary>The profile with some extensions by name.</summary>
    /// <param name="names">Names as in <c>riscv,isa-extensions</c>, in any order.</param>
    /// <exception cref="ArgumentException">A name is not known, or one of <see cref="Base"/> is not among them.</exception>
    public static IsaProfile FromNames(IEnumerable<string> names)
    {
        IsaExtensions extensions = IsaExtensions.None;
        foreach (string name in names)
        {
            IsaExtensions found = Find(name);
            extensions |= found != IsaExtensions.None
                ? found
                : throw new ArgumentException($"expected extensions of {Describe(All())}, found '{name}'", nameof(names));
        }

        return new IsaProfile(extensions);
    }

    /// <summary>Splits a <c>riscv,isa</c> word into the names of its extensions, known or not.</summary>
    /// <param name="isa">The word: <c>rv64</c>, small letters for an extension each, then longer names, <c>_</c> before each.</param>
    /// <param name="names">The names in their order; null when it returns false.</param>
    /// <returns>False: it is not of that form, or names an extension twice.</returns>
    public static bool TryReadNames(string isa, [NotNullWhen(true)] out IReadOnlyList<string>? names)
    {
        names = null;
        if (!isa.StartsWith(BaseName, StringComparison.Ordinal))
        {
            return false;
        }

        string[] parts = isa[BaseName.Length..].Split('_');
        string[] found = [.. parts[0].Select(letter => letter.ToString()), .. parts[1..]];
        bool valid = parts[0].Length != 0
            && parts[1..].All(name => name.Length > 1)
            && found.All(name => char.IsAsciiLetterLower(name[0]) && name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c)))
            && found.Distinct(StringComparer.Ordinal).Count() == found.Length;
        names = valid ? found : null;
        return valid;
    }

    /// <summary>Whether it has all of some extensions.</summary>
    public bool Has(IsaExtensions extensions) => (Extensions & extensions) == extensions;

    /// <summary>What these harts lack of what a guest needs; empty: it can run here.</summary>
    /// <param name="needed">Names of extensions, known or not.</param>
    public IReadOnlyList<string> Missing(IEnumerable<string> needed) =>
        [.. needed.Where(name => Find(name) is var extension && (extension == IsaExtensions.None || !Has(extension)))];

    /// <inheritdoc/>
    public override string ToString() => Isa;

    private static IsaExtensions All() => s_known.Aggregate(IsaExtensions.None, (sum, known) => sum | known.Extension);

    private static IsaExtensions Find(string name) => Array.Find(s_known, known => known.Name == name).Extension;

    private static string Describe(IsaExtensions extensions) => $"'{extensions.ToString().ToLowerInvariant()}'";
}
