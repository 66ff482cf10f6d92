using PsVm.Machine.Devices;
using PsVm.Memory;
using PsVm.Memory.Options;
using PsVm.Riscv;

namespace PsVm.Machine.Board;

/// <summary>A version of the <c>virt</c> board: what a guest of it has. A version never changes; what is new comes with a new one.</summary>
/// <remarks>What a version means for memory is the memory's matter (<see cref="MachineTypes"/>, by the same names).</remarks>
/// <param name="Name">Its name, such as <c>virt-1.1</c>.</param>
/// <param name="Isa">The harts' instruction set.</param>
/// <param name="Devices">Its devices, the busiest first: the bus looks in this order.</param>
internal sealed record MachineType(string Name, IsaProfile Isa, IReadOnlyList<DevicePlacement> Devices)
{
    private static readonly DevicePlacement[] s_first =
    [
        new("uart", Uart.Kind, 0x1000_0000, 10),
        new("plic", Plic.Kind, 0x0c00_0000),
        new("aclint", Aclint.Kind, 0x0200_0000),
        new("rtc", GoldfishRtc.Kind, 0x0010_1000, 11),
        new("generation", GenerationId.Kind, 0x0010_2000, 12),
        new("syscon", SysCon.Kind, 0x0010_0000),
    ];

    /// <summary>All versions, oldest first.</summary>
    public static IReadOnlyList<MachineType> All { get; } =
    [
        new(MachineTypes.Virt10, IsaProfile.Base, s_first),
        new(MachineTypes.Virt11, IsaProfile.Base, s_first),
        new(MachineTypes.Virt12, IsaProfile.Full, [.. s_first, new("pvpanic", PvPanic.Kind, 0x0010_3000)]),
    ];

    /// <summary>Names of the devices of any version.</summary>
    public static IReadOnlyList<string> AllDeviceNames { get; } =
        [.. All.SelectMany(type => type.Devices).Select(device => device.Name).Distinct()];

    /// <summary>Names of the devices, as templates list them.</summary>
    public IReadOnlyList<string> DeviceNames => [.. Devices.Select(device => device.Name)];

    /// <summary>A version by its name or the alias; null: there is none. Case does not count.</summary>
    public static MachineType? Find(string name) =>
        MachineTypes.Resolve(name) is { } version ? All.FirstOrDefault(type => type.Name == version) : null;

    /// <summary>A version of which it is known that it exists.</summary>
    /// <exception cref="ArgumentException">It does not.</exception>
    public static MachineType Get(string name) => Find(name) ?? throw new ArgumentException($"'{name}' is no machine type", nameof(name));
}
