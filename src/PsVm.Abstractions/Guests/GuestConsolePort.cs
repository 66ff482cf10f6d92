namespace PsVm;

/// <summary>What an operator asks of a named port of a guest's console device, which programs of the host reach by a Unix socket.</summary>
public sealed record GuestConsolePortOptions
{
    /// <summary>
    /// What the guest knows it by (<c>/dev/virtio-ports/NAME</c>), and its templates: 1 to 64 letters, digits, <c>-._</c>, of which the
    /// first is no dot.
    /// </summary>
    public required string Name { get; init; }

    /// <summary>Path of the socket; null: one in a folder of the guest's, below that for temporary files.</summary>
    public string? Path { get; init; }
}

/// <summary>A named port of a guest's console device, as it was when asked.</summary>
public sealed record GuestConsolePort
{
    /// <summary>What the guest knows it by.</summary>
    public required string Name { get; init; }

    /// <summary>Full path of the socket by which programs of the host reach it.</summary>
    public required string Path { get; init; }

    /// <summary>A program of the guest has it open.</summary>
    public bool Open { get; init; }

    /// <summary>A program of the host has its socket.</summary>
    public bool Connected { get; init; }

    /// <inheritdoc/>
    public override string ToString() => Name;
}
