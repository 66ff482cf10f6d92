using PsVm.Module.Hosting;

namespace PsVm.Module.Completion;

/// <summary>Completes names of guests: state, memory, and what they run.</summary>
internal class GuestNameCompleter : ValueCompleter
{
    /// <summary>A guest in a line.</summary>
    internal static string Describe(GuestInfo guest) =>
        $"{guest.State}, {ByteSize.ToText(guest.Memory)}, "
            + $"{(guest.Template is { Length: > 0 } template ? $"template {template}" : guest.Boot)}";

    /// <summary>Whether a guest is one that the argument could name.</summary>
    private protected virtual bool IsMeant(GuestInfo guest) => true;

    /// <inheritdoc/>
    private protected override IEnumerable<Choice> Choices(string start) =>
        ModuleServices.Guests.List().Where(IsMeant).Select(guest => new Choice(guest.Name, Describe(guest)));
}

/// <summary>Completes names of guests that could be started again.</summary>
internal sealed class StoppedGuestNameCompleter : GuestNameCompleter
{
    /// <inheritdoc/>
    private protected override bool IsMeant(GuestInfo guest) => guest.State.IsOver();
}
