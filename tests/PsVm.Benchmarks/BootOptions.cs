using System.Globalization;

namespace PsVm.Benchmarks;

/// <summary>What boots, and how often.</summary>
internal sealed record BootOptions
{
    private const string Interpreter = "interpreter";
    private const string Translator = "translator";

    /// <summary>Takes the options that concern a boot.</summary>
    /// <exception cref="ArgumentException">One is missing or wrong.</exception>
    public BootOptions(Arguments arguments)
    {
        Kernel = arguments.Text("--kernel");
        Initrd = arguments.Text("--initrd");
        Append = arguments.TextOrNull("--append") ?? "console=ttyS0 panic=-1 quiet";
        Until = arguments.TextOrNull("--until") ?? "GUEST-UP";
        Megabytes = arguments.Number("--mem", 256);
        Harts = arguments.Number("--harts", 1);
        Runs = arguments.Number("-n", 5);
        MachineType = arguments.TextOrNull("--machine");
        Dump = arguments.TextOrNull("--dump");
        string tier = arguments.TextOrNull("--tier") ?? Translator;
        Translate = tier switch
        {
            Translator => true,
            Interpreter => false,
            _ => throw new ArgumentException($"Expected --tier {Interpreter} or {Translator}, found '{tier}'."),
        };
    }

    /// <summary>Path of the flat Image.</summary>
    public string Kernel { get; }

    /// <summary>Path of the initramfs.</summary>
    public string Initrd { get; }

    /// <summary>The kernel's command line.</summary>
    public string Append { get; }

    /// <summary>The text on the console that ends the boot.</summary>
    public string Until { get; }

    /// <summary>RAM in MiB.</summary>
    public int Megabytes { get; }

    /// <summary>Number of harts.</summary>
    public int Harts { get; }

    /// <summary>The machine type; null: the default.</summary>
    public string? MachineType { get; }

    /// <summary>Hot code is translated; else all is interpreted.</summary>
    public bool Translate { get; }

    /// <summary>The file to which every translation is written, in both machines' instructions; null: none.</summary>
    public string? Dump { get; }

    /// <summary>Number of runs.</summary>
    public int Runs { get; }

    /// <summary>The guest that boots.</summary>
    public GuestOptions ToGuest(string name) => new()
    {
        Name = name,
        Kernel = Kernel,
        Initrd = Initrd,
        CommandLine = Append,
        Memory = (long)Megabytes << 20,
        Harts = Harts,
        MachineType = MachineType,
    };

    /// <summary>The words that make the same options, but for the number of runs.</summary>
    public IEnumerable<string> ToWords() =>
    [
        "--kernel", Kernel, "--initrd", Initrd, "--append", Append, "--until", Until,
        "--mem", Megabytes.ToString(CultureInfo.InvariantCulture), "--harts", Harts.ToString(CultureInfo.InvariantCulture),
        "--tier", Translate ? Translator : Interpreter, .. MachineType is null ? Array.Empty<string>() : ["--machine", MachineType],
        .. Dump is null ? Array.Empty<string>() : ["--dump", Dump],
    ];
}
