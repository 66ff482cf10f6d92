namespace PsVm;

/// <summary>How the file behind a backend is opened; apart from whether the guest may write the memory.</summary>
/// <remarks>Source: memory-backends rules, sections 1 and 2.</remarks>
public enum FileAccessMode
{
    /// <summary>Decided from Share, ReadOnly, the file system, the machine type and the policy.</summary>
    Auto,

    /// <summary>O_RDONLY: the file cannot be changed, created, grown or punched through this backend.</summary>
    ReadOnly,

    /// <summary>O_RDWR: a missing file is created, an empty one grown.</summary>
    ReadWrite,
}
