namespace PsVm.Riscv;

/// <summary>The second tier, which turns hot blocks into host code. Hosts other than x86-64 Linux run without it.</summary>
public sealed record TranslatorOptions
{
    /// <summary>On, with the thresholds and sizes that measured best.</summary>
    public static readonly TranslatorOptions Default = new();

    /// <summary>The interpreter alone.</summary>
    public static readonly TranslatorOptions Off = new() { Enabled = false };

    /// <summary>Whether hot blocks are translated.</summary>
    public bool Enabled { get; init; } = true;

    /// <summary>How often the interpreter runs a block before it is translated; 1: at first sight.</summary>
    public int Threshold { get; init; } = 24;

    /// <summary>Bytes of host code at most; a multiple of 64 KiB.</summary>
    public long CodeBytes { get; init; } = 32 << 20;
}
