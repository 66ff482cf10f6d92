using System.Management.Automation;

namespace PsVm.Module.Output;

/// <summary>An error as data; it becomes an <see cref="ErrorRecord"/> at the real output only.</summary>
/// <param name="Id">Stable id of the cause.</param>
/// <param name="Category">PowerShell's category.</param>
/// <param name="Target">What the error is about.</param>
/// <param name="Message">What was expected and what was found.</param>
/// <param name="RecommendedAction">What to do; null where there is nothing to advise.</param>
/// <param name="Exception">The cause; null when the error was found without one.</param>
internal sealed record CmdletError(
    string Id, ErrorCategory Category, string? Target, string Message, string? RecommendedAction, Exception? Exception = null)
{
    /// <summary>The error that an exception of the core stands for.</summary>
    public static CmdletError From(PsVmException exception) => new(
        exception.ErrorId,
        ErrorCategories.Of(exception.ErrorId),
        exception.Target,
        exception.Message,
        exception.RecommendedAction,
        exception);
}
