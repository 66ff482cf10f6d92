using System.Collections.ObjectModel;

namespace PsVm;

/// <summary>
/// Labels whose text is that of what they are, <c>app=web; tier=front</c>, which is what Export-Csv writes of a property.
/// </summary>
/// <remarks>Names are compared in any case.</remarks>
/// <param name="labels">Values by name; not copied.</param>
public sealed class GuestLabels(IDictionary<string, string> labels) : ReadOnlyDictionary<string, string>(labels)
{
    /// <summary>No labels.</summary>
    public static GuestLabels None { get; } = Of(new Dictionary<string, string>());

    /// <summary>The same as such labels.</summary>
    /// <param name="labels">Values by name.</param>
    public static GuestLabels Of(IReadOnlyDictionary<string, string> labels) =>
        labels as GuestLabels ?? new(new Dictionary<string, string>(labels, StringComparer.OrdinalIgnoreCase));

    /// <inheritdoc/>
    public override string ToString() =>
        string.Join("; ", this.Select(label => $"{label.Key}={label.Value}").Order(StringComparer.Ordinal));
}
