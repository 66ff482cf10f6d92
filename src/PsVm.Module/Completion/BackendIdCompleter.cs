using PsVm.Module.Hosting;

namespace PsVm.Module.Completion;

/// <summary>Completes ids of live backends.</summary>
internal sealed class BackendIdCompleter : ValueCompleter
{
    /// <inheritdoc/>
    protected override IEnumerable<string> Values() => ModuleServices.Memory.List().Select(backend => backend.Id);
}
