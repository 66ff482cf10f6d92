using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;

namespace PsVm.Module.Completion;

/// <summary>Completes an argument from the values that it could have now, and says what each of them is.</summary>
/// <remarks>PowerShell offers files where nothing is known of an argument; not where a completer says that there is nothing.</remarks>
internal abstract class ValueCompleter : IArgumentCompleter
{
    /// <inheritdoc/>
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        string start = Beginning((wordToComplete ?? string.Empty).Trim('\'', '"'));
        return [.. Matches(Choices(start), start).Select(choice =>
            new CompletionResult(Quoted(choice.Value), choice.Value, CompletionResultType.ParameterValue, VisibleText.Of(choice.Tooltip)))];
    }

    /// <summary>The values that begin with the word, in alphabetical order.</summary>
    internal static IEnumerable<Choice> Matches(IEnumerable<Choice> choices, string start) => choices
        .Where(choice => choice.Value.StartsWith(start, StringComparison.OrdinalIgnoreCase))
        .OrderBy(choice => choice.Value, StringComparer.OrdinalIgnoreCase);

    /// <summary>Every value that the argument could have now, or those of them that begin with what is typed.</summary>
    /// <param name="start">What is typed.</param>
    private protected abstract IEnumerable<Choice> Choices(string start);

    /// <summary>What is typed, as values begin.</summary>
    private protected virtual string Beginning(string word) => word;

    /// <summary>A value in quotes where PowerShell would split it.</summary>
    internal static string Quoted(string value) => value.All(c => char.IsLetterOrDigit(c) || c is '-' or '_' or '.' or '/' or '~' or '=')
        ? value
        : $"'{value.Replace("'", "''", StringComparison.Ordinal)}'";
}
