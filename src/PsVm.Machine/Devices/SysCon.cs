namespace PsVm.Machine.Devices;

/// <summary>What a guest asks its board's power to do.</summary>
internal enum PowerRequest
{
    /// <summary>Power off.</summary>
    Off,

    /// <summary>Start again.</summary>
    Reboot,

    /// <summary>Power off and report a failure.</summary>
    Fail,

    /// <summary>Nothing more: its kernel panicked.</summary>
    Panic,
}

/// <summary>SiFive's test device, which <c>syscon-poweroff</c> and <c>syscon-reboot</c> write to.</summary>
/// <param name="request">Called with what the guest asks, and with its failure code.</param>
internal sealed class SysCon(Action<PowerRequest, uint> request) : IDevice
{
    /// <summary>Value that powers off.</summary>
    private const uint PowerOff = 0x5555;

    /// <summary>Value that reboots.</summary>
    private const uint Reboot = 0x7777;

    private const uint Fail = 0x3333;

    /// <summary>What boards know of it.</summary>
    public static DeviceKind Kind { get; } = new()
    {
        Node = "test",
        Compatible = ["sifive,test1", "sifive,test0", "syscon"],
        Size = 0x1000,
        Create = wires => new SysCon(wires.Power),
        Describe = (tree, node) => tree.Property("phandle", node.Handle),
        DescribeAtRoot = (tree, node) =>
        {
            DescribePower(tree, "poweroff", node.Handle, PowerOff);
            DescribePower(tree, "reboot", node.Handle, Reboot);
        },
    };

    public bool TryRead(ulong offset, int size, out ulong value)
    {
        value = 0;
        return true;
    }

    public bool TryWrite(ulong offset, int size, ulong value)
    {
        if (offset == 0)
        {
            switch (value & 0xffff)
            {
                case PowerOff:
                    request(PowerRequest.Off, 0);
                    break;
                case Reboot:
                    request(PowerRequest.Reboot, 0);
                    break;
                case Fail:
                    request(PowerRequest.Fail, (uint)(value >> 16) & 0xffff);
                    break;
            }
        }

        return true;
    }

    private static void DescribePower(DeviceTreeWriter tree, string name, uint sysCon, uint value)
    {
        tree.BeginNode(name);
        tree.Property("compatible", $"syscon-{name}");
        tree.Property("regmap", sysCon);
        tree.Property("offset", 0u);
        tree.Property("value", value);
        tree.EndNode();
    }
}
