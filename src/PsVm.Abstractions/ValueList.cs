using System.Collections.ObjectModel;

namespace PsVm;

/// <summary>A list whose text is that of what it holds, which is what Export-Csv writes of a property.</summary>
/// <typeparam name="T">What it holds.</typeparam>
/// <param name="items">What it holds; not copied.</param>
public sealed class ValueList<T>(IList<T> items) : ReadOnlyCollection<T>(items)
{
    internal static readonly ValueList<T> Nothing = new([]);

    /// <inheritdoc/>
    public override string ToString() => string.Join("; ", this);
}

/// <summary>Makes such lists.</summary>
public static class ValueList
{
    /// <summary>The same as such a list.</summary>
    /// <typeparam name="T">What it holds.</typeparam>
    /// <param name="items">What it holds.</param>
    public static ValueList<T> Of<T>(IReadOnlyList<T> items) => items switch
    {
        ValueList<T> same => same,
        { Count: 0 } => ValueList<T>.Nothing,
        _ => new([.. items]),
    };
}
