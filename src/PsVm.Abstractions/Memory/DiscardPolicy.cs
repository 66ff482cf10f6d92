namespace PsVm;

/// <summary>What happens when guest memory is discarded (balloon, free page reporting, hot-unplug, post-copy, operator).</summary>
/// <remarks>Source: memory-backends rules, section 5.</remarks>
public enum DiscardPolicy
{
    /// <summary>PunchHole on shared mappings, ZeroOverlay on private file mappings, dropping pages on anonymous memory.</summary>
    Auto,

    /// <summary>Every discard is refused.</summary>
    Deny,

    /// <summary>An anonymous mapping is laid over the range: reads zero, memory freed, file untouched.</summary>
    ZeroOverlay,

    /// <summary>Private copies are dropped, so that the file's content shows again.</summary>
    RestoreTemplate,

    /// <summary>The file loses the range: every other user of the file reads zero there too.</summary>
    PunchHole,
}
