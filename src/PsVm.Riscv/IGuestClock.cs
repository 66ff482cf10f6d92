namespace PsVm.Riscv;

/// <summary>The time that harts and timers see (<c>mtime</c>, the <c>time</c> CSR).</summary>
public interface IGuestClock
{
    /// <summary>Ticks per second.</summary>
    ulong Frequency { get; }

    /// <summary>Ticks now. Safe to call from any thread; never goes back.</summary>
    ulong Now { get; }
}
