using PsVm.Machine.Devices;
using PsVm.Riscv;

namespace PsVm.Machine.Board;

/// <summary>What a kernel is told of its board.</summary>
/// <param name="Machine">What it has.</param>
/// <param name="Harts">Number of harts.</param>
/// <param name="Ram">Blocks of RAM in address order, ROM among them.</param>
/// <param name="CommandLine">The kernel's command line.</param>
/// <param name="Initrd">Where the initial RAM disk is; null: none.</param>
/// <param name="Seed">Random bytes for the kernel's random pool and the place it moves itself to; at least 8.</param>
internal sealed record BoardDescription(
    MachineType Machine, int Harts, IReadOnlyList<RamBlock> Ram, string CommandLine, AddressRange? Initrd, byte[] Seed);

/// <summary>The board as a device tree, with the nodes and names of QEMU's <c>virt</c> machine.</summary>
internal static class BoardDeviceTree
{
    private const int KaslrSeedSize = 8;

    /// <summary>Builds the flattened device tree.</summary>
    public static byte[] Build(BoardDescription board)
    {
        DeviceTreeWriter tree = new();
        (DevicePlacement Device, DeviceNode Node)[] devices = Place(board);

        tree.BeginNode("");
        tree.Property("#address-cells", 2);
        tree.Property("#size-cells", 2);
        tree.Property("compatible", "riscv-virtio");
        tree.Property("model", "PsVm virt");
        AddChosen(tree, board);
        foreach (RamBlock block in board.Ram)
        {
            AddRam(tree, block);
        }

        AddHarts(tree, board.Harts, board.Machine.Isa);
        foreach ((DevicePlacement device, DeviceNode node) in devices)
        {
            device.Kind.DescribeAtRoot(tree, node);
        }

        AddDevices(tree, devices);
        tree.EndNode();
        return tree.ToBlob();
    }

    private static uint HartHandle(int hart) => (2 * (uint)hart) + 1;

    private static uint HartInterruptsHandle(int hart) => (2 * (uint)hart) + 2;

    private static void AddChosen(DeviceTreeWriter tree, BoardDescription board)
    {
        tree.BeginNode("chosen");
        tree.Property("bootargs", board.CommandLine);
        if (board.Machine.Devices.FirstOrDefault(device => device.Kind.IsConsole) is { } console)
        {
            tree.Property("stdout-path", $"/soc/{NodeName(console)}");
        }

        if (board.Initrd is AddressRange initrd)
        {
            tree.Property64("linux,initrd-start", initrd.Start);
            tree.Property64("linux,initrd-end", initrd.End);
        }

        tree.Property("rng-seed", board.Seed.AsSpan(KaslrSeedSize));
        tree.Property("kaslr-seed", board.Seed.AsSpan(0, KaslrSeedSize));
        tree.EndNode();
    }

    /// <summary>
    /// What is read-only is no memory: the specification (devicetree 0.4, section 3.4) has memory nodes for what can be written, and a
    /// kernel would put its pages there. It is memory-mapped ROM (Linux, bindings <c>mtd/mtd-physmap.yaml</c>).
    /// </summary>
    private static void AddRam(DeviceTreeWriter tree, RamBlock block)
    {
        const uint bankWidth = 4;
        if (block.ReadOnly)
        {
            tree.BeginNode($"rom@{block.Range.Start:x}");
            tree.Property("compatible", "mtd-rom");
            tree.Property("bank-width", bankWidth);
        }
        else
        {
            tree.BeginNode($"memory@{block.Range.Start:x}");
            tree.Property("device_type", "memory");
        }

        tree.Reg(block.Range);
        tree.EndNode();
    }

    private static void AddHarts(DeviceTreeWriter tree, int harts, IsaProfile isa)
    {
        tree.BeginNode("cpus");
        tree.Property("#address-cells", 1);
        tree.Property("#size-cells", 0);
        tree.Property("timebase-frequency", (uint)MemoryMap.TimebaseFrequency);
        for (int hart = 0; hart < harts; hart++)
        {
            tree.BeginNode($"cpu@{hart:x}");
            tree.Property("phandle", HartHandle(hart));
            tree.Property("device_type", "cpu");
            tree.Property("reg", (uint)hart);
            tree.Property("status", "okay");
            tree.Property("compatible", "riscv");
            tree.Property("riscv,isa", isa.Isa);
            tree.Property("riscv,isa-base", "rv64i");
            tree.Property("riscv,isa-extensions", (ReadOnlySpan<string>)[.. isa.Names]);
            AddCacheBlocks(tree, isa);
            tree.Property("mmu-type", "riscv,sv57");
            tree.BeginNode("interrupt-controller");
            tree.Property("#address-cells", 0u);
            tree.Property("#interrupt-cells", 1);
            tree.Property("interrupt-controller");
            tree.Property("compatible", "riscv,cpu-intc");
            tree.Property("phandle", HartInterruptsHandle(hart));
            tree.EndNode();
            tree.EndNode();
        }

        tree.BeginNode("cpu-map");
        tree.BeginNode("cluster0");
        for (int hart = 0; hart < harts; hart++)
        {
            tree.BeginNode($"core{hart}");
            tree.Property("cpu", HartHandle(hart));
            tree.EndNode();
        }

        tree.EndNode();
        tree.EndNode();
        tree.EndNode();
    }

    private static void AddCacheBlocks(DeviceTreeWriter tree, IsaProfile isa)
    {
        ReadOnlySpan<(IsaExtensions Extension, string Property)> sizes =
        [
            (IsaExtensions.Zicbom, "riscv,cbom-block-size"),
            (IsaExtensions.Zicboz, "riscv,cboz-block-size"),
            (IsaExtensions.Zicbop, "riscv,cbop-block-size"),
        ];
        foreach ((IsaExtensions extension, string property) in sizes)
        {
            if (isa.Has(extension))
            {
                tree.Property(property, IsaProfile.CacheBlockSize);
            }
        }
    }

    /// <summary>Gives each device a phandle, after those of the harts.</summary>
    private static (DevicePlacement Device, DeviceNode Node)[] Place(BoardDescription board)
    {
        uint[] harts = [.. Enumerable.Range(0, board.Harts).Select(HartInterruptsHandle)];
        uint first = HartHandle(board.Harts);
        return [.. board.Machine.Devices.Select((device, index) => (device, new DeviceNode(first + (uint)index, harts)))];
    }

    private static string NodeName(DevicePlacement device) => $"{device.Kind.Node}@{device.Address:x}";

    private static void AddDevices(DeviceTreeWriter tree, (DevicePlacement Device, DeviceNode Node)[] devices)
    {
        tree.BeginNode("soc");
        tree.Property("#address-cells", 2);
        tree.Property("#size-cells", 2);
        tree.Property("compatible", "simple-bus");
        tree.Property("ranges");
        uint controller = devices.Single(place => place.Device.Kind.IsInterruptController).Node.Handle;
        foreach ((DevicePlacement device, DeviceNode node) in devices)
        {
            tree.BeginNode(NodeName(device));
            tree.Property("compatible", (ReadOnlySpan<string>)[.. device.Kind.Compatible]);
            tree.Reg(device.Range);
            if (device.Interrupts.Count > 0)
            {
                tree.Property("interrupts", (ReadOnlySpan<uint>)[.. device.Interrupts.Select(source => (uint)source)]);
                tree.Property("interrupt-parent", controller);
            }

            device.Kind.Describe(tree, node);
            tree.EndNode();
        }

        tree.EndNode();
    }
}
