namespace PsVm;

/// <summary>What sort of error it is, in the words of PowerShell's ErrorCategory.</summary>
public enum ErrorKind
{
    /// <summary>What was asked for makes no sense.</summary>
    InvalidArgument,

    /// <summary>A file is not what it should be.</summary>
    InvalidData,

    /// <summary>Its state does not allow it.</summary>
    InvalidOperation,

    /// <summary>It would pass a bound.</summary>
    LimitsExceeded,

    /// <summary>This version, or this host, cannot do it.</summary>
    NotImplemented,

    /// <summary>There is no such thing.</summary>
    ObjectNotFound,

    /// <summary>A file cannot be opened.</summary>
    OpenError,

    /// <summary>Something ended first.</summary>
    OperationStopped,

    /// <summary>The time ran out.</summary>
    OperationTimeout,

    /// <summary>A permission or a policy forbids it.</summary>
    PermissionDenied,

    /// <summary>A file cannot be read.</summary>
    ReadError,

    /// <summary>Somebody uses it.</summary>
    ResourceBusy,

    /// <summary>There is such a thing already.</summary>
    ResourceExists,

    /// <summary>The host has not enough of something.</summary>
    ResourceUnavailable,

    /// <summary>A file cannot be written.</summary>
    WriteError,
}
