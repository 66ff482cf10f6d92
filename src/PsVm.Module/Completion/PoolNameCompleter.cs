using PsVm.Module.Hosting;

namespace PsVm.Module.Completion;

/// <summary>Completes names of pools: how many clones each holds, and of what.</summary>
internal sealed class PoolNameCompleter : ValueCompleter
{
    /// <inheritdoc/>
    private protected override IEnumerable<Choice> Choices(string start) =>
        ModuleServices.Guests.Pools.List()
            .Select(pool => new Choice(pool.Name, $"{pool.Held} of {pool.Size} clones held, template {pool.Template}"));
}
