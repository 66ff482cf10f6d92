using PsVm.Module.Hosting;

namespace PsVm.Module.Completion;

/// <summary>Completes names of guests' network adapters: what they lead to.</summary>
internal sealed class AdapterNameCompleter : ValueCompleter
{
    /// <inheritdoc/>
    private protected override IEnumerable<Choice> Choices(string start) => ModuleServices.Guests.List()
        .SelectMany(guest => guest.Networks.Select(adapter => (Guest: guest.Name, Adapter: adapter)))
        .DistinctBy(one => one.Adapter.Name)
        .Select(one => new Choice(
            one.Adapter.Name, $"{one.Adapter.Backend?.ToString() ?? "leads nowhere"}, guest {one.Guest}, {one.Adapter.Mac}"));
}
