using PsVm.Module.Hosting;

namespace PsVm.Module.Completion;

/// <summary>Completes machine types.</summary>
internal sealed class MachineTypeCompleter : ValueCompleter
{
    /// <inheritdoc/>
    protected override IEnumerable<string> Values() => ModuleServices.Guests.MachineTypes;
}
