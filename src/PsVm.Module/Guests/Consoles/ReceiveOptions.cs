namespace PsVm.Module.Guests.Consoles;

/// <summary>What of a console is received, and how.</summary>
internal sealed record ReceiveOptions
{
    /// <summary>From the start, instead of from where the last receive ended.</summary>
    public bool All { get; init; }

    /// <summary>As it came, instead of lines.</summary>
    public bool Raw { get; init; }

    /// <summary>Until the guest stops.</summary>
    public bool Follow { get; init; }

    /// <summary>The last lines of what is held only; null: all.</summary>
    public int? Tail { get; init; }

    /// <summary>Lines of which something came at that time or later; null: all.</summary>
    public DateTimeOffset? Since { get; init; }
}
