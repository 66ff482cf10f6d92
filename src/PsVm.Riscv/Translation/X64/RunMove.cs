using System.Diagnostics;
using static PsVm.Riscv.Translation.X64.Reg;

namespace PsVm.Riscv.Translation.X64;

/// <summary>A place that holds a value: a host register, or one in the state; or none. Compared as one number, since many are.</summary>
internal readonly struct RunPlace
{
    private const int Registers = 16, Memories = 1 << 20;

    private readonly int _number;

    private RunPlace(int number) => _number = number;

    /// <summary>No place: the value is a number.</summary>
    public static RunPlace None => new(-1);

    /// <summary>Whether it is one.</summary>
    public bool IsAny => _number >= 0;

    /// <summary>Whether it is a register.</summary>
    public bool IsRegister => (uint)_number < Registers;

    /// <summary>The register.</summary>
    public Reg Register => IsRegister ? (Reg)_number : throw new InvalidOperationException("it is in the state");

    /// <summary>The place in the state.</summary>
    public Mem Memory => new(Rbp, _number - Memories);

    /// <summary>A host register.</summary>
    public static RunPlace In(Reg register) => new((int)register);

    /// <summary>A place in the state.</summary>
    public static RunPlace At(Mem memory)
    {
        Debug.Assert(memory is { Base: Rbp, Index: null }, "places are in the state");
        return new RunPlace(memory.Offset + Memories);
    }

    /// <summary>Whether two are the same.</summary>
    public bool Is(RunPlace other) => _number == other._number;
}

/// <summary>A value that is to be brought to where a guest's register lives.</summary>
/// <param name="to">Where that is.</param>
/// <param name="from">Where the value is; none: it is a number.</param>
/// <param name="number">The number.</param>
/// <param name="extends">Whether only its low 32 bits are there.</param>
internal readonly struct RunMove(RunPlace to, RunPlace from, long number, bool extends)
{
    /// <summary>Where the guest's register lives.</summary>
    public RunPlace To => to;

    /// <summary>Where the value is; none: it is a number.</summary>
    public RunPlace From => from;

    /// <summary>The number.</summary>
    public long Number => number;

    /// <summary>Whether only its low 32 bits are there.</summary>
    public bool Extends => extends;

    /// <summary>The move when the value is elsewhere.</summary>
    public RunMove Taking(RunPlace place) => new(to, place, number, extends);
}
