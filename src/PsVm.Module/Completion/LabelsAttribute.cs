using System.Collections;
using System.Management.Automation;

namespace PsVm.Module.Completion;

/// <summary>Takes labels as a dictionary (<c>@{ role = 'web' }</c>) or as texts (<c>role=web</c>).</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class LabelsAttribute : ArgumentTransformationAttribute
{
    /// <summary>A text may be a name alone, which stands for all values.</summary>
    public bool IsFilter { get; init; }

    /// <inheritdoc/>
    public override object? Transform(EngineIntrinsics engineIntrinsics, object? inputData)
    {
        Hashtable labels = new(StringComparer.OrdinalIgnoreCase);
        foreach (object? item in inputData is IList several and not PSObject { BaseObject: string } ? several : new[] { inputData })
        {
            switch (item is PSObject wrapped ? wrapped.BaseObject : item)
            {
                case IDictionary given:
                    foreach (DictionaryEntry pair in given)
                    {
                        labels[$"{pair.Key}"] = $"{pair.Value}";
                    }

                    break;
                case string text when text.Split('=', 2) is [{ Length: > 0 } key, var value]:
                    labels[key.Trim()] = value.Trim();
                    break;
                case string text when IsFilter && text.Trim() is { Length: > 0 } key && !key.Contains('=', StringComparison.Ordinal):
                    labels[key] = "*";
                    break;
                case var other:
                    throw new ArgumentTransformationMetadataException(
                        $"Expected labels such as @{{ role = 'web' }} or 'role=web', found '{VisibleText.Of($"{other}")}'.");
            }
        }

        return labels;
    }

    /// <summary>The labels that a parameter holds.</summary>
    public static Dictionary<string, string> ToDictionary(Hashtable labels) =>
        labels.Cast<DictionaryEntry>()
            .ToDictionary(pair => (string)pair.Key, pair => (string)pair.Value!, StringComparer.OrdinalIgnoreCase);
}
