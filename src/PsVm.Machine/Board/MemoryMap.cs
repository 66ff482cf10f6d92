namespace PsVm.Machine.Board;

/// <summary>
/// What every version of the board has in common: QEMU's riscv64 <c>virt</c> machine, so that its kernels run unmodified.
/// </summary>
internal static class MemoryMap
{
    public const ulong RamStart = 0x8000_0000;

    /// <summary>Harts that a board may have: as many as a word of bits names.</summary>
    public const int MaxHarts = 64;

    /// <summary>Ticks per second of <c>mtime</c>.</summary>
    public const ulong TimebaseFrequency = 10_000_000;
}
