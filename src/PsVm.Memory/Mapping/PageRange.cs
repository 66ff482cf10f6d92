namespace PsVm.Memory.Mapping;

/// <summary>A range of a block of guest RAM, in whole pages.</summary>
/// <param name="Offset">Bytes from the start of the block.</param>
/// <param name="Length">Bytes.</param>
public readonly record struct PageRange(long Offset, long Length)
{
    /// <summary>One past the last byte.</summary>
    public long End => Offset + Length;
}
