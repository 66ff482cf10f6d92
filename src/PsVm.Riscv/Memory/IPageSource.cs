namespace PsVm.Riscv.Memory;

/// <summary>Brings pages of a guest's RAM that are not there yet. Called from any thread.</summary>
/// <remarks>A page that is there stays. Pages are counted over all blocks in address order.</remarks>
public interface IPageSource
{
    /// <summary>
    /// Whether pages are there. Does not wait: those that are not are asked for, and whoever runs the harts is to run them again then.
    /// </summary>
    /// <param name="first">Number of the first, of 4096 bytes.</param>
    /// <param name="count">How many.</param>
    bool TryHave(long first, long count);

    /// <summary>Returns when pages are there.</summary>
    /// <param name="first">Number of the first, of 4096 bytes.</param>
    /// <param name="count">How many.</param>
    /// <returns>False: they cannot be had.</returns>
    bool Await(long first, long count);
}
