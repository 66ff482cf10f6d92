namespace PsVm;

/// <summary>What wants to use a backend and therefore needs something of it.</summary>
/// <remarks>Source: memory-backends rules, section 6.</remarks>
public enum MemoryConsumer
{
    /// <summary>A device in another process: needs a shared mapping of a file or memfd.</summary>
    VhostUserDevice,

    /// <summary>The receiving side of a post-copy migration: needs memory that can be discarded.</summary>
    PostCopyDestination,

    /// <summary>A balloon: needs a discard policy other than Deny.</summary>
    Balloon,

    /// <summary>Free page reporting: needs a discard policy other than Deny.</summary>
    FreePageReporting,

    /// <summary>A template to clone from: needs a regular file with a name.</summary>
    Template,

    /// <summary>A snapshot whose stream leaves the RAM out: needs a shared mapping of a file with a name.</summary>
    SnapshotWithoutRam,
}
