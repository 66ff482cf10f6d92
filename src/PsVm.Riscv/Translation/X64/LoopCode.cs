using PsVm.Riscv.Translation.Units;

namespace PsVm.Riscv.Translation.X64;

/// <summary>A loop while its code is written: where its registers live, where its parts are and who jumps there.</summary>
/// <param name="unit">The loop.</param>
internal sealed unsafe class LoopCode(LoopUnit unit)
{
    private readonly Dictionary<LoopBlock, nint> _blocks = [];
    private readonly List<(LoopBlock Block, nint Jump)> _jumps = [];

    /// <summary>The loop.</summary>
    public LoopUnit Unit => unit;

    /// <summary>Where registers live inside.</summary>
    public RegisterMap Map { get; } = RegisterMap.For(unit);

    // Where the loop's own routines are, and where it is entered; set when they are written.
    public byte* SlowLoad { get; set; }

    public byte* SlowStore { get; set; }

    public byte* Interpret { get; set; }

    public byte* Entry { get; set; }

    /// <summary>A block's code begins here.</summary>
    public void Begin(LoopBlock block, ref X64Assembler code)
    {
        _blocks.Add(block, (nint)code.At);
        foreach ((_, nint jump) in _jumps.Where(jump => jump.Block == block))
        {
            code.BindHere((byte*)jump);
        }
    }

    /// <summary>Jumps to a block's code, wherever it is or will be.</summary>
    public void Jump(LoopBlock block, ref X64Assembler code)
    {
        if (_blocks.TryGetValue(block, out nint place))
        {
            code.Jmp((byte*)place);
        }
        else
        {
            _jumps.Add((block, (nint)code.Jmp()));
        }
    }
}
