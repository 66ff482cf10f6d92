namespace PsVm;

/// <summary>An error with a stable id, for the reader: what was expected, what was found, and what to do.</summary>
/// <remarks>Each area derives its own: <see cref="MemoryBackendException"/>, <see cref="GuestException"/>.</remarks>
/// <param name="error">The error as data.</param>
/// <param name="inner">The cause, when there is one.</param>
public abstract class PsVmException(PsVmError error, Exception? inner) : Exception(error?.Message, inner)
{
    /// <summary>The error as data.</summary>
    public PsVmError Error { get; } = error ?? throw new ArgumentNullException(nameof(error));

    /// <inheritdoc cref="PsVmError.Id"/>
    public string ErrorId => Error.Id;

    /// <inheritdoc cref="PsVmError.Target"/>
    public string? Target => Error.Target;

    /// <inheritdoc cref="PsVmError.RecommendedAction"/>
    public string? RecommendedAction => Error.RecommendedAction;
}

/// <summary>An error about a memory backend.</summary>
/// <param name="error">The error as data; its target is a path or a backend id.</param>
/// <param name="inner">The cause, when there is one.</param>
public sealed class MemoryBackendException(PsVmError error, Exception? inner = null) : PsVmException(error, inner)
{
    /// <summary>Makes an error.</summary>
    /// <param name="errorId">Stable id of the cause.</param>
    /// <param name="message">What was expected and what was found.</param>
    /// <param name="target">A path or a backend id.</param>
    /// <param name="recommendedAction">What to do; null where there is nothing to advise.</param>
    /// <param name="inner">The cause, when there is one.</param>
    public MemoryBackendException(
        string errorId, string message, string? target = null, string? recommendedAction = null, Exception? inner = null)
        : this(new PsVmError(errorId, message) { Target = target, RecommendedAction = recommendedAction }, inner)
    {
    }
}

/// <summary>An error about a guest: putting it together, loading it, or its life.</summary>
/// <param name="error">The error as data; its target is a path or a guest's name.</param>
/// <param name="inner">The cause, when there is one.</param>
public sealed class GuestException(PsVmError error, Exception? inner = null) : PsVmException(error, inner)
{
    /// <summary>Makes an error.</summary>
    /// <param name="errorId">Stable id of the cause.</param>
    /// <param name="message">What was expected and what was found.</param>
    /// <param name="target">A path or a guest's name.</param>
    /// <param name="recommendedAction">What to do; null where there is nothing to advise.</param>
    /// <param name="inner">The cause, when there is one.</param>
    public GuestException(
        string errorId, string message, string? target = null, string? recommendedAction = null, Exception? inner = null)
        : this(new PsVmError(errorId, message) { Target = target, RecommendedAction = recommendedAction }, inner)
    {
    }
}
