namespace PsVm;

/// <summary>What a host does that takes its time.</summary>
public enum HostStep
{
    /// <summary>Blocks of a RAM file are allocated.</summary>
    Allocating,

    /// <summary>Pages of RAM are faulted in.</summary>
    Preallocating,

    /// <summary>Firmware, kernel and initial RAM disk are read into RAM.</summary>
    Loading,

    /// <summary>RAM is written into a template.</summary>
    Writing,

    /// <summary>RAM of a template is copied.</summary>
    Copying,

    /// <summary>RAM of a template is written to an archive.</summary>
    Exporting,

    /// <summary>RAM of a template is read from an archive.</summary>
    Importing,

    /// <summary>RAM of a guest that was started lazily comes from its source.</summary>
    Filling,

    /// <summary>What was written over a disk is written into its image.</summary>
    Saving,

    /// <summary>Digests of RAM that has been written into a template are computed.</summary>
    Hashing,
}

/// <summary>How far a host is with something that takes its time. Data only, so that it can cross a process boundary.</summary>
/// <param name="Step">What it does.</param>
/// <param name="Done">Bytes that are done.</param>
/// <param name="Total">Bytes in all.</param>
public sealed record StepProgress(HostStep Step, long Done, long Total);
