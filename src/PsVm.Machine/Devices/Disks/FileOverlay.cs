using System.Buffers;
using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;
using PsVm.Memory;
using PsVm.Memory.Files;
using PsVm.Memory.Mapping;

namespace PsVm.Machine.Devices.Disks;

/// <summary>
/// An overlay in a sparse file of its own, which stays when the guest goes: a header, a bit for each block that is there, and the blocks. A
/// bit is written when its block is on the disk, and never before, so that whatever comes between, a block is the image's or whole. Source:
/// docs/overlay-format.md.
/// </summary>
internal sealed class FileOverlay : IDiskOverlay
{
    private const int BlockSize = IDiskOverlay.BlockSize;

    private static readonly byte[] s_zeros = new byte[64 << 10];

    private readonly DiskFile _file;
    private readonly DiskImageReader _image;
    private readonly Lock _adding = new(); // one at a time adds blocks, since it may need what of the block the image has
    private readonly Lock _flushing = new();
    private readonly OverlayBitmap _bitmap;
    private readonly bool[] _changed; // pages of the bitmap that the file does not have yet
    private OverlayHeader _header;
    private long _count;
    private bool _isWritten;

    private FileOverlay(DiskFile file, OverlayHeader header, DiskImageReader image)
    {
        (_file, _header, _image) = (file, header, image);
        _bitmap = new OverlayBitmap(header);
        _changed = new bool[header.BitmapPages];
    }

    /// <inheritdoc/>
    public long Bytes => Volatile.Read(ref _count) * BlockSize;

    /// <inheritdoc/>
    public long OwnBytes => _bitmap.Length / 8;

    /// <inheritdoc/>
    public FilePermissions? Mode => _file.Mode;

    /// <summary>Makes an overlay of a file that is open for that alone: a new one where the file is empty.</summary>
    /// <param name="file">The file; whoever opened it disposes of it when this fails.</param>
    /// <param name="image">Identity of the image that it lies over.</param>
    /// <param name="read">Reads that.</param>
    /// <exception cref="GuestException">The file is no overlay, or one over another image.</exception>
    /// <exception cref="IOException">It cannot be read or written.</exception>
    public static FileOverlay Open(DiskFile file, FileIdentity image, DiskImageReader read)
    {
        OverlayHeader now = new(image.Size, image.Inode, image.ModifiedNanoseconds, IsCommitting: false);
        if (ReadHeader(file, image) is not { } header)
        {
            FileOverlay made = new(file, now, read);
            made.Begin();
            return made;
        }

        FileOverlay overlay = new(file, header, read);
        overlay.Load();
        if (header.IsCommitting)
        {
            // What of the image was written meanwhile is what the blocks here have.
            overlay.WriteHeader(now);
        }

        return overlay;
    }

    /// <summary>Whether a file is an overlay over an image, or can become one.</summary>
    /// <param name="file">The file.</param>
    /// <param name="image">Identity of the image.</param>
    /// <returns>Its header; null: it is empty.</returns>
    /// <exception cref="GuestException">It is neither.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static OverlayHeader? ReadHeader(DiskFile file, FileIdentity image)
    {
        if (file.Identity.Size == 0)
        {
            return null;
        }

        byte[] bytes = new byte[OverlayHeader.Size];
        OverlayHeader header;
        try
        {
            file.Read(0, bytes.AsSpan(0, (int)Math.Min(bytes.Length, file.Identity.Size)));
            header = OverlayHeader.Read(bytes);
        }
        catch (InvalidDataException wrong)
        {
            throw Invalid(file, wrong.Message);
        }

        bool isOver = header.DiskSize == image.Size && header.Inode == image.Inode
            && (header.IsCommitting || header.ModifiedNanoseconds == image.ModifiedNanoseconds);
        return isOver ? header : throw new GuestException(
            GuestErrorIds.DiskOverlayMismatch,
            $"Expected under the overlay '{file.Path}' the image that it was made over, of {ByteSize.ToExactText(header.DiskSize)}, inode "
            + $"{header.Inode}, "
            + $"as it was then, found one of {ByteSize.ToExactText(image.Size)}, inode {image.Inode}"
            + $"{(header.Inode == image.Inode && header.DiskSize == image.Size ? ", written since" : "")}.",
            file.Path,
            "Give the image that it was made over, or another file for a new overlay.");
    }

