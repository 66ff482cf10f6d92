using System.Collections;
using System.Management.Automation;

namespace PsVm.Module.Completion;

/// <summary>Takes named ports as names, as dictionaries such as <c>@{ Name = 'com.example.0'; Path = './web.sock' }</c>, or as rows.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class ConsolePortsAttribute : ArgumentTransformationAttribute
{
    private static readonly string[] s_properties = [nameof(GuestConsolePortOptions.Name), nameof(GuestConsolePortOptions.Path)];

    /// <inheritdoc/>
    public override object Transform(EngineIntrinsics engineIntrinsics, object? inputData)
    {
        object? value = Unwrapped(inputData);
        return (value is IList several ? several.Cast<object?>() : [value]).Select(item => ToOptions(Unwrapped(item))).ToArray();
    }

    private static object? Unwrapped(object? value) => value is PSObject { BaseObject: not PSCustomObject } wrapped ? wrapped.BaseObject : value;

    private static GuestConsolePortOptions ToOptions(object? value) => value switch
    {
        GuestConsolePortOptions options => options,
        string { Length: > 0 } name => new GuestConsolePortOptions { Name = name },
        IDictionary pairs => Of(pairs.Cast<DictionaryEntry>().Select(pair => ($"{pair.Key}", pair.Value))),
        PSObject row => Of(row.Properties.Select(property => (property.Name, (object?)property.Value))),
        _ => throw Wrong($"a port such as 'com.example.0' or @{{ Name = 'com.example.0'; Path = './web.sock' }}, found '{VisibleText.Of($"{value}")}'"),
    };

    private static GuestConsolePortOptions Of(IEnumerable<(string Name, object? Value)> properties)
    {
        GuestConsolePortOptions options = new() { Name = string.Empty };
        foreach ((string name, object? given) in properties)
        {
            object? value = Unwrapped(given);
            string? text = value is FileSystemInfo file ? file.FullName : $"{value}" is { Length: > 0 } some ? some : null;
            options = s_properties.FirstOrDefault(property => property.Equals(name, StringComparison.OrdinalIgnoreCase)) switch
            {
                nameof(options.Name) => options with { Name = text ?? string.Empty },
                nameof(options.Path) => options with { Path = text },
                _ => throw Wrong($"of a port {string.Join(", ", s_properties)}, found '{VisibleText.Of(name)}'.{NearestName.Hint(name, s_properties)}"),
            };
        }

        return options.Name.Length > 0 ? options : throw Wrong("of a port its Name, found none");
    }

    private static ArgumentTransformationMetadataException Wrong(string what) => new($"Expected {what.TrimEnd('.')}.");
}
