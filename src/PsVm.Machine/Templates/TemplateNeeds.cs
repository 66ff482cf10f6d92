using PsVm.Machine.Board;
using PsVm.Memory;
using PsVm.Memory.Options;
using PsVm.Riscv;

namespace PsVm.Machine.Templates;

/// <summary>Holds what a template needs against what a machine type has. That the machine has more does not matter.</summary>
internal static class TemplateNeeds
{
    /// <summary>Says what is missing.</summary>
    /// <param name="template">The template.</param>
    /// <param name="machineType">The machine type that its guest is to have.</param>
    /// <exception cref="GuestException">There is no such board, or it lacks devices or instructions.</exception>
    public static void Check(GuestTemplate template, string machineType)
    {
        if (template.Board != GuestBoard.Name || MachineType.Find(machineType) is not { } machine)
        {
            throw new GuestException(
                GuestErrorIds.TemplateMachineMismatch,
                $"Expected the board {GuestBoard.Name} of {string.Join(", ", MachineTypes.Versions)}, "
                + $"found the board {template.Board} of {machineType}.",
                template.Path,
                "Use the version of PsVm that made it.");
        }

        string[] missing = [.. template.Devices.Except(machine.DeviceNames)];
        if (missing.Length > 0)
        {
            throw new GuestException(
                GuestErrorIds.TemplateMachineMismatch,
                $"Expected a machine with the devices {string.Join(", ", template.Devices)}, "
                + $"found {machine.Name} without {string.Join(", ", missing)}.",
                template.Path,
                Action(template, machine));
        }

        string[] lacking = IsaProfile.TryReadNames(template.Isa, out IReadOnlyList<string>? needed)
            ? [.. machine.Isa.Missing(needed)]
            : [template.Isa];
        if (lacking.Length > 0)
        {
            throw new GuestException(
                GuestErrorIds.TemplateIsaMismatch,
                $"Expected harts with {template.Isa}, found {machine.Name} without {string.Join(", ", lacking)}.",
                template.Path,
                Action(template, machine));
        }
    }

    private static string Action(GuestTemplate template, MachineType machine) =>
        MachineTypes.Resolve(template.MachineType) == machine.Name
            ? "Use the version of PsVm that made it."
            : $"Leave out MachineType, or give {template.MachineType}, which the template was made on.";
}
