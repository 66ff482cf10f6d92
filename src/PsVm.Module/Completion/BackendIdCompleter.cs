using PsVm.Module.Hosting;

namespace PsVm.Module.Completion;

/// <summary>
/// Completes ids of live backends: size, mapping, and the file with how it is open. Ids that several have come with their guests.
/// </summary>
internal sealed class BackendIdCompleter : ValueCompleter
{
    /// <summary>A backend in a line.</summary>
    internal static string Describe(MemoryBackendInfo backend) => string.IsNullOrEmpty(backend.Path)
        ? $"{ByteSize.ToText(backend.Size)}, {backend.Mapping}, {backend.Kind}"
        : $"{ByteSize.ToText(backend.Size)}, {backend.Mapping}, {backend.Path} open {backend.EffectiveMode}";

    /// <inheritdoc/>
    private protected override IEnumerable<Choice> Choices(string start) => ModuleServices.Memory.List()
        .GroupBy(backend => backend.Id, StringComparer.OrdinalIgnoreCase)
        .SelectMany(same => same.Select(backend =>
            new Choice(
                same.Count() > 1 || start.Contains(BackendReference.GuestSeparator) ? backend.QualifiedId : backend.Id,
                Describe(backend))));
}
