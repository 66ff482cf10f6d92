using System.Text.RegularExpressions;
using PsVm.Module.Output;

namespace PsVm.Module.Guests;

/// <summary>Errors of the default RAM, in words that Start-Guest has parameters for.</summary>
internal static partial class DefaultRamErrors
{
    /// <summary>The error as an operator of Start-Guest knows it.</summary>
    public static CmdletException Told(MemoryBackendException error)
    {
        string? action = error.RecommendedAction;
        return new CmdletException(
            error.Error with
            {
                Message = Size().Replace(error.Message, "Memory"),
                RecommendedAction = action is not null && OnlyOfBackends().IsMatch(action)
                    ? $"Make the RAM with New-MemoryBackend and pipe it to Start-Guest: {action}"
                    : action is null ? null : Size().Replace(action, "Memory"),
            },
            error);
    }

    [GeneratedRegex(@"\bSize\b")]
    private static partial Regex Size();

    // Start-Guest has none of these, but takes a backend that was made with them.
    [GeneratedRegex(@"\b(Path|Kind|Share|ReadOnly|FileAccessMode|DiscardPolicy|Prealloc|Offset|Align|Reserve|AllowSharedWriters)\b")]
    private static partial Regex OnlyOfBackends();
}
