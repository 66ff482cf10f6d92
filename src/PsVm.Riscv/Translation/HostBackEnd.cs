using PsVm.Riscv.Decoding;
using PsVm.Riscv.Translation.Cache;
using PsVm.Riscv.Translation.Units;
using PsVm.Riscv.Translation.X64;

namespace PsVm.Riscv.Translation;

/// <summary>
/// What emits code for this host's CPU, and all that the translator and its cache know of it. A back end is a room beside this file and a
/// line in
/// <see cref="TryMake"/>; nothing else names it. For one thread at a time, but for what says otherwise.
/// </summary>
/// <remarks>
/// Units of code are entered, linked and left in the back end's own way. All of them keep the state (<see cref="HartState"/>) as the
/// contract of
/// <see cref="CodeExit"/> says, leave when the state's limit is reached, and call C# through <see cref="HostCalls"/>.
/// Safety: places are in the memory that the back end was made with, as it is written; what runs is the same through its other mapping.
/// </remarks>
internal abstract unsafe class HostBackEnd : IDisposable
{
    /// <summary>Whether this host has one, and so can run translated code.</summary>
    public static bool IsSupported => X64BackEnd.IsSupportedHere;

    /// <summary>The host's back end; null: it has none.</summary>
    /// <param name="memory">Where code goes; the back end puts there what all units share.</param>
    /// <param name="bufferBytes">Bytes that a unit may take.</param>
    /// <exception cref="OutOfMemoryException">There is no memory for a unit of that size.</exception>
    public static HostBackEnd? TryMake(CodeMemory memory, long bufferBytes) =>
        X64BackEnd.IsSupportedHere ? new X64BackEnd(memory, bufferBytes) : null;

    /// <summary>Guest integer registers that a loop may use and still have all of them in the host's.</summary>
    public abstract int IntegerRegisters { get; }

    /// <summary>Runs code until it leaves: the state, and the code as it runs. Safe from any thread.</summary>
    public abstract delegate* unmanaged<HartState*, byte*, void> Enter { get; }

    /// <summary>Where a jump goes whose target has no translation, as it runs.</summary>
    public abstract byte* NotTranslated { get; }

    /// <summary>fflags for each value of the six bits that <see cref="HartState.HostFlags"/> has.</summary>
    public abstract byte[] FloatFlags { get; }

    /// <summary>Translates a block.</summary>
    /// <returns>Bytes of code that wait for their place; 0: its first operation is left to the interpreter.</returns>
    /// <exception cref="InvalidOperationException">It takes too many.</exception>
    public abstract int Translate(Op* block);

    /// <summary>Translates a loop.</summary>
    /// <param name="loop">The loop.</param>
    /// <param name="single">The code of its first block, which runs when the loop's conditions do not hold.</param>
    /// <inheritdoc cref="Translate(Op*)"/>
    public abstract int Translate(LoopUnit loop, byte* single);

    /// <summary>
    /// Direct jumps within the page of what was translated last: the end of each, counted from where the code begins, and the offset in the
    /// page that it goes to. Until it is bound, a jump looks its target up.
    /// </summary>
    public abstract IReadOnlyList<(int JumpEnd, int Target)> Jumps { get; }

    /// <summary>Puts what was translated last in its place, so that it can run.</summary>
    /// <returns>Where it is entered.</returns>
    public abstract byte* Place(byte* place, int length);

    /// <summary>Makes a block's code jump to that of the loop around it, whoever runs it.</summary>
    public abstract void Redirect(byte* block, byte* loop);

    /// <summary>Undoes that for a loop that is wide (<see cref="LoopUnit.IsWide"/>): whoever comes to it runs the block.</summary>
    public abstract void Undo(byte* block, byte* loop);

    /// <summary>Points a direct jump to a unit, whoever runs it. Safe from any thread.</summary>
    /// <param name="jump">The end of the jump, as a place.</param>
    /// <param name="target">The unit.</param>
    public abstract void Bind(byte* jump, byte* target);

    /// <inheritdoc/>
    public abstract void Dispose();
}
