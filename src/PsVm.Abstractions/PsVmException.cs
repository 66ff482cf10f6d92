namespace PsVm;

/// <summary>An error with a stable id, for the reader: what was expected, what was found, and what to do.</summary>
/// <remarks>Each area derives its own: <see cref="MemoryBackendException"/>, <see cref="GuestException"/>.</remarks>
public abstract class PsVmException : Exception
{
    /// <summary>Makes an error.</summary>
    /// <param name="errorId">Stable id of the cause.</param>
    /// <param name="message">What was expected and what was found.</param>
    /// <param name="target">What the error is about: a path, an id, a name.</param>
    /// <param name="recommendedAction">What to do; null where there is nothing to advise.</param>
    /// <param name="inner">The cause, when there is one.</param>
    protected PsVmException(string errorId, string message, object? target, string? recommendedAction, Exception? inner)
        : base(message, inner)
    {
        ErrorId = errorId;
        Target = target;
        RecommendedAction = recommendedAction;
    }

    /// <summary>Stable id of the cause.</summary>
    public string ErrorId { get; }

    /// <summary>What the error is about: a path, an id, a name.</summary>
    public object? Target { get; }

    /// <summary>What to do; null where there is nothing to advise.</summary>
    public string? RecommendedAction { get; }
}

/// <summary>An error about a memory backend.</summary>
/// <param name="errorId">Stable id of the cause.</param>
/// <param name="message">What was expected and what was found.</param>
/// <param name="target">A path or a backend id.</param>
/// <param name="recommendedAction">What to do; null where there is nothing to advise.</param>
/// <param name="inner">The cause, when there is one.</param>
public sealed class MemoryBackendException(
    string errorId, string message, object? target = null, string? recommendedAction = null, Exception? inner = null)
    : PsVmException(errorId, message, target, recommendedAction, inner);

/// <summary>An error about a guest: putting it together, loading it, or its life.</summary>
/// <param name="errorId">Stable id of the cause.</param>
/// <param name="message">What was expected and what was found.</param>
/// <param name="target">A path or a guest's name.</param>
/// <param name="recommendedAction">What to do; null where there is nothing to advise.</param>
/// <param name="inner">The cause, when there is one.</param>
public sealed class GuestException(
    string errorId, string message, object? target = null, string? recommendedAction = null, Exception? inner = null)
    : PsVmException(errorId, message, target, recommendedAction, inner);
