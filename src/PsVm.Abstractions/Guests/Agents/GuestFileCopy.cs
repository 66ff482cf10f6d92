namespace PsVm;

/// <summary>A file, or a folder, that was copied between host and guest.</summary>
/// <param name="Guest">The guest's name.</param>
/// <param name="GuestPath">The guest's file or folder.</param>
/// <param name="HostPath">The host's file or folder.</param>
/// <param name="Bytes">Its size; of a folder, that of all files in it.</param>
/// <param name="Duration">How long it took.</param>
public sealed record GuestFileCopy(string Guest, string GuestPath, string HostPath, long Bytes, TimeSpan Duration)
{
    /// <summary>How many files, folders and links were copied: 1 for a file.</summary>
    public int Items { get; init; } = 1;
}

/// <summary>What came of copying a folder with all that is in it.</summary>
/// <param name="Bytes">The size of all files.</param>
/// <param name="Items">How many files, folders and links were copied, the folder itself included.</param>
public readonly record struct GuestFolderCopy(long Bytes, int Items)
{
    /// <summary>
    /// Paths in the folder that were left out: neither file, folder nor link, gone meanwhile, not to be read, or with a name that is no
    /// UTF-8.
    /// </summary>
    public IReadOnlyList<string> Skipped { get; init; } = [];
}
