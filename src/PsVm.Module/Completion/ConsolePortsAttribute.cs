namespace PsVm.Module.Completion;

/// <summary>
/// Takes named ports as names, as dictionaries such as <c>@{ Name = 'com.example.0'; Path = './web.sock' }</c>, or as rows.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class ConsolePortsAttribute() : OptionsAttribute<GuestConsolePortOptions>(
    "port", nameof(GuestConsolePortOptions.Name), nameof(GuestConsolePortOptions.Path))
{
    /// <inheritdoc/>
    private protected override GuestConsolePortOptions Empty { get; } = new() { Name = string.Empty };

    /// <inheritdoc/>
    private protected override GuestConsolePortOptions Of(object? value) => value is string { Length: > 0 } name
        ? new GuestConsolePortOptions { Name = name }
        : throw Wrong(
            $"a port such as 'com.example.0' or @{{ Name = 'com.example.0'; Path = './web.sock' }}, found '{VisibleText.Of($"{value}")}'");

    /// <inheritdoc/>
    private protected override GuestConsolePortOptions With(GuestConsolePortOptions options, string property, object? value) =>
        property switch
    {
        nameof(options.Name) => options with { Name = PathOf(value) ?? string.Empty },
        _ => options with { Path = PathOf(value) },
    };

    /// <inheritdoc/>
    private protected override string? Missing(GuestConsolePortOptions options, IReadOnlySet<string> said) =>
        options.Name.Length > 0 ? null : "its Name";
}
