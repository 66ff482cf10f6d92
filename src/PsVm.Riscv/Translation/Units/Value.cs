using System.Diagnostics;
using PsVm.Riscv.Decoding;

namespace PsVm.Riscv.Translation.Units;

/// <summary>What a value comes from, or what is done at its place.</summary>
internal enum ValueKind : byte
{
    /// <summary>What a guest register holds where the run begins.</summary>
    Input,

    /// <summary>A number that is known.</summary>
    Constant,

    /// <summary>What an operation computes.</summary>
    Compute,

    /// <summary>One value where a branch over little is taken, else another; what is skipped then does not count.</summary>
    Select,

    /// <summary>The host address of the lowest byte of a group of accesses, which it checks.</summary>
    Reach,

    /// <summary>A load, of its own or of a group.</summary>
    Load,

    /// <summary>A store, of its own or of a group; no value.</summary>
    Store,

    /// <summary>A branch that leaves the run where it is taken; no value.</summary>
    Exit,

    /// <summary>A fence or a pause; no value.</summary>
    Effect,
}

/// <summary>A value of a run, assigned once, or something that is done between values.</summary>
internal sealed class Value
{
    private int _nextUse;

    /// <summary>Where it comes from.</summary>
    public required ValueKind Kind { get; init; }

    /// <summary>The operation's kind.</summary>
    public OpCode Code { get; init; }

    /// <summary>Index of its operation in the block.</summary>
    public int Index { get; init; }

    /// <summary>The number of a constant or with an operation; the register of an input.</summary>
    public long Immediate { get; init; }

    /// <summary>First operand: of an access its base, or the group's <see cref="ValueKind.Reach"/>.</summary>
    public Value? A { get; init; }

    /// <summary>Second operand: of a store what is stored.</summary>
    public Value? B { get; init; }

    /// <summary>What a <see cref="ValueKind.Select"/> gives where its branch is taken.</summary>
    public Value? Taken { get; init; }

    /// <summary>What it gives where not.</summary>
    public Value? Otherwise { get; init; }

    /// <summary>Operations that the branch of a <see cref="ValueKind.Select"/> skips.</summary>
    public int Skipped { get; init; }

    /// <summary>The group that it checks or is of.</summary>
    public AccessGroup? Group { get; init; }

    /// <summary>The guest's registers, as values, where the run may be left for this; null: it is never left here.</summary>
    public Value?[]? Visible { get; init; }

    /// <summary>Whether its low 32 bits, extended by their sign, are all of it.</summary>
    public bool IsWord { get; init; }

    /// <summary>Whether it is a word that is not negative: 32-bit instructions of hosts leave all of it.</summary>
    public bool IsSmall { get; init; }

    /// <summary>Whether someone needs it.</summary>
    public bool IsNeeded { get; set; }

    /// <summary>Whether someone needs more than its low 32 bits before it is brought to a guest's register.</summary>
    public bool NeedsAll { get; set; }

    /// <summary>Its place among the values of the run.</summary>
    public int At { get; init; }

    /// <summary>The place of the last that uses it, or where it has to be found if the run is left there.</summary>
    public int LastUse { get; set; }

    /// <summary>Places of those that compute with it, in order.</summary>
    public List<int> Uses { get; } = [];

    /// <summary>The guest register that holds it in the end, 0: none.</summary>
    public int Final { get; set; }

    /// <summary>Whether it compares words: 32 bits tell.</summary>
    public bool ComparesWords => A!.IsWord && B!.IsWord;

    /// <summary>What it is called where others use it.</summary>
    public string Name => Kind == ValueKind.Constant ? $"{Immediate}" : $"v{At}";

    /// <summary>The place of the next that computes with it, from one place on.</summary>
    public int NextUse(int from)
    {
        while (_nextUse < Uses.Count && Uses[_nextUse] < from)
        {
            _nextUse++;
        }

        return _nextUse < Uses.Count ? Uses[_nextUse] : int.MaxValue;
    }

    /// <inheritdoc/>
    public override string ToString() => Kind switch
    {
        ValueKind.Input => $"v{At} = x{Immediate}",
        ValueKind.Constant => $"v{At} = {Immediate}",
        ValueKind.Exit => $"exit {Code} {NameOf(A)} {NameOf(B)}",
        ValueKind.Effect => $"{Code}",
        ValueKind.Store => $"{Code} [{NameOf(A)} + {Immediate}] {NameOf(B)}",
        ValueKind.Select => $"v{At} = {Code} {NameOf(A)} {NameOf(B)} ? {NameOf(Taken)} : {NameOf(Otherwise)}",
        ValueKind.Load or ValueKind.Reach => $"v{At} = {(Kind == ValueKind.Load ? Code : Kind)} [{NameOf(A)} + {Immediate}]",
        _ => $"v{At} = {Code} {NameOf(A)} {(B is null ? Immediate : NameOf(B))}",
    };

    private static string NameOf(Value? value) => value?.Name ?? string.Empty;
}
