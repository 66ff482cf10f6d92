using PsVm.Machine.Devices;
using PsVm.Machine.Devices.Virtio;
using PsVm.Memory;
using PsVm.Memory.Options;
using PsVm.Riscv;

namespace PsVm.Machine.Board;

/// <summary>
/// A version of the <c>virt</c> board: what a guest of it has. A version never changes; what is new comes with a new one.
/// </summary>
/// <remarks>What a version means for memory is the memory's matter (<see cref="MachineTypes"/>, by the same names).</remarks>
/// <param name="Name">Its name, such as <c>virt-1.1</c>.</param>
/// <param name="Isa">The harts' instruction set.</param>
/// <param name="Devices">Its devices, the busiest first: the bus looks in this order.</param>
internal sealed record MachineType(string Name, IsaProfile Isa, IReadOnlyList<DevicePlacement> Devices)
{
    // Named one by one: what harts come to know later is not that of versions which are there.
    private static readonly IsaProfile s_isaOf12 =
        new(IsaProfile.Base.Extensions | IsaExtensions.Zicbom | IsaExtensions.Zicbop | IsaExtensions.Zicboz
        | IsaExtensions.Zicond | IsaExtensions.Zihintpause | IsaExtensions.Zawrs | IsaExtensions.Zfa);

    private static readonly IsaProfile s_isaOf14 = new(s_isaOf12.Extensions | IsaExtensions.Svvptc);

    private static readonly DevicePlacement[] s_first =
    [
        new("uart", Uart.Kind, 0x1000_0000, 10),
        new("plic", Plic.Kind, 0x0c00_0000),
        new("aclint", Aclint.Kind, 0x0200_0000),
        new("rtc", GoldfishRtc.Kind, 0x0010_1000, 11),
        new("generation", GenerationId.Kind, 0x0010_2000, 12),
        new("syscon", SysCon.Kind, 0x0010_0000),
    ];

    private static readonly DevicePlacement[] s_withPanic = [.. s_first, new("pvpanic", PvPanic.Kind, 0x0010_3000)];

    // Eight slots where QEMU's virt board has them, with its interrupts; the last two are taken. Source: QEMU, hw/riscv/virt.c.
    private static readonly DevicePlacement[] s_withVirtio =
    [
        .. s_withPanic,
        .. Enumerable.Range(0, 6)
            .Select(slot => new DevicePlacement($"virtio{slot}", VirtioMmio.Slot, 0x1000_1000 + (0x1000 * (ulong)slot), slot + 1)),
        new("console", VirtioConsole.Kind, 0x1000_7000, 7),
        new("rng", VirtioRng.Kind, 0x1000_8000, 8),
    ];

    /// <summary>All versions, oldest first.</summary>
    public static IReadOnlyList<MachineType> All { get; } =
    [
        new(MachineTypes.Virt10, IsaProfile.Base, s_first),
        new(MachineTypes.Virt11, IsaProfile.Base, s_first),
        new(MachineTypes.Virt12, s_isaOf12, s_withPanic),
        new(MachineTypes.Virt13, s_isaOf12, s_withVirtio),
        new(MachineTypes.Virt14, s_isaOf14, s_withVirtio),
    ];

    /// <summary>Names of the devices of any version.</summary>
    public static IReadOnlyList<string> AllDeviceNames { get; } =
        [.. All.SelectMany(type => type.Devices).Select(device => device.Name).Distinct()];

    /// <summary>Names of the devices, as templates list them.</summary>
    public IReadOnlyList<string> DeviceNames => [.. Devices.Select(device => device.Name)];

    /// <summary>A version by its name or the alias; null: there is none. Case does not count.</summary>
    public static MachineType? Find(string name)
    {
        string? version = MachineTypes.Resolve(name);
        for (int i = 0; i < All.Count; i++)
        {
            if (All[i].Name == version)
            {
                return All[i];
            }
        }

        return null;
    }

    /// <summary>What it has, in a line.</summary>
    /// <param name="name">Its name or the alias for it.</param>
    public string Describe(string name)
    {
        string alias = name.Equals(Name, StringComparison.OrdinalIgnoreCase) ? string.Empty : $"{Name}: ";
        string file = Name == MachineTypes.Virt10
            ? "private writable memory opens its file ReadWrite"
            : "private writable memory leaves its file ReadOnly where it can";
        return $"{alias}RV64GC with {string.Join(", ", BeyondGC())}; {string.Join(", ", DeviceNames)}; {file}";
    }

    // G is IMAFD with Zicsr and Zifencei. Source: RISC-V ISA manual, volume I, chapter on naming.
    private IEnumerable<string> BeyondGC() => Isa.Names
        .Where(name => name.Length > 1 && name is not ("zicsr" or "zifencei"))
        .Select(name => char.ToUpperInvariant(name[0]) + name[1..]);

    /// <summary>A version of which it is known that it exists.</summary>
    /// <exception cref="ArgumentException">It does not.</exception>
    public static MachineType Get(string name) => Find(name) ?? throw new ArgumentException($"'{name}' is no machine type", nameof(name));
}
