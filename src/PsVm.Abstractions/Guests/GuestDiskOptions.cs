namespace PsVm;

/// <summary>What an operator asks of a disk of a guest: a raw image.</summary>
/// <remarks>
/// Two questions are apart, as with RAM: whether the guest may write the disk (<see cref="ReadOnly"/>), and whether the image is written
/// (<see cref="FileAccessMode"/>). Between the two is an <see cref="Overlay"/>.
/// </remarks>
public sealed record GuestDiskOptions
{
    /// <summary>The image: a regular file of whole sectors of 512 bytes.</summary>
    public required string Path { get; init; }

    /// <summary>
    /// What the guest and its templates know it by: 1 to 20 letters, digits, <c>-._</c>; null: <c>disk0</c> and so on, by its place.
    /// </summary>
    public string? Name { get; init; }

    /// <summary>The guest cannot write the disk.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>How the image is opened.</summary>
    public FileAccessMode FileAccessMode { get; init; }

    /// <summary>Where the guest's writes go; with an <see cref="OverlayPath"/>, there.</summary>
    public DiskOverlay Overlay { get; init; }

    /// <summary>The file of an overlay, which is made where it is not there; null: none.</summary>
    public string? OverlayPath { get; init; }
}

/// <summary>Where a guest's writes to a disk go.</summary>
public enum DiskOverlay
{
    /// <summary>Of a clone, and where the image is opened ReadOnly, Memory; else None.</summary>
    Auto,

    /// <summary>Into the image.</summary>
    None,

    /// <summary>Into memory, which goes with the guest: the image stays as it is.</summary>
    Memory,

    /// <summary>Into a file of its own, which stays when the guest goes: the image stays as it is.</summary>
    File,
}
