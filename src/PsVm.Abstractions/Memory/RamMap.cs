namespace PsVm;

/// <summary>What the pages of a backend are now, by cells of one size, from the kernel's page tables (/proc/PID/pagemap).</summary>
/// <param name="BackendId">The backend.</param>
/// <param name="Size">Bytes mapped.</param>
/// <param name="CellSize">Bytes of a cell; the last one may be smaller.</param>
/// <param name="Cells">The cells in address order.</param>
public sealed record RamMap(string BackendId, long Size, long CellSize, IReadOnlyList<RamMapCell> Cells);

/// <summary>What the pages of a cell are, in bytes; what is left of the cell was never touched through this mapping.</summary>
/// <param name="Shared">In memory, and the file's: shared with the template and all its clones.</param>
/// <param name="Own">In memory or swap, and this mapping's alone: private copies and anonymous pages.</param>
/// <param name="Overlay">Under a discard overlay: zeros instead of the file, whether or not they are in memory.</param>
public readonly record struct RamMapCell(long Shared, long Own, long Overlay);
