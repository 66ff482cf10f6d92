using System.Collections;
using System.Management.Automation;

namespace PsVm.Module.Completion;

/// <summary>Takes what a guest has several of: as options, in words or as objects of its own kind, as dictionaries, or as rows.</summary>
/// <typeparam name="T">The options of one.</typeparam>
/// <param name="what">What one is called in errors.</param>
/// <param name="properties">What dictionaries and rows may say of it.</param>
internal abstract class OptionsAttribute<T>(string what, params string[] properties) : ArgumentTransformationAttribute
    where T : class
{
    /// <inheritdoc/>
    public sealed override object Transform(EngineIntrinsics engineIntrinsics, object? inputData)
    {
        object? value = Unwrapped(inputData);
        return (value is IList several ? several.Cast<object?>() : [value]).Select(item => ToOptions(Unwrapped(item))).ToArray();
    }

    /// <summary>One that is given in another way than as options, a dictionary or a row.</summary>
    private protected abstract T Of(object? value);

    /// <summary>One of which nothing is said yet.</summary>
    private protected abstract T Empty { get; }

    /// <summary>It with one of its properties.</summary>
    private protected abstract T With(T options, string property, object? value);

    /// <summary>What has to be said of one and was not; null: all is there.</summary>
    /// <param name="options">What was said.</param>
    /// <param name="said">The properties of which something was said.</param>
    private protected abstract string? Missing(T options, IReadOnlySet<string> said);

    /// <summary>A value as text; null where there is none.</summary>
    private protected static string? TextOf(object? value) => $"{value}" is { Length: > 0 } text ? text : null;

    /// <summary>As <see cref="TextOf"/>, of a file or a folder its path.</summary>
    private protected static string? PathOf(object? value) => TextOf(value is FileSystemInfo file ? file.FullName : value);

    /// <summary>
    /// A value as a switch. Text says <c>True</c> or <c>False</c>, as rows of a file do; to PowerShell any text is true.
    /// </summary>
    private protected static bool SwitchOf(object? value) => value is not string text ? LanguagePrimitives.ConvertTo<bool>(value)
        : bool.TryParse(text, out bool isOn) ? isOn
        : throw new ArgumentException($"Expected True or False, found '{VisibleText.Of(text)}'");

    /// <summary>What was expected, and what was found.</summary>
    private protected static ArgumentTransformationMetadataException Wrong(string expected) => new($"Expected {expected.TrimEnd('.')}.");

    private static object? Unwrapped(object? value) =>
        value is PSObject { BaseObject: not PSCustomObject } wrapped ? wrapped.BaseObject : value;

    private T ToOptions(object? value) => value switch
    {
        T options => options,
        IDictionary pairs => OfProperties(pairs.Cast<DictionaryEntry>().Select(pair => ($"{pair.Key}", pair.Value))),
        PSObject row => OfProperties(row.Properties.Select(property => (property.Name, (object?)property.Value))),
        _ => Of(value),
    };

    private T OfProperties(IEnumerable<(string Name, object? Value)> given)
    {
        T options = Empty;
        HashSet<string> said = [];
        foreach ((string name, object? value) in given)
        {
            string property = Array.Find(properties, property => property.Equals(name, StringComparison.OrdinalIgnoreCase))
                ?? throw Wrong(
                    $"of a {what} {string.Join(", ", properties)}, found '{VisibleText.Of(name)}'.{NearestName.Hint(name, properties)}");
            said.Add(property);
            try
            {
                options = With(options, property, Unwrapped(value));
            }
            catch (Exception wrong) when (wrong is ArgumentException or PSInvalidCastException)
            {
                throw new ArgumentTransformationMetadataException($"{name} of a {what}: {wrong.Message}");
            }
        }

        return Missing(options, said) is { } missing ? throw Wrong($"of a {what} {missing}, found none") : options;
    }
}