    /// <inheritdoc/>
    public bool Read(long offset, Span<byte> to, bool now) => _bitmap.Read(_file, offset, to, now, _image);

    /// <inheritdoc/>
    public bool TryWriteNow(long offset, ReadOnlySpan<byte> from) => false;

    /// <inheritdoc/>
    public void Write(long offset, ReadOnlySpan<byte> from)
    {
        // Blocks that are here stay here: who finds them all needs nobody else.
        if (_bitmap.Piece(offset, from.Length) == (true, from.Length))
        {
            Put(offset, from);
            return;
        }

        lock (_adding)
        {
            long start = offset / BlockSize * BlockSize,
                end = Math.Min((offset + from.Length + BlockSize - 1) / BlockSize * BlockSize, _header.DiskSize);
            byte[] buffer = ArrayPool<byte>.Shared.Rent((int)(end - start));
            try
            {
                Span<byte> bytes = buffer.AsSpan(0, (int)(end - start));
                int before = (int)(offset - start), after = (int)(end - offset) - from.Length;
                Read(start, bytes[..before], now: false);
                from.CopyTo(bytes[before..]);
                Read(offset + from.Length, bytes[^after..], now: false);
                Put(start, bytes);
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }

            Add(start, end);
        }
    }

    /// <inheritdoc/>
    public void Zero(long offset, long length)
    {
        long end = offset + length;
        long first = Math.Min((offset + BlockSize - 1) / BlockSize * BlockSize, end);
        long last = end == _header.DiskSize ? end : Math.Max(end / BlockSize * BlockSize, first);
        Write(offset, s_zeros.AsSpan(0, (int)(first - offset)));
        Write(last, s_zeros.AsSpan(0, (int)(end - last)));
        if (last == first)
        {
            return;
        }

        lock (_adding)
        {
            // What is there of it may be of one who was stopped before its bit was written.
            if (!_file.TryPunch(_header.DataOffset + first, last - first) && !_file.TryZero(_header.DataOffset + first, last - first))
            {
                for (long at = first; at < last; at += s_zeros.Length)
                {
                    Put(at, s_zeros.AsSpan(0, (int)Math.Min(s_zeros.Length, last - at)));
                }
            }

            Volatile.Write(ref _isWritten, true);
            Add(first, last);
        }
    }

    /// <inheritdoc/>
    public void Discard(long offset, long length)
    {
        long end = offset + length == _header.DiskSize ? _header.DiskSize : (offset + length) / BlockSize * BlockSize;
        for (long at = (offset + BlockSize - 1) / BlockSize * BlockSize; at < end;)
        {
            (bool isHere, int count) = _bitmap.Piece(at, (int)Math.Min(end - at, int.MaxValue / 2));
            if (isHere)
            {
                _ = _file.TryPunch(_header.DataOffset + at, count);
                Volatile.Write(ref _isWritten, true);
            }

            at += count;
        }
    }

    /// <inheritdoc/>
    public void Flush()
    {
        lock (_flushing)
        {
            if (!Interlocked.Exchange(ref _isWritten, false))
            {
                return; // it is there since the last time
            }

            List<(int Page, byte[] Content)> pages = [];
            try
            {
                // As they are before the blocks go to the disk: each bit in them is of a block that was written before.
                for (int page = 0; page < _changed.Length; page++)
                {
                    if (Interlocked.Exchange(ref _changed[page], false))
                    {
                        pages.Add((page, _bitmap.PageOf(page).ToArray()));
                    }
                }

                _file.FlushData();
                foreach ((int page, byte[] content) in pages)
                {
                    _file.Write(OverlayHeader.Size + ((long)page * OverlayHeader.Size), content);
                }

                if (pages.Count > 0)
                {
                    _file.FlushData();
                }
            }
            catch
            {
                pages.ForEach(page => Volatile.Write(ref _changed[page.Page], true));
                Volatile.Write(ref _isWritten, true);
                throw;
            }
        }
    }

