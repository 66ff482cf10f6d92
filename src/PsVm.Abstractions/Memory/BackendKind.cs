namespace PsVm;

/// <summary>What backs guest RAM.</summary>
public enum BackendKind
{
    /// <summary>A file, or a fresh unlinked file in a directory.</summary>
    File,

    /// <summary>A memfd: an unnamed file in memory that can be passed to other processes.</summary>
    Memfd,

    /// <summary>Anonymous memory of this process.</summary>
    Anonymous,
}
