using PsVm.Riscv.Translation.Units;

namespace PsVm.Riscv.Translation.Cache;

/// <summary>A translation that was made, as an observer is shown it. Its pointers are good during the call.</summary>
internal sealed unsafe class TranslatedCode(long page, BlockHeader* block, LoopUnit? loop, byte* code, int length)
{
    /// <summary>Number of the page, counted over all RAM of the guest.</summary>
    public long Page => page;

    /// <summary>The block, or the one at which the loop is entered.</summary>
    public BlockHeader* Block => block;

    /// <summary>The loop; null: the block alone.</summary>
    public LoopUnit? Loop => loop;

    /// <summary>Where the code runs.</summary>
    public byte* Code => code;

    /// <summary>Its bytes.</summary>
    public int Length => length;
}
