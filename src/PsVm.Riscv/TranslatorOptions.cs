using PsVm.Riscv.Translation.Cache;

namespace PsVm.Riscv;

/// <summary>The second tier, which turns hot code into host code. Hosts other than x86-64 Linux run without it.</summary>
public sealed record TranslatorOptions
{
    /// <summary>On, with the thresholds and sizes that measured best.</summary>
    public static readonly TranslatorOptions Default = new();

    /// <summary>The interpreter alone.</summary>
    public static readonly TranslatorOptions Off = new() { Enabled = false };

    /// <summary>Whether hot code is translated.</summary>
    public bool Enabled { get; init; } = true;

    /// <summary>
    /// How often the interpreter runs a block before it is translated, in the background; 1: everything, loops too, at first sight and
    /// before it runs, for tests.
    /// </summary>
    public int Threshold { get; init; } = 24;

    /// <summary>How many slices end at a block before the loop around it is translated as one.</summary>
    public int LoopThreshold { get; init; } = 6;

    /// <summary>The least that <see cref="CodeBytes"/> can be.</summary>
    public const long LeastCodeBytes = 256 << 10;

    /// <summary>Bytes of host code at most, <see cref="LeastCodeBytes"/> or more; whole pages of 4096.</summary>
    public long CodeBytes { get; init; } = 32 << 20;

    /// <summary>Bytes of decoded blocks, and of the pages they were decoded from, at most.</summary>
    public long DecodedBytes { get; init; } = 64 << 20;

    /// <summary>Enough for the largest unit that was met.</summary>
    internal const long DefaultBufferBytes = 1 << 20;

    /// <summary>Bytes of host code that one block or loop may take; what takes more stays with the interpreter.</summary>
    internal long BufferBytes { get; init; } = DefaultBufferBytes;

    /// <summary>How often a loop with calls inside, or over several pages, may be entered in one slice; else it goes.</summary>
    internal int MostLoopEntries { get; init; } = 200;

    /// <summary>
    /// How long code that leaves may wait for a hart of its guest, which is in a device's register or waits for a page of RAM, before that
    /// of others leaves as well.
    /// </summary>
    internal TimeSpan EvictionPatience { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>
    /// After so many look-ups what a guest left to a family and none of its guests has looked up is not kept for it any more: some twenty
    /// processes that a shell starts. Most of what a guest has run is its boot, which its clones never run.
    /// </summary>
    internal long InheritedLookups { get; init; } = 16_384;

    /// <summary>Starts the thread that translates; tests let it fail.</summary>
    internal Action<Thread> StartThread { get; init; } = thread => thread.UnsafeStart();

    /// <summary>Is shown every translation that is made, one at a time, on the thread that makes it.</summary>
    internal Action<TranslatedCode>? Observer { get; init; }

    internal bool TranslatesAtOnce => Threshold <= 1;
}
