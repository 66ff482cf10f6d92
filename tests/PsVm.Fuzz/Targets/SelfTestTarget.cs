using PsVm.Riscv.Tests;

namespace PsVm.Fuzz.Targets;

/// <summary>What fuzzers are tested with: one case does what must be found.</summary>
/// <param name="mistake">What that case does.</param>
internal sealed unsafe class SelfTestTarget(Action mistake) : FuzzTarget
{
    /// <summary>The number of the case that does it.</summary>
    public const int Case = 3;

    public static readonly IReadOnlyList<FuzzTargetEntry> All =
    [
        new("self-none", 1, 8, () => new SelfTestTarget(() => { })),
        new("self-crash", 1, 8, () => new SelfTestTarget(() => *(byte*)(1L << 40) = 1)),
        new("self-hang", 1, 8, () => new SelfTestTarget(() => Thread.Sleep(Timeout.Infinite))),
        new("self-memory", 1, 8, () => new SelfTestTarget(() => Array.ForEach(new int[9], _ => GC.KeepAlive(new byte[1 << 27])))),
        new("self-error", 1, 8, () => new SelfTestTarget(() => throw new InvalidOperationException("not documented"))),
        new("self-wrong", 1, 8, () => new SelfTestTarget(() => throw new WrongException("not so"))),
    ];

    private int _next;

    // The only target to which it matters how many cases came before.
    public override void Run(Dice dice)
    {
        if (_next++ == Case)
        {
            mistake();
        }
    }

    public override void Dispose()
    {
    }
}
