namespace PsVm.Benchmarks;

/// <summary>What a template is made of, and how many clones start from it.</summary>
internal sealed record CloneOptions
{
    /// <summary>Takes the options that concern clones.</summary>
    /// <exception cref="ArgumentException">One is wrong.</exception>
    public CloneOptions(Arguments arguments)
    {
        Kernel = arguments.TextOrNull("--kernel");
        Initrd = arguments.TextOrNull("--initrd");
        Append = arguments.TextOrNull("--append") ?? (Kernel is null ? null : "console=ttyS0 panic=-1 quiet");
        Until = arguments.TextOrNull("--until") ?? "GUEST-UP";
        Tick = arguments.TextOrNull("--tick") ?? "TICK";
        Memory = (long)arguments.Number("--mem", 256) << 20;
        Count = arguments.Number("-n", 5);
    }

    /// <summary>Path of the kernel; null: the embedded guest boots.</summary>
    public string? Kernel { get; }

    /// <summary>Path of the initramfs.</summary>
    public string? Initrd { get; }

    /// <summary>The kernel's command line.</summary>
    public string? Append { get; }

    /// <summary>The text on the console that says that the guest can become a template.</summary>
    public string Until { get; }

    /// <summary>The text that a clone prints again and again.</summary>
    public string Tick { get; }

    /// <summary>RAM in bytes.</summary>
    public long Memory { get; }

    /// <summary>Number of clones.</summary>
    public int Count { get; }
}
