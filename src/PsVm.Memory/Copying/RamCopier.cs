using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;
using PsVm.Memory.Discarding;
using PsVm.Memory.Files;
using PsVm.Memory.Mapping;
using PsVm.Memory.Native;

namespace PsVm.Memory.Copying;

/// <summary>
/// Copies a block of guest RAM that nobody writes to meanwhile into a file: what its own file has, by reflink where the file system can and
/// sparse where not, and over it what only this mapping holds. Pages of zeros take no space.
/// </summary>
internal sealed unsafe class RamCopier(string id, OpenedBackend plan, RamMapping mapping, MappingLayout layout)
{
    private const int ChunkSize = 1 << 20;

    private static readonly int s_pageSize = Environment.SystemPageSize;

    /// <summary>Ranges whose content is not the file's: pages of this mapping alone, and overlays. In order, neighbours joined.</summary>
    public List<PageRange> OwnRanges(CancellationToken cancellation)
    {
        if (plan.Options.Share)
        {
            // Shared anonymous memory is a file without a descriptor, whose pages the page map does not tell of once they are swapped out.
            return plan.File is null ? [new PageRange(0, mapping.Size)] : [];
        }

        List<PageRange> own = [];
        foreach (Segment part in layout.Within(0, mapping.Size))
        {
            // An overlay's pages are zero even where none is in memory, unless there is no file that could show otherwise.
            IEnumerable<PageRange> ranges = part.IsOverlay && plan.File is not null
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

    /// <summary>Copies the whole block.</summary>
    /// <param name="target">A new, empty file.</param>
    /// <param name="advance">Told of bytes that are done with.</param>
    /// <param name="cancellation">Gives up.</param>
    public void Copy(SafeFileHandle target, Action<long> advance, CancellationToken cancellation)
    {
        List<PageRange> own = OwnRanges(cancellation);
        if (plan.File is null || !TryClone(target))
        {
            RandomAccess.SetLength(target, mapping.Size);
            if (plan.File is not null)
            {
                CopyFile(target, advance, cancellation);
            }
        }

        CopyOwn(target, own, punch: plan.File is not null, advance, cancellation);
    }

    /// <summary>Copies ranges only, to their places.</summary>
    /// <param name="target">A new, empty file.</param>
    /// <param name="own">The ranges.</param>
    /// <param name="advance">Told of bytes that are done with.</param>
    /// <param name="cancellation">Gives up.</param>
    public void CopyRanges(SafeFileHandle target, IReadOnlyList<PageRange> own, Action<long> advance, CancellationToken cancellation)
    {
        RandomAccess.SetLength(target, mapping.Size);
        CopyOwn(target, own, punch: false, advance, cancellation);
    }

    /// <summary>
    /// Fills ranges of the mapping from a file that has them in their places; the pages become this mapping's own. Read-only RAM too can
    /// differ from its file, by what was discarded of it.
    /// </summary>
    public void Fill(SafeFileHandle source, IReadOnlyList<PageRange> ranges, CancellationToken cancellation)
    {
        if (!plan.Options.ReadOnly || ranges.Count == 0)
        {
            FillWritable(source, ranges, cancellation);
            return;
        }

        if (mapping.LetFill(true) is var error and not 0)
        {
            throw new IOException($"mprotect of read-only RAM '{id}': {Errors.Describe(error)}");
        }

        try
        {
            FillWritable(source, ranges, cancellation);
        }
        finally
        {
            _ = mapping.LetFill(false);
        }
    }

    private void FillWritable(SafeFileHandle source, IReadOnlyList<PageRange> ranges, CancellationToken cancellation)
    {
        foreach (PageRange range in ranges)
        {
            for (long position = range.Offset; position < range.End;)
            {
                cancellation.ThrowIfCancellationRequested();
                int length = (int)Math.Min(ChunkSize, range.End - position);
                int read = Reach(position, length, write: true, bytes => RandomAccess.Read(source, bytes, position));
                position += read > 0 ? read : throw new EndOfStreamException($"nothing at offset {position}");
            }
        }
    }

    private bool IsSharedAnonymous => plan is { File: null, Options.Share: true };

    /// <summary>
    /// Touches the RAM behind the end of a file that was truncated, so that the fault is noted: to who reads the file, what is gone looks
    /// like a hole, and private copies went with it.
    /// </summary>
    public void NoteTruncation()
    {
        if (plan.File is { } file && FileFacts.Of(file.Fd) is { Error: 0 } facts && facts.Size < plan.Options.Offset + mapping.Size)
        {
            long end = (Math.Max(0, facts.Size - plan.Options.Offset) + plan.PageSize - 1) & -plan.PageSize;
            if (end < mapping.Size)
            {
                mapping.Touch(end, write: false);
            }
        }
    }

    /// <summary>Shares the file's blocks with the target, where the file system can and the block is the file's beginning.</summary>
    private bool TryClone(SafeFileHandle target)
    {
        if (plan.Options.Offset != 0 || LibC.IoctlFiClone((int)target.DangerousGetHandle(), LibC.FiClone, plan.File!.Fd) != 0)
        {
            return false;
        }

        RandomAccess.SetLength(target, mapping.Size);
        return true;
    }

    private void CopyFile(SafeFileHandle target, Action<long> advance, CancellationToken cancellation)
    {
        var buffer = new byte[ChunkSize];
        var start = plan.Options.Offset;
        var end = start + mapping.Size;
        for (var position = start; position < end;)
        {
            var data = LibC.LSeek(plan.File!.Fd, position, LibC.SeekData);
            if (data < 0 && Errors.Last != Errno.ENXIO)
            {
                data = position; // a file system that does not know of holes
            }

            data = data < 0 || data > end ? end : data;
            var hole = data == end ? end : LibC.LSeek(plan.File.Fd, data, LibC.SeekHole);
            hole = hole < 0 || hole > end ? end : hole;
            while (data < hole)
            {
                cancellation.ThrowIfCancellationRequested();
                var chunk = buffer.AsSpan(0, (int)Math.Min(ChunkSize, hole - data));
                ReadFile(chunk, data);
                WriteNonZero(target, chunk, data - start, punch: false);
                data += chunk.Length;
            }

            advance(hole - position);
            position = hole;
        }
    }

    private void ReadFile(Span<byte> chunk, long offset)
    {
        fixed (byte* bytes = chunk)
        {
            for (var done = 0; done < chunk.Length;)
            {
                var read = Syscall.pread(plan.File!.Fd, bytes + done, (ulong)(chunk.Length - done), offset + done);
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

    private void CopyOwn(
        SafeFileHandle target, IReadOnlyList<PageRange> own, bool punch, Action<long> advance, CancellationToken cancellation)
    {
        foreach (PageRange range in own)
        {
            for (var position = range.Offset; position < range.End;)
            {
                cancellation.ThrowIfCancellationRequested();
                var length = (int)Math.Min(ChunkSize, range.End - position);
                var isSparse = IsSharedAnonymous && mapping.ResidentBytes(position, length) < length;
                var isZero = Reach(position, length, write: false, bytes =>
                {
                    WriteNonZero(target, bytes, position, punch);
                    return IsZero(bytes);
                });
                if (isSparse && isZero)
                {
                    // To look was to allocate.
                    _ = mapping.Advise(position, length, LibC.MadvRemove);
                }

                position += length;
                advance(length);
            }
        }
    }

    /// <summary>Gives a part of the block to a system call; when it fails, the pages are touched, so that one it could not reach is noted.</summary>
    private T Reach<T>(long position, int length, bool write, Func<Span<byte>, T> call)
    {
        try
        {
            return call(mapping.Bytes(position, length));
        }
        catch (IOException)
        {
            for (long page = position; page < position + length; page += s_pageSize)
            {
                mapping.Touch(page, write);
            }

            throw;
        }
    }

    /// <summary>Writes runs of pages that are not zero; the others become, or stay, holes.</summary>
    private static void WriteNonZero(SafeFileHandle target, ReadOnlySpan<byte> bytes, long offset, bool punch)
    {
        for (var start = 0; start < bytes.Length;)
        {
            var isZero = IsZero(Page(bytes, start));
            var end = start;
            do
            {
                end = Math.Min(end + s_pageSize, bytes.Length);
            }
            while (end < bytes.Length && IsZero(Page(bytes, end)) == isZero);

            ReadOnlySpan<byte> run = bytes[start..end];
            if (!isZero || (punch && !TryPunch(target, offset + start, run.Length)))
            {
                RandomAccess.Write(target, run, offset + start);
            }

            start = end;
        }
    }

    private static bool TryPunch(SafeFileHandle target, long offset, long length) =>
        LibC.Fallocate((int)target.DangerousGetHandle(), LibC.FallocKeepSize | LibC.FallocPunchHole, offset, length) == 0;

    private static ReadOnlySpan<byte> Page(ReadOnlySpan<byte> bytes, int start) =>
        bytes.Slice(start, Math.Min(s_pageSize, bytes.Length - start));

    private static bool IsZero(ReadOnlySpan<byte> page) => !page.ContainsAnyExcept((byte)0);
}
