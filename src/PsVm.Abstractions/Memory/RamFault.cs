namespace PsVm;

/// <summary>Why a page of guest RAM could not be had when somebody touched it.</summary>
public enum RamFaultCause
{
    /// <summary>The file cannot be read or written there (EIO), or the cause is gone again.</summary>
    InputOutput,

    /// <summary>The file was truncated: it ends before the page.</summary>
    Truncated,

    /// <summary>The file system is full (ENOSPC).</summary>
    NoSpace,

    /// <summary>The user's share of the file system is used up (EDQUOT).</summary>
    Quota,

    /// <summary>No huge page was free (ENOMEM).</summary>
    NoHugePage,

    /// <summary>The host's memory has an error there (EHWPOISON).</summary>
    MemoryError,
}

/// <summary>
/// A page of guest RAM that could not be had when somebody touched it: the RAM reads as zeros there and cannot be trusted.
/// </summary>
/// <remarks>Source: memory-backends rules, section 4. Offsets are bytes.</remarks>
/// <param name="BackendId">The backend.</param>
/// <param name="Path">Its file; null without a named one.</param>
/// <param name="Offset">Where it was touched first, from the start of the block.</param>
/// <param name="FileOffset">The same place in the file.</param>
/// <param name="Cause">Why.</param>
/// <param name="Detail">Why, in words, with the numbers and the errno.</param>
public sealed record RamFault(string BackendId, string? Path, long Offset, long FileOffset, RamFaultCause Cause, string Detail)
{
    /// <summary>One line for an operator.</summary>
    public override string ToString() => Path is null
        ? $"RAM of backend '{BackendId}' could not be had at offset {Offset}: {Detail}."
        : $"RAM file '{Path}' of backend '{BackendId}' could not be had at file offset {FileOffset} (RAM offset {Offset}): {Detail}.";
}
