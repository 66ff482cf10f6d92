namespace PsVm.Riscv.Memory;

/// <summary>Keeps what pages of a guest's RAM hold, for somebody who reads it while the guest runs. Called from any thread.</summary>
/// <remarks>
/// A page is guarded until it has been asked about once, and never again. Pages are counted over all blocks in address order.
/// </remarks>
public interface IPageGuard
{
    /// <summary>Whether the page must not be written yet.</summary>
    /// <param name="page">Number of the page, of 4096 bytes.</param>
    bool IsGuarded(long page);

    /// <summary>
    /// Somebody is about to write pages; returns when they may be written. Does not throw: a guard that fails guards nothing any more.
    /// </summary>
    /// <param name="first">Number of the first.</param>
    /// <param name="count">How many.</param>
    void BeforeWrite(long first, long count);
}
