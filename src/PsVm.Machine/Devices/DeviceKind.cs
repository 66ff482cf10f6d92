namespace PsVm.Machine.Devices;

/// <summary>What boards know of a device before there is one. Each device has its own beside its registers.</summary>
internal sealed record DeviceKind
{
    /// <summary>Name of its node of the device tree, without the address.</summary>
    public required string Node { get; init; }

    /// <summary>What drivers know it as, the most specific first (<c>compatible</c>).</summary>
    public required IReadOnlyList<string> Compatible { get; init; }

    /// <summary>Bytes of its registers.</summary>
    public required ulong Size { get; init; }

    /// <summary>Makes one, for one board.</summary>
    public required Func<DeviceWires, IDevice> Create { get; init; }

    /// <summary>Interrupt lines that it has.</summary>
    public int Interrupts { get; init; }

    /// <summary>It is an <see cref="IInterruptController"/>, to which other devices' lines lead.</summary>
    public bool IsInterruptController { get; init; }

    /// <summary>A kernel may print on it (<c>stdout-path</c>).</summary>
    public bool IsConsole { get; init; }

    /// <summary>Writes what its node has beside name, <c>compatible</c>, <c>reg</c> and <c>interrupts</c>.</summary>
    public Action<DeviceTreeWriter, DeviceNode> Describe { get; init; } = static (_, _) => { };

    /// <summary>Writes nodes of its at the root of the tree.</summary>
    public Action<DeviceTreeWriter, DeviceNode> DescribeAtRoot { get; init; } = static (_, _) => { };
}
