namespace PsVm;

/// <summary>Arguments for QEMU, to splat: <c>$a = $x.Arguments; qemu-system-riscv64 @a</c>.</summary>
/// <remarks>As text they are a line for a POSIX shell.</remarks>
public sealed record QemuArgument
{
    /// <summary>Id of the memory backend.</summary>
    public required string Id { get; init; }

    /// <summary>The arguments, one each: no quoting but QEMU's own (doubled commas).</summary>
    public required IReadOnlyList<string> Arguments { get; init; }

    /// <summary>What an operator should know: what fails as things are on this host, what QEMU has to be told beside.</summary>
    public IReadOnlyList<BackendWarning> Warnings { get; init => field = ValueList.Of(value); } = ValueList.Of<BackendWarning>([]);

    /// <summary>The arguments as a POSIX shell takes them.</summary>
    public string CommandLine => QemuCommandLine.Join(Arguments);

    /// <inheritdoc cref="CommandLine"/>
    public override string ToString() => CommandLine;
}
