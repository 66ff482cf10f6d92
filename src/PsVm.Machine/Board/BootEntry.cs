namespace PsVm.Machine.Board;

/// <summary>What harts must know to start.</summary>
/// <param name="Entry">Guest physical address of the first instruction.</param>
/// <param name="DeviceTree">Guest physical address of the device tree.</param>
/// <param name="FirmwareInfo">Guest physical address of OpenSBI's <c>fw_dynamic_info</c>; null: no firmware, the built-in SBI.</param>
internal sealed record BootEntry(ulong Entry, ulong DeviceTree, ulong? FirmwareInfo);
