namespace PsVm.Module.Arguments;

/// <summary>
/// An argument that is a value of an enumeration. PowerShell completes parameters of enumerations itself, where nobody can say what a value
/// does; of these, <see cref="Completion.EnumCompleter{T}"/> does. A name and a value of the enumeration both become one.
/// </summary>
/// <typeparam name="T">The enumeration.</typeparam>
/// <param name="value">The value.</param>
public abstract class EnumArgument<T>(T value)
    where T : struct, Enum
{
    /// <summary>The value.</summary>
    public T Value { get; } = value;

    /// <summary>The value's name.</summary>
    public override string ToString() => Value.ToString();

    /// <summary>The value of a name, in any case.</summary>
    /// <param name="text">The name.</param>
    /// <exception cref="ArgumentException">It is none.</exception>
    private protected static T ValueOf(string text) =>
        Enum.TryParse(text, ignoreCase: true, out T value) && Enum.GetName(value) is { } name
            && name.Equals(text.Trim(), StringComparison.OrdinalIgnoreCase)
            ? value
            : throw new ArgumentException($"Expected one of {string.Join(", ", Enum.GetNames<T>())}, found '{VisibleText.Of(text)}'.");
}
