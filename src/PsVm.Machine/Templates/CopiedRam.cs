using PsVm.Memory.Copying;
using PsVm.Riscv.Memory;

namespace PsVm.Machine.Templates;

/// <summary>Has whoever writes a guest's RAM ask the copy that is being made of it.</summary>
/// <param name="copy">The copy, whose blocks are the RAM's in their order.</param>
internal sealed class CopiedRam(LiveCopy copy) : IPageGuard
{
    private const int PageShift = 12;

    /// <inheritdoc/>
    public bool IsGuarded(long page) => copy.IsWaiting(page << PageShift);

    /// <inheritdoc/>
    public void BeforeWrite(long first, long count) => copy.Keep(first << PageShift, count << PageShift);
}
