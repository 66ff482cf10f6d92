namespace PsVm;

/// <summary>A program to be run in a guest, by its agent.</summary>
/// <param name="Path">The program: a path of the guest's, or a name that its PATH finds.</param>
public sealed record GuestCommand(string Path)
{
    /// <summary>Most bytes of input: it travels in one request.</summary>
    public const int MostInput = 128 << 10;

    /// <summary>Most bytes that are kept of each of its outputs.</summary>
    public const int MostOutput = 16 << 20;

    /// <summary>What it is told behind its name.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

    /// <summary>What it reads; at most <see cref="MostInput"/> bytes.</summary>
    public ReadOnlyMemory<byte> Input { get; init; }

    /// <summary>
    /// How long it may run; it is ended then. <see cref="System.Threading.Timeout.InfiniteTimeSpan"/>: as long as it wants.
    /// </summary>
    public TimeSpan Timeout { get; init; } = System.Threading.Timeout.InfiniteTimeSpan;

    /// <summary>A line that the guest's shell runs.</summary>
    /// <param name="text">The line, or lines.</param>
    /// <param name="arguments">What they find as <c>$1</c> and so on.</param>
    public static GuestCommand Shell(string text, params IReadOnlyList<string> arguments) =>
        new("/bin/sh") { Arguments = ["-c", text, "sh", .. arguments] };
}

/// <summary>What came of a command in a guest.</summary>
public sealed record GuestCommandResult
{
    private byte[] _stdOut = [], _stdErr = [];

    /// <summary>The guest's name.</summary>
    public required string Guest { get; init; }

    /// <summary>What the command said at its end: 0 is success. Null: a signal ended it.</summary>
    public int? ExitCode { get; init; }

    /// <summary>The signal that ended it; null: none did.</summary>
    public int? Signal { get; init; }

    /// <summary>What it wrote, as UTF-8, without the last line's end, fit for a terminal (<see cref="VisibleText"/>).</summary>
    public string StdOut => Text(_stdOut);

    /// <summary>What it wrote to its error output, as <see cref="StdOut"/>.</summary>
    public string StdErr => Text(_stdErr);

    /// <summary>It wrote more than is kept (<see cref="GuestCommand.MostOutput"/>; an agent may keep less).</summary>
    public bool Truncated { get; init; }

    /// <summary>Time from the request to its end.</summary>
    public TimeSpan Duration { get; init; }

    /// <summary>It ended well.</summary>
    public bool Succeeded => ExitCode == 0;

    /// <summary>What it wrote, as it was.</summary>
    public byte[] GetStdOutBytes() => [.. _stdOut];

    /// <summary>What it wrote to its error output, as it was.</summary>
    public byte[] GetStdErrBytes() => [.. _stdErr];

    /// <summary>The same with what it wrote.</summary>
    public GuestCommandResult WithOutput(byte[] stdOut, byte[] stdErr) => this with { _stdOut = stdOut, _stdErr = stdErr };

    private static string Text(byte[] bytes)
    {
        string text = System.Text.Encoding.UTF8.GetString(bytes);
        int end = text.EndsWith("\r\n", StringComparison.Ordinal) ? 2 : text.EndsWith('\n') ? 1 : 0;
        return VisibleText.Of(text[..^end]);
    }
}

/// <summary>A piece of what a command that runs in a guest writes.</summary>
/// <param name="IsError">It is of its error output.</param>
/// <param name="Bytes">The bytes, as they are.</param>
public readonly record struct GuestCommandOutput(bool IsError, ReadOnlyMemory<byte> Bytes);
