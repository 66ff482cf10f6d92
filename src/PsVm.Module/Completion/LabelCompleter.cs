using PsVm.Module.Hosting;

namespace PsVm.Module.Completion;

/// <summary>Completes labels that guests have: how many guests have each.</summary>
internal sealed class LabelCompleter : ValueCompleter
{
    /// <inheritdoc/>
    private protected override IEnumerable<Choice> Choices(string start) => ModuleServices.Guests.List()
        .SelectMany(guest => guest.Labels.Select(label => (Label: $"{label.Key}={label.Value}", guest.Name)))
        .GroupBy(pair => pair.Label, pair => pair.Name, StringComparer.OrdinalIgnoreCase)
        .Select(
            same => new Choice(same.Key, $"{same.Count()} {(same.Count() == 1 ? "guest" : "guests")}: {string.Join(", ", same.Take(5))}"));
}
