using PsVm.Memory;

namespace PsVm.Module.Completion;

/// <summary>Completes machine types.</summary>
internal sealed class MachineTypeCompleter : ValueCompleter
{
    /// <inheritdoc/>
    protected override IEnumerable<string> Values() => [MachineTypes.Alias, .. MachineTypes.Versions];
}
