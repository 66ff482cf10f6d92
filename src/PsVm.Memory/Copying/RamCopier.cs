using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;
using PsVm.Memory.Discarding;
using PsVm.Memory.Files;
using PsVm.Memory.Mapping;
using PsVm.Memory.Native;

namespace PsVm.Memory.Copying;

/// <summary>
/// What a block of guest RAM has, and where: what its own file has, which it copies, by reflink where the file system can and sparse where
/// not, and what only this mapping holds, which it tells and fills.
/// </summary>
internal sealed unsafe class RamCopier(string id, OpenedBackend opened, RamMapping mapping, MappingLayout layout)
{
    private const int ChunkSize = 1 << 20;

    private static readonly int s_pageSize = Environment.SystemPageSize;

    /// <summary>Ranges whose content is not the file's: pages of this mapping alone, and overlays. In order, neighbours joined.</summary>
    public List<PageRange> OwnRanges(CancellationToken cancellation)
    {
        if (opened.Options.Share)
        {
            // Shared anonymous memory is a file without a descriptor, whose pages the page map does not tell of once they are swapped out.
            return opened.File is null ? [new PageRange(0, mapping.Size)] : [];
        }

        return OwnRanges(0, mapping.Size, cancellation);
    }

    /// <summary>As the other, of a range of a private mapping.</summary>
    public List<PageRange> OwnRanges(long offset, long length, CancellationToken cancellation)
    {
        List<PageRange> own = [];
        foreach (Segment part in Joined(layout.Within(offset, offset + length)))
        {
            // An overlay's pages are zero even where none is in memory, unless there is no file that could show otherwise.
            IEnumerable<PageRange> ranges = part.IsOverlay && opened.File is not null
                ? [new PageRange(part.Start, part.Length)]
                : PageMap.PrivateRanges(mapping.Address, part.Start, part.Length, cancellation);
            foreach (PageRange range in ranges)
            {
                if (own.Count > 0 && own[^1].End == range.Offset)
                {
                    own[^1] = own[^1] with { Length = own[^1].Length + range.Length };
                }
                else
                {
                    own.Add(range);
                }
            }
        }

        return own;
    }

    /// <summary>
    /// The same with what lies side by side of files as one, whichever files: each part costs an opening of the page map.
    /// </summary>
    private static IEnumerable<Segment> Joined(List<Segment> parts)
    {
        Segment joined = parts[0];
        foreach (Segment part in parts.Skip(1))
        {
            if (part.IsOverlay == joined.IsOverlay)
            {
                joined = joined with { End = part.End };
            }
            else
            {
                yield return joined;
                joined = part;
            }
        }

        yield return joined;
    }

    /// <summary>Copies what the file of a private mapping has; the target gets the size of the block.</summary>
    /// <param name="target">A new, empty file.</param>
    /// <param name="advance">Told of bytes that are done with.</param>
    /// <param name="cancellation">Gives up.</param>
    public void CopyBase(SafeFileHandle target, Action<long> advance, CancellationToken cancellation)
    {
        if (!TryClone(target))
        {
            RandomAccess.SetLength(target, mapping.Size);
            CopyFile(target, advance, cancellation);
        }

        CopyLayers(target, cancellation);
    }

    /// <summary>Copies what layers have over the block's own file, which was copied before.</summary>
    private void CopyLayers(SafeFileHandle target, CancellationToken cancellation)
    {
        for (int layer = 1; layer <= (mapping.Layers?.Files.Count ?? 0); layer++)
        {
            LayerFile file = mapping.Layers!.Files[layer - 1];
            try
            {
                SparseFile.CopyRanges(
                    file.Handle, 0, mapping.Layers.Pieces.RangesOf(layer), target, isHole: false, advance: null, cancellation);
            }
            catch (EndOfStreamException cut)
            {
                NoteTruncation();
                throw new MemoryBackendException(MemoryErrorIds.CopyFailed, $"'{file.Path}' of backend '{id}': {cut.Message}.", id);
            }
        }
    }

