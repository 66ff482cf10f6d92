using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;

namespace PsVm.Module.Completion;

/// <summary>Completes an argument from the values that exist now.</summary>
internal abstract class ValueCompleter : IArgumentCompleter
{
    /// <inheritdoc/>
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters) =>
        Matches(Values(), wordToComplete).Select(value => new CompletionResult(value));

    /// <summary>The values that begin with the word, in alphabetical order, quoted where PowerShell would split them.</summary>
    internal static IEnumerable<string> Matches(IEnumerable<string> values, string? word)
    {
        string start = (word ?? string.Empty).Trim('\'', '"');
        return values
            .Where(value => value.StartsWith(start, StringComparison.OrdinalIgnoreCase))
            .Order(StringComparer.OrdinalIgnoreCase)
            .Select(value => value.All(c => char.IsLetterOrDigit(c) || c is '-' or '_' or '.')
                ? value
                : $"'{value.Replace("'", "''", StringComparison.Ordinal)}'");
    }

    /// <summary>Every value that the argument could have now.</summary>
    protected abstract IEnumerable<string> Values();
}
