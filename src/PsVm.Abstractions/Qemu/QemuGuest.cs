using System.Globalization;

namespace PsVm;

/// <summary>Writes a guest as arguments for QEMU's <c>virt</c> machine: its RAM, harts and what boots. Pure.</summary>
/// <remarks>Source: QEMU's manual, System emulation, Invocation and riscv/virt.</remarks>
public static class QemuGuest
{
    private static readonly Version s_memoryBackend = new(5, 0);

    /// <summary>The arguments.</summary>
    /// <param name="guest">The guest.</param>
    /// <param name="ram">Its RAM, as <see cref="QemuBackend"/> writes it; one for each backend.</param>
    /// <param name="version">The version of QEMU.</param>
    /// <param name="others">
    /// What else is in its slots, as in <c>disk 'disk0'</c>: a warning names it, and what the guest's own description tells of.
    /// </param>
    /// <exception cref="MemoryBackendException">
    /// Its RAM is several backends or ROM (QemuCannotExpress), or the version has no <c>memory-backend</c> (QemuVersionTooOld).
    /// </exception>
    public static QemuArgument ToArgument(
        GuestInfo guest, IReadOnlyList<QemuArgument> ram, Version version, IReadOnlyList<string>? others = null)
    {
        ArgumentNullException.ThrowIfNull(guest);
        ArgumentNullException.ThrowIfNull(ram);
        if (ram.Count != 1 || guest.Backends.Any(backend => backend.ReadOnly))
        {
            string backends = string.Join(", ", guest.Backends.Select(backend => $"{backend.Id}: {backend.Mapping}"));
            throw QemuBackend.CannotExpress(
                $"The RAM of guest '{guest.Name}' ({backends})",
                "its machine takes one backend as RAM, and none that is ROM",
                guest.Name,
                "Convert its backends one by one: pipe them in instead of the guest.");
        }

        if (version < s_memoryBackend)
        {
            throw new MemoryBackendException(
                MemoryErrorIds.QemuVersionTooOld,
                $"Expected QEMU {s_memoryBackend} or newer for -machine virt,memory-backend={ram[0].Id}, found {version}.",
                guest.Name,
                $"Give -QemuVersion {s_memoryBackend} or newer.");
        }

        List<string> arguments =
        [
            .. ram[0].Arguments,
            "-machine", $"virt,memory-backend={ram[0].Id}",
            "-m", QemuBackend.SizeText(guest.Memory),
            "-smp", guest.Harts.ToString(CultureInfo.InvariantCulture),
        ];
        Add("-bios", guest.Firmware);
        Add("-kernel", guest.Kernel);
        Add("-initrd", guest.Initrd);
        Add("-append", guest.Kernel is null ? null : guest.CommandLine);
        return new QemuArgument
        {
            Id = ram[0].Id,
            Arguments = arguments.ToArray(),
            Warnings =
            [
                .. ram[0].Warnings,
                .. guest.Kernel is null && guest.Firmware is null ? [NothingBoots(guest)] : (BackendWarning[])[],
                .. LeftOut(guest, others ?? []),
            ],
        };

        void Add(string option, string? value)
        {
            if (!string.IsNullOrEmpty(value))
            {
                arguments.AddRange([option, value]);
            }
        }
    }

    private static IEnumerable<BackendWarning> LeftOut(GuestInfo guest, IReadOnlyList<string> others)
    {
        string[] devices =
        [
            .. others,
            .. guest.Networks.Select(adapter => $"network adapter '{adapter.Name}'"),
            .. guest.Balloon is null ? [] : (string[])["balloon"],
            .. guest.ConsolePorts.Select(port => $"console port '{port.Name}'"),
            .. guest.VhostUser.Select(device => $"device '{device.Tag}'"),
        ];
        if (devices.Length > 0)
        {
            yield return new BackendWarning(
                MemoryWarningIds.QemuDevicesLeftOut,
                $"Guest '{guest.Name}' has devices that are not in the arguments: {string.Join(", ", devices)}. "
                + "Add -drive, -netdev, -fsdev and -device for those that it needs.");
        }
    }

    private static BackendWarning NothingBoots(GuestInfo guest) => new(
        MemoryWarningIds.QemuBootsNothing,
        $"Guest '{guest.Name}' {(guest.Template is null ? "boots the embedded guest" : $"goes on from '{guest.Template}'")}, "
        + "which QEMU cannot: add -kernel and what else it is to boot.");
}