    /// <summary>
    /// Touches the RAM behind the end of a file that was truncated, so that the fault is noted: to who reads the file, what is gone looks
    /// like a hole, and private copies went with it.
    /// </summary>
    public void NoteTruncation()
    {
        if (opened.File is { } file && FileFacts.Of(file.Fd) is { Error: 0 } facts && facts.Size < opened.Options.Offset + mapping.Size)
        {
            long end = (Math.Max(0, facts.Size - opened.Options.Offset) + opened.Decision.PageSize - 1) & -opened.Decision.PageSize;
            if (end < mapping.Size)
            {
                mapping.Touch(end, write: false);
            }
        }

        foreach (RamPiece piece in mapping.Layers?.Pieces.All.Where(piece => piece.MappedLayer != 0) ?? [])
        {
            if (mapping.Layers!.Files[piece.Layer - 1].Identity is { } identity && identity.Size < piece.End)
            {
                mapping.Touch(Math.Max(piece.Start, (identity.Size + s_pageSize - 1) & -s_pageSize), write: false);
            }
        }
    }

    /// <summary>Shares the file's blocks with the target, where the file system can and the block is the file's beginning.</summary>
    private bool TryClone(SafeFileHandle target)
    {
        if (opened.Options.Offset != 0 || !SparseFile.TryClone(opened.File!.Fd, target))
        {
            return false;
        }

        RandomAccess.SetLength(target, mapping.Size);
        return true;
    }

    private void CopyFile(SafeFileHandle target, Action<long> advance, CancellationToken cancellation)
    {
        var buffer = new byte[ChunkSize];
        var start = opened.Options.Offset;
        var end = start + mapping.Size;
        var position = start;
        foreach (PageRange range in SparseFile.Data(opened.File!.Fd, start, end))
        {
            for (var data = range.Offset; data < range.End;)
            {
                cancellation.ThrowIfCancellationRequested();
                var chunk = buffer.AsSpan(0, (int)Math.Min(ChunkSize, range.End - data));
                ReadFile(chunk, data);
                SparseFile.WriteNonZero(target, chunk, data - start, punch: false);
                data += chunk.Length;
            }

            advance(range.End - position);
            position = range.End;
        }

        advance(end - position);
    }

    /// <summary>The next bytes of the block that its file has, and no hole.</summary>
    /// <param name="position">Where to look from.</param>
    /// <returns>An empty range at the block's end: there is nothing but holes.</returns>
    public PageRange FindData(long position)
    {
        long start = opened.Options.Offset;
        return SparseFile.Data(opened.File!.Fd, start + position, start + mapping.Size)
            .Select(range => range with { Offset = range.Offset - start })
            .FirstOrDefault(new PageRange(mapping.Size, 0));
    }

    /// <summary>Reads from the file, whole.</summary>
    /// <param name="chunk">Takes the bytes.</param>
    /// <param name="offset">Where, in the file.</param>
    /// <exception cref="MemoryBackendException">It ends before, or cannot be read (<see cref="MemoryErrorIds.CopyFailed"/>).</exception>
    public void ReadFile(Span<byte> chunk, long offset)
    {
        fixed (byte* bytes = chunk)
        {
            for (var done = 0; done < chunk.Length;)
            {
                var read = Syscall.pread(opened.File!.Fd, bytes + done, (ulong)(chunk.Length - done), offset + done);
                var error = Errors.Of(read);
                if (read == 0)
                {
                    NoteTruncation();
                }

                if (error != Errno.EINTR)
                {
                    done += error == 0 && read > 0 ? (int)read : throw new MemoryBackendException(
                        MemoryErrorIds.CopyFailed,
                        $"pread of {chunk.Length - done} bytes at offset {offset + done} of the file of backend '{id}': "
                            + $"{(error == 0 ? "the file ends" : Errors.Describe(error))}.",
                        id);
                }
            }
        }
    }

    /// <summary>
    /// Reads a part of the block from a file; when that fails, the pages are touched, so that one that cannot be had is noted.
    /// </summary>
    private int FillPart(SafeFileHandle source, long position, int length)
    {
        try
        {
            return RandomAccess.Read(source, mapping.Bytes(position, length), position);
        }
        catch (IOException)
        {
            for (long page = position; page < position + length; page += s_pageSize)
            {
                mapping.Touch(page, write: true);
            }

            throw;
        }
    }
}