    /// <inheritdoc/>
    public long[] Blocks() => [.. _bitmap.Numbers()];

    /// <inheritdoc/>
    public bool TryShare(PageRange range, SafeFileHandle target, long offset) =>
        _file.TryShare(range with { Offset = _header.DataOffset + range.Offset }, target, offset);

    /// <inheritdoc/>
    public void Clear()
    {
        lock (_adding)
        {
            if (_count == 0)
            {
                return;
            }

            // Bits first: a block without its bit is the image's, a bit without its block would be zeros.
            _bitmap.Clear();
            _changed.AsSpan().Fill(true);
            Volatile.Write(ref _count, 0);
            Volatile.Write(ref _isWritten, true);
            Flush();
            _ = _file.TryPunch(_header.DataOffset, _header.DiskSize);
        }
    }

    /// <summary>Says that the image is about to have all that is here: it may be found written from now on.</summary>
    /// <exception cref="IOException">It cannot be said.</exception>
    public void BeginCommit()
    {
        Flush();
        WriteHeader(_header with { IsCommitting = true });
    }

    /// <summary>The image has all that is here: begins anew over it.</summary>
    /// <param name="image">Its identity.</param>
    /// <exception cref="IOException">It cannot; the overlay is as good as before.</exception>
    public void EndCommit(FileIdentity image)
    {
        Clear();
        WriteHeader(_header with { ModifiedNanoseconds = image.ModifiedNanoseconds, IsCommitting = false });
    }

    /// <summary>Takes to the disk what is not there, and closes the file.</summary>
    public void Dispose()
    {
        try
        {
            Flush();
        }
        catch (IOException)
        {
            // What the guest had flushed is there.
        }

        _file.Dispose();
    }

    private static GuestException Invalid(DiskFile file, string found) => new(
        GuestErrorIds.DiskOverlayInvalid,
        $"Expected of '{file.Path}' an overlay of a disk, found {found}.",
        file.Path,
        "Name an overlay, an empty file, or one that is not there yet.");

    /// <summary>Writes an overlay without blocks. The header comes first: a longer file has one.</summary>
    private void Begin()
    {
        _file.Write(0, _header.ToBytes());
        Complete();
    }

    /// <summary>Gives the file its length, and room for all of the bitmap: a disk that becomes full later costs no flushes.</summary>
    private void Complete()
    {
        _file.Allocate(0, _header.DataOffset);
        _file.SetLength(_header.FileSize);
        _file.Flush();
    }

    private void Load()
    {
        if (_file.Identity.Size == OverlayHeader.Size)
        {
            Complete(); // whoever made it was stopped before its second step; nothing is in it
        }
        else if (_file.Identity.Size < _header.FileSize)
        {
            throw Invalid(
                _file, $"{ByteSize.ToExactText(_file.Identity.Size)} of {ByteSize.ToExactText(_header.FileSize)}: it was cut off");
        }

        _file.Read(OverlayHeader.Size, _bitmap.Bytes);
        long blocks = _header.BlockCount;
        for (long beyond = blocks; beyond < _bitmap.Length; beyond++)
        {
            if (_bitmap.Has(beyond))
            {
                throw Invalid(_file, $"block {beyond} of a disk of {blocks}");
            }
        }

        _count = _bitmap.Count;
    }

    private void WriteHeader(OverlayHeader header)
    {
        _file.Write(0, header.ToBytes());
        _file.Flush();
        _header = header;
    }

    private void Put(long offset, ReadOnlySpan<byte> bytes)
    {
        _file.Write(_header.DataOffset + offset, bytes);
        Volatile.Write(ref _isWritten, true);
    }

    /// <summary>Notes that blocks are here, all of which are written.</summary>
    private void Add(long start, long end)
    {
        for (long block = start / BlockSize; block * BlockSize < end; block++)
        {
            if (!_bitmap.Has(block))
            {
                _bitmap.Add(block);
                Volatile.Write(ref _changed[block / OverlayHeader.BlocksPerPage], true);
                Volatile.Write(ref _count, _count + 1);
            }
        }

        Volatile.Write(ref _isWritten, true);
    }
}
