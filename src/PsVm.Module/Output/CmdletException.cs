namespace PsVm.Module.Output;

/// <summary>An error that a cmdlet finds itself, or finds in a report: a path that is no file, a wait that timed out.</summary>
/// <param name="error">The error as data.</param>
/// <param name="inner">The cause, when there is one.</param>
internal sealed class CmdletException(PsVmError error, Exception? inner = null) : PsVmException(error, inner)
{
    /// <summary>Makes an error.</summary>
    /// <param name="errorId">Stable id of the cause.</param>
    /// <param name="message">What was expected and what was found.</param>
    /// <param name="target">What the error is about.</param>
    /// <param name="recommendedAction">What to do; null where there is nothing to advise.</param>
    public CmdletException(string errorId, string message, string? target = null, string? recommendedAction = null)
        : this(new PsVmError(errorId, message) { Target = target, RecommendedAction = recommendedAction })
    {
    }
}
