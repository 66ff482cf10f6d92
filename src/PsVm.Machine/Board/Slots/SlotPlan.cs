using PsVm.Machine.Devices.Virtio;
using PsVm.Memory.Options;

namespace PsVm.Machine.Board.Slots;

/// <summary>Decides what is to be in a guest's virtio slots, from the first one up. Pure.</summary>
internal static class SlotPlan
{
    /// <summary>All kinds, in the order in which what there is of them is put into the slots of a guest that boots.</summary>
    public static IReadOnlyList<IGuestDeviceKind> Kinds { get; } =
        [new DiskKind(), new BalloonKind(), new VhostUserDevices(), new NetworkKind(), new FolderKind()];

    /// <summary>The devices by their slots: in the order of their kinds, or of a template as that has them.</summary>
    /// <param name="kinds">The kinds that there are.</param>
    /// <param name="options">What is asked for.</param>
    /// <param name="template">The template that the guest begins from; null: it boots.</param>
    /// <exception cref="GuestException">What is asked for contradicts itself, or is not what the template's guest had.</exception>
    public static IReadOnlyList<GuestDevicePlan> Of(IReadOnlyList<IGuestDeviceKind> kinds, GuestOptions options, GuestTemplate? template)
    {
        List<GuestDevicePlan> plans = [];
        foreach (IGuestDeviceKind kind in kinds)
        {
            plans.AddRange(kind.Plan(options, template));
        }

        return template is null || (plans.Count == 0 && template.Slots.Count == 0) ? plans : InOrderOf(template, plans);
    }

    /// <summary>Sees to it that a machine has slots for all.</summary>
    /// <exception cref="GuestException">It has not (<see cref="GuestErrorIds.GuestSlotsMissing"/>).</exception>
    public static void CheckRoom(IReadOnlyList<GuestDevicePlan> plans, MachineType machine, string? guest)
    {
        if (plans.Count > 0 && SlotsOf(machine) is var slots && plans.Count > slots)
        {
            throw new GuestException(
                GuestErrorIds.GuestSlotsMissing,
                $"Expected at most {slots} devices in slots of a guest of machine type {machine.Name}, found {plans.Count}: "
                    + $"{Roles(plans)}.",
                guest,
                slots == 0 ? $"Leave out MachineType, or give {MachineTypes.WithSlots}." : "Leave some out.");
        }
    }

    /// <summary>What stands in the slots while a template's state is looked at.</summary>
    /// <exception cref="GuestException">A role is none that this version knows, or the machine has no slots for them.</exception>
    public static IReadOnlyList<Func<VirtioPort, IVirtioDevice>> Show(GuestTemplate template)
    {
        if (template.Slots.Count > 0 && SlotsOf(MachineType.Get(template.MachineType)) is var slots && template.Slots.Count > slots)
        {
            throw Unknown(template, $"at most {slots} devices in the slots of {template.MachineType}", $"{template.Slots.Count}");
        }

        return
        [
            .. template.Slots.Select(role => Kinds.Select(kind => kind.Show(role, template)).FirstOrDefault(show => show is not null)
                ?? throw Unknown(template, "devices in slots that this version of PsVm has", $"'{role}'")),
        ];
    }

    private static GuestException Unknown(GuestTemplate template, string expected, string found) => new(
        GuestErrorIds.TemplateSlotsMismatch,
        $"Expected {expected}, found {found}.",
        template.Path,
        "Use the version of PsVm that made it.");

    private static int SlotsOf(MachineType machine) => machine.Devices.Count(device => device.Kind == VirtioMmio.Slot);

    private static GuestDevicePlan[] InOrderOf(GuestTemplate template, List<GuestDevicePlan> plans)
    {
        GuestDevicePlan?[] ordered = [.. template.Slots.Select(role => plans.Find(plan => plan.Role == role))];
        if (ordered.Length != plans.Count || ordered.Contains(null))
        {
            throw new GuestException(
                GuestErrorIds.TemplateSlotsMismatch,
                $"Expected the devices that the guest of template '{template.Path}' had in its slots ({Roles(template.Slots)}), found "
                    + $"{Roles(plans)}.",
                template.Path,
                "Ask for what the template was made with: what its guest found at its start is part of its state.");
        }

        return ordered!;
    }

    private static string Roles(IEnumerable<GuestDevicePlan> plans) => Roles([.. plans.Select(plan => plan.Role)]);

    private static string Roles(IReadOnlyList<string> roles) => roles.Count == 0 ? "none" : string.Join(", ", roles);
}
