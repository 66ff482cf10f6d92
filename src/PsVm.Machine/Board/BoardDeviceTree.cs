using PsVm.Machine.Devices;
using PsVm.Riscv;

namespace PsVm.Machine.Board;

/// <summary>What a kernel is told of its board.</summary>
/// <param name="Harts">Number of harts.</param>
/// <param name="Ram">Blocks of RAM in address order, ROM among them.</param>
/// <param name="CommandLine">The kernel's command line.</param>
/// <param name="Initrd">Where the initial RAM disk is; null: none.</param>
/// <param name="Seed">Random bytes for the kernel's random pool and the place it moves itself to; at least 8.</param>
internal sealed record BoardDescription(
    int Harts, IReadOnlyList<RamBlock> Ram, string CommandLine, AddressRange? Initrd, byte[] Seed);

/// <summary>The board as a device tree, with the nodes and names of QEMU's <c>virt</c> machine.</summary>
internal static class BoardDeviceTree
{
    private const int KaslrSeedSize = 8;

    private const uint SupervisorExternal = 9;
    private const uint MachineExternal = 11;
    private const uint MachineSoftware = 3;
    private const uint MachineTimer = 7;

    /// <summary>What the harts can do, in one word (<c>riscv,isa</c>).</summary>
    public static string Isa => IsaProfile.Base.Isa;

    /// <summary>Builds the flattened device tree.</summary>
    public static byte[] Build(BoardDescription board)
    {
        DeviceTreeWriter tree = new();
        uint plicHandle = (2 * (uint)board.Harts) + 1;
        uint sysConHandle = plicHandle + 1;

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

        AddHarts(tree, board.Harts);
        AddPower(tree, "poweroff", sysConHandle, SysCon.PowerOff);
        AddPower(tree, "reboot", sysConHandle, SysCon.Reboot);
        AddDevices(tree, board.Harts, plicHandle, sysConHandle);
        tree.EndNode();
        return tree.ToBlob();
    }

    private static uint HartHandle(int hart) => (2 * (uint)hart) + 1;

    private static uint HartInterruptsHandle(int hart) => (2 * (uint)hart) + 2;

    private static void AddChosen(DeviceTreeWriter tree, BoardDescription board)
    {
        tree.BeginNode("chosen");
        tree.Property("bootargs", board.CommandLine);
        tree.Property("stdout-path", $"/soc/serial@{MemoryMap.Uart.Start:x}");
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

    private static void AddHarts(DeviceTreeWriter tree, int harts)
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
            tree.Property("riscv,isa", Isa);
            tree.Property("riscv,isa-base", "rv64i");
            tree.Property("riscv,isa-extensions", (ReadOnlySpan<string>)[.. IsaProfile.Base.Names]);
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

    private static void AddPower(DeviceTreeWriter tree, string name, uint sysConHandle, uint value)
    {
        tree.BeginNode(name);
        tree.Property("compatible", $"syscon-{name}");
        tree.Property("regmap", sysConHandle);
        tree.Property("offset", 0u);
        tree.Property("value", value);
        tree.EndNode();
    }

    private static void AddDevices(DeviceTreeWriter tree, int harts, uint plicHandle, uint sysConHandle)
    {
        tree.BeginNode("soc");
        tree.Property("#address-cells", 2);
        tree.Property("#size-cells", 2);
        tree.Property("compatible", "simple-bus");
        tree.Property("ranges");

        tree.BeginNode($"serial@{MemoryMap.Uart.Start:x}");
        tree.Property("compatible", "ns16550a");
        tree.Reg(MemoryMap.Uart);
        tree.Property("clock-frequency", 3_686_400);
        tree.Property("interrupts", MemoryMap.UartInterrupt);
        tree.Property("interrupt-parent", plicHandle);
        tree.EndNode();

        tree.BeginNode($"test@{MemoryMap.SysCon.Start:x}");
        tree.Property("compatible", "sifive,test1", "sifive,test0", "syscon");
        tree.Reg(MemoryMap.SysCon);
        tree.Property("phandle", sysConHandle);
        tree.EndNode();

        tree.BeginNode($"rtc@{MemoryMap.Rtc.Start:x}");
        tree.Property("compatible", "google,goldfish-rtc");
        tree.Reg(MemoryMap.Rtc);
        tree.Property("interrupts", MemoryMap.RtcInterrupt);
        tree.Property("interrupt-parent", plicHandle);
        tree.EndNode();

        tree.BeginNode($"rng@{MemoryMap.Generation.Start:x}");
        tree.Property("compatible", "microsoft,vmgenid");
        tree.Reg(MemoryMap.Generation);
        tree.Property("interrupts", MemoryMap.GenerationInterrupt);
        tree.Property("interrupt-parent", plicHandle);
        tree.EndNode();

        tree.BeginNode($"plic@{MemoryMap.Plic.Start:x}");
        tree.Property("compatible", "sifive,plic-1.0.0", "riscv,plic0");
        tree.Reg(MemoryMap.Plic);
        tree.Property("#address-cells", 0u);
        tree.Property("#interrupt-cells", 1);
        tree.Property("interrupt-controller");
        tree.Property("riscv,ndev", Plic.Sources - 1);
        tree.Property("interrupts-extended", HartInterrupts(harts, MachineExternal, SupervisorExternal));
        tree.Property("phandle", plicHandle);
        tree.EndNode();

        tree.BeginNode($"clint@{MemoryMap.Aclint.Start:x}");
        tree.Property("compatible", "sifive,clint0", "riscv,clint0");
        tree.Reg(MemoryMap.Aclint);
        tree.Property("interrupts-extended", HartInterrupts(harts, MachineSoftware, MachineTimer));
        tree.EndNode();

        tree.EndNode();
    }

    private static ReadOnlySpan<uint> HartInterrupts(int harts, uint first, uint second)
    {
        uint[] cells = new uint[harts * 4];
        for (int hart = 0; hart < harts; hart++)
        {
            ReadOnlySpan<uint> pair = [HartInterruptsHandle(hart), first, HartInterruptsHandle(hart), second];
            pair.CopyTo(cells.AsSpan(hart * 4));
        }

        return cells;
    }
}
