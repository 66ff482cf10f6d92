using System.Collections;
using System.Management.Automation;

namespace PsVm.Module.Completion;

/// <summary>
/// Takes an identity as a dictionary such as <c>@{ HostName = 'web-{0:d2}'; MachineId = $true }</c>, or as text or a script block that the
/// guest's shell runs.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class IdentityOptionsAttribute : ArgumentTransformationAttribute
{
    private static readonly string[] s_properties =
    [
        nameof(CloneIdentity.HostName), nameof(CloneIdentity.MachineId), nameof(CloneIdentity.SshHostKeys), nameof(CloneIdentity.Address),
        nameof(CloneIdentity.Gateway), nameof(CloneIdentity.Script),
    ];

    /// <inheritdoc/>
    public override object Transform(EngineIntrinsics engineIntrinsics, object? inputData) => Unwrapped(inputData) switch
    {
        CloneIdentity identity => identity,
        ScriptBlock or string { Length: > 0 } => new CloneIdentity { Script = ScriptOf(Unwrapped(inputData)) },
        IDictionary pairs =>
            pairs.Cast<DictionaryEntry>()
                .Aggregate(new CloneIdentity(), (identity, pair) => With(identity, $"{pair.Key}", Unwrapped(pair.Value))),
        var other =>
            throw Wrong(
                $"an identity such as @{{ HostName = 'web-{{0}}'; MachineId = $true }}, or a script, found '{VisibleText.Of($"{other}")}'"),
    };

    private static object? Unwrapped(object? value) => value is PSObject wrapped ? wrapped.BaseObject : value;

    private static string ScriptOf(object? value) => $"{value}".ReplaceLineEndings("\n");

    private static CloneIdentity With(CloneIdentity identity, string name, object? value)
    {
        try
        {
            return s_properties.FirstOrDefault(property => property.Equals(name, StringComparison.OrdinalIgnoreCase)) switch
            {
                // True: the guest's own name.
                nameof(identity.HostName) =>
                    identity with { HostName = value is bool or null ? (value is true ? string.Empty : null) : $"{value}" },
                nameof(identity.MachineId) => identity with { MachineId = LanguagePrimitives.ConvertTo<bool>(value) },
                nameof(identity.SshHostKeys) => identity with { SshHostKeys = LanguagePrimitives.ConvertTo<bool>(value) },
                nameof(identity.Address) => identity with { Address = $"{value}" is { Length: > 0 } address ? address : null },
                nameof(identity.Gateway) => identity with { Gateway = $"{value}" is { Length: > 0 } gateway ? gateway : null },
                nameof(identity.Script) => identity with { Script = ScriptOf(value) },
                _ => throw Wrong(
                    $"of an identity {string.Join(", ", s_properties)}, found "
                        + $"'{VisibleText.Of(name)}'.{NearestName.Hint(name, s_properties)}"),
            };
        }
        catch (PSInvalidCastException wrong)
        {
            throw new ArgumentTransformationMetadataException($"{name} of an identity: {wrong.Message}");
        }
    }

    private static ArgumentTransformationMetadataException Wrong(string what) => new($"Expected {what.TrimEnd('.')}.");
}
