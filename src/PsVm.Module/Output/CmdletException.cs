namespace PsVm.Module.Output;

/// <summary>An error that a cmdlet finds itself, such as a path that is no file or a wait that timed out.</summary>
/// <param name="errorId">Stable id of the cause.</param>
/// <param name="message">What was expected and what was found.</param>
/// <param name="target">What the error is about.</param>
/// <param name="recommendedAction">What to do; null where there is nothing to advise.</param>
internal sealed class CmdletException(string errorId, string message, string? target = null, string? recommendedAction = null)
    : PsVmException(new PsVmError(errorId, message) { Target = target, RecommendedAction = recommendedAction }, inner: null);
