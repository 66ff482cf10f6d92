using PsVm.Module.Hosting;

namespace PsVm.Module.Completion;

/// <summary>Completes machine types: what a guest of each has.</summary>
internal sealed class MachineTypeCompleter : ValueCompleter
{
    /// <inheritdoc/>
    private protected override IEnumerable<Choice> Choices(string start) =>
        ModuleServices.Guests.MachineTypes.Select(name => new Choice(name, ModuleServices.Guests.DescribeMachineType(name)));
}
