using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;
using PsVm.Memory.Mapping;
using PsVm.Memory.Native;

namespace PsVm.Memory.Copying;

/// <summary>Files with holes: what of them is data, and copies that take no more space than that.</summary>
public static class SparseFile
{
    private const int ChunkSize = 1 << 20;

    private static readonly int s_pageSize = Environment.SystemPageSize;

    /// <summary>The parts of a file that are no holes, in order (lseek(2): SEEK_DATA, SEEK_HOLE).</summary>
    /// <param name="file">The file; all of it is data where the file system does not know of holes.</param>
    /// <param name="start">Where to begin, in bytes.</param>
    /// <param name="end">Where to end. That the file is shorter is not noticed: its rest is a hole.</param>
    public static IEnumerable<PageRange> Data(SafeFileHandle file, long start, long end)
    {
        ArgumentNullException.ThrowIfNull(file);
        return Data((int)file.DangerousGetHandle(), start, end);
    }

    /// <summary>As the other, of a descriptor.</summary>
    internal static IEnumerable<PageRange> Data(int descriptor, long start, long end)
    {
        for (long position = start; position < end;)
        {
            long data = LibC.LSeek(descriptor, position, LibC.SeekData);
            if (data < 0 && Errors.Last != Errno.ENXIO)
            {
                data = position; // a file system that does not know of holes
            }

            if (data < 0 || data >= end)
            {
                yield break;
            }

            long hole = LibC.LSeek(descriptor, data, LibC.SeekHole);
            position = hole < 0 || hole > end ? end : hole;
            yield return new PageRange(data, position - data);
        }
    }

    /// <summary>Lets a file share the blocks of another, all of them (ioctl_ficlone(2)).</summary>
    /// <returns>False: the file system cannot, and nothing has changed.</returns>
    public static bool TryClone(SafeFileHandle source, SafeFileHandle target)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(target);
        return TryClone((int)source.DangerousGetHandle(), target);
    }

    /// <summary>As the other, of a descriptor.</summary>
    internal static bool TryClone(int source, SafeFileHandle target) =>
        LibC.IoctlFiClone((int)target.DangerousGetHandle(), LibC.FiClone, source) == 0;

    /// <summary>Copies a part of a file: its holes, and pages of zeros, are holes of the copy.</summary>
    /// <param name="source">The file.</param>
    /// <param name="start">Where the part begins, in bytes.</param>
    /// <param name="length">Bytes.</param>
    /// <param name="target">A new, empty file, which has that length afterwards.</param>
    /// <param name="advance">Told of bytes that are done with, holes included.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="IOException">A file cannot be read or written, or the source is shorter.</exception>
    public static void Copy(
        SafeFileHandle source, long start, long length, SafeFileHandle target, Action<long> advance, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(advance);
        RandomAccess.SetLength(target, length);
        byte[] buffer = new byte[ChunkSize];
        long done = 0;
        foreach (PageRange range in Data(source, start, start + length))
        {
            for (long position = range.Offset; position < range.End;)
            {
                cancellation.ThrowIfCancellationRequested();
                Span<byte> chunk = buffer.AsSpan(0, (int)Math.Min(ChunkSize, range.End - position));
                ReadExactly(source, chunk, position);
                WriteNonZero(target, chunk, position - start, punch: false);
                position += chunk.Length;
                advance(position - start - done);
                done = position - start;
            }
        }

        advance(length - done);
    }

    /// <summary>Copies ranges of a file to another one, where pages of zeros become, or stay, holes.</summary>
    /// <param name="source">The file.</param>
    /// <param name="shift">How many bytes further on the ranges are in the file than in the other one.</param>
    /// <param name="ranges">The ranges, as they are in the other file.</param>
    /// <param name="target">The other file.</param>
    /// <param name="isHole">It has holes there; else it may have something, which is written over.</param>
    /// <param name="advance">Told of bytes that are done with; null: nobody asks.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="IOException">A file cannot be read or written, or the source is shorter.</exception>
    public static void CopyRanges(
        SafeFileHandle source,
        long shift,
        IEnumerable<PageRange> ranges,
        SafeFileHandle target,
        bool isHole,
        Action<long>? advance,
        CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(ranges);
        byte[]? buffer = null;
        foreach (PageRange range in ranges)
        {
            cancellation.ThrowIfCancellationRequested();

            // What one range cannot share with its copy, none can.
            PageRange from = range with { Offset = range.Offset + shift };
            if (buffer is null && TryClone(source, from, target, range.Offset))
            {
                advance?.Invoke(range.Length);
                continue;
            }

            buffer ??= new byte[ChunkSize];
            foreach (PageRange data in isHole ? Data(source, from.Offset, from.End) : [from])
            {
                for (long position = data.Offset; position < data.End;)
                {
                    cancellation.ThrowIfCancellationRequested();
                    Span<byte> chunk = buffer.AsSpan(0, (int)Math.Min(ChunkSize, data.End - position));
                    ReadExactly(source, chunk, position);
                    WriteNonZero(target, chunk, position - shift, punch: !isHole);
                    position += chunk.Length;
                }
            }

            advance?.Invoke(range.Length);
        }
    }

    /// <summary>Lets a range of a file share the blocks of another (ioctl_ficlonerange(2)).</summary>
    private static bool TryClone(SafeFileHandle source, PageRange range, SafeFileHandle target, long offset) =>
        TryClone((int)source.DangerousGetHandle(), range, target, offset);

    /// <summary>As the other, of a descriptor.</summary>
    internal static bool TryClone(int source, PageRange range, SafeFileHandle target, long offset)
    {
        LibC.CloneRange clone = new()
        {
            Source = source,
            SourceOffset = (ulong)range.Offset,
            Length = (ulong)range.Length,
            TargetOffset = (ulong)offset,
        };
        return LibC.IoctlFiCloneRange((int)target.DangerousGetHandle(), LibC.FiCloneRange, ref clone) == 0;
    }

    /// <summary>Reads as many bytes as asked for.</summary>
    /// <exception cref="EndOfStreamException">The file is shorter.</exception>
    public static void ReadExactly(SafeFileHandle file, Span<byte> bytes, long position)
    {
        for (int done = 0; done < bytes.Length;)
        {
            int read = RandomAccess.Read(file, bytes[done..], position + done);
            done += read > 0 ? read : throw new EndOfStreamException($"the file ends at {position + done} bytes");
        }
    }

    /// <summary>Writes runs of pages that are not zero; the others become, or stay, holes.</summary>
    /// <param name="target">The file.</param>
    /// <param name="bytes">What it is to have.</param>
    /// <param name="offset">Where, in bytes.</param>
    /// <param name="punch">It may have something else there; else it has a hole.</param>
    public static void WriteNonZero(SafeFileHandle target, ReadOnlySpan<byte> bytes, long offset, bool punch)
    {
        for (int start = 0; start < bytes.Length;)
        {
            bool isZero = IsZero(Page(bytes, start));
            int end = start;
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

    /// <summary>Whether bytes are all zero.</summary>
    internal static bool IsZero(ReadOnlySpan<byte> bytes) => !bytes.ContainsAnyExcept((byte)0);

    private static bool TryPunch(SafeFileHandle target, long offset, long length) =>
        LibC.Fallocate((int)target.DangerousGetHandle(), LibC.FallocKeepSize | LibC.FallocPunchHole, offset, length) == 0;

    private static ReadOnlySpan<byte> Page(ReadOnlySpan<byte> bytes, int start) =>
        bytes.Slice(start, Math.Min(s_pageSize, bytes.Length - start));
}
