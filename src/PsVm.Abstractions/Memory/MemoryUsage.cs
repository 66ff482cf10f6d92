namespace PsVm;

/// <summary>What a backend costs the host now, from the kernel's own accounting (/proc/PID/smaps). Bytes.</summary>
/// <param name="BackendId">The backend.</param>
/// <param name="Size">Bytes mapped.</param>
/// <param name="Resident">Bytes present in memory (Rss; on hugetlbfs the private and shared huge pages).</param>
/// <param name="Own">Bytes that only this mapping has: anonymous pages, private copies included.</param>
/// <param name="Shared">Resident bytes that belong to the file.</param>
/// <param name="Overlay">Bytes of address space covered by discard overlays.</param>
/// <param name="OverlayCount">Number of coalesced overlays.</param>
/// <param name="FileBlocks">Bytes the file occupies on its file system; 0 without a file.</param>
public sealed record MemoryUsage(
    string BackendId,
    long Size,
    long Resident,
    long Own,
    long Shared,
    long Overlay,
    int OverlayCount,
    long FileBlocks)
{
    /// <summary>The guest that has the backend; null: none.</summary>
    public string? Guest { get; init; }

    /// <summary>The id, with its guest's name before it where one has the backend: <c>web/ram.default</c>.</summary>
    public string QualifiedId => Guest is null ? BackendId : $"{Guest}{BackendReference.GuestSeparator}{BackendId}";

    /// <summary>The backend's id.</summary>
    public override string ToString() => BackendId;
}
