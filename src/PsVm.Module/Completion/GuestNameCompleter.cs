using PsVm.Module.Hosting;

namespace PsVm.Module.Completion;

/// <summary>Completes names of guests.</summary>
internal sealed class GuestNameCompleter : ValueCompleter
{
    /// <inheritdoc/>
    protected override IEnumerable<string> Values() => ModuleServices.Guests.List().Select(guest => guest.Name);
}
