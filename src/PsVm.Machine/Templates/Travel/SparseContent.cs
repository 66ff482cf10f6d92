using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;
using PsVm.Memory.Copying;
using PsVm.Memory.Mapping;

namespace PsVm.Machine.Templates.Travel;

/// <summary>
/// What tar stores of a file with holes: which parts of it are data, then these parts. Source: GNU tar manual, "PAX Format, Version 1.0".
/// </summary>
/// <param name="file">The file.</param>
/// <param name="start">Where the part begins that is stored, in bytes.</param>
/// <param name="size">Bytes of that part.</param>
/// <param name="data">Data in that part, in order, from its beginning.</param>
/// <param name="advance">Told of bytes that were read.</param>
/// <param name="cancellation">Gives up.</param>
internal sealed class SparseContent(
    SafeFileHandle file, long start, long size, IReadOnlyList<PageRange> data,
    Action<long> advance, CancellationToken cancellation) : Stream
{
    private readonly byte[] _map = Map(data, size);
    private long _position;
    private int _range;
    private long _inRange;

    /// <inheritdoc/>
    public override bool CanRead => true;

    /// <inheritdoc/>
    /// <remarks>The writer of tar files asks for length and position of those that can.</remarks>
    public override bool CanSeek => true;

    /// <inheritdoc/>
    public override bool CanWrite => false;

    /// <inheritdoc/>
    public override long Length => _map.Length + data.Sum(range => range.Length);

    /// <inheritdoc/>
    public override long Position
    {
        get => _position;
        set => throw new NotSupportedException();
    }

    /// <summary>Data of a part of a file, in whole pages, in at most so many stretches.</summary>
    /// <param name="file">The file.</param>
    /// <param name="start">Where the part begins, in bytes.</param>
    /// <param name="size">Bytes of the part: whole pages.</param>
    /// <param name="most">Most stretches; where there would be more, small holes are taken for data.</param>
    public static IReadOnlyList<PageRange> DataOf(SafeFileHandle file, long start, long size, int most)
    {
        List<PageRange> found = [];
        for (long smallest = ArchivedRam.PageSize; ; smallest *= 2)
        {
            found.Clear();
            foreach (PageRange range in SparseFile.Data(file, start, start + size))
            {
                long from = (range.Offset - start) / ArchivedRam.PageSize * ArchivedRam.PageSize;
                long to = Math.Min(size, (range.End - start + ArchivedRam.PageSize - 1) / ArchivedRam.PageSize * ArchivedRam.PageSize);
                if (found.Count > 0 && from - found[^1].End < smallest)
                {
                    found[^1] = found[^1] with { Length = to - found[^1].Offset };
                }
                else
                {
                    found.Add(new PageRange(from, to - from));
                }

                if (found.Count > most)
                {
                    break;
                }
            }

            if (found.Count <= most)
            {
                return found;
            }
        }
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        cancellation.ThrowIfCancellationRequested();
        int read = _position < _map.Length ? ReadMap(buffer) : ReadData(buffer);
        _position += read;
        return read;
    }

    /// <inheritdoc/>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    private int ReadMap(Span<byte> buffer)
    {
        ReadOnlySpan<byte> rest = _map.AsSpan((int)_position);
        int read = Math.Min(rest.Length, buffer.Length);
        rest[..read].CopyTo(buffer);
        return read;
    }

    private int ReadData(Span<byte> buffer)
    {
        if (_range == data.Count)
        {
            return 0;
        }

        PageRange range = data[_range];
        Span<byte> bytes = buffer[..(int)Math.Min(buffer.Length, range.Length - _inRange)];
        SparseFile.ReadExactly(file, bytes, start + range.Offset + _inRange);
        _inRange += bytes.Length;
        if (_inRange == range.Length)
        {
            _range++;
            _inRange = 0;
        }

        advance(bytes.Length);
        return bytes.Length;
    }

    private static byte[] Map(IReadOnlyList<PageRange> data, long size)
    {
        // A hole at the end is told by data of no bytes behind it, as GNU tar writes it.
        bool endsInHole = data.Count == 0 || data[^1].End < size;
        StringBuilder text = new();
        Line(data.Count + (endsInHole ? 1 : 0));
        foreach (PageRange range in data)
        {
            Line(range.Offset);
            Line(range.Length);
        }

        if (endsInHole)
        {
            Line(size);
            Line(0);
        }

        byte[] map = new byte[(text.Length + ArchiveTar.BlockSize - 1) / ArchiveTar.BlockSize * ArchiveTar.BlockSize];
        Encoding.ASCII.GetBytes(text.ToString(), map);
        return map;

        void Line(long number) => text.Append(CultureInfo.InvariantCulture, $"{number}\n");
    }
}
