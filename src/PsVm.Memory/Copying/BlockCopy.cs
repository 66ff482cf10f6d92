using System.Diagnostics;
using System.Numerics;
using Microsoft.Win32.SafeHandles;
using PsVm.Memory.Mapping;
using PsVm.Memory.Native;

namespace PsVm.Memory.Copying;

/// <summary>
/// A block of RAM as it was at one moment, copied while it is written: chunk by chunk in order, and out of it where somebody is about to
/// write. Safe from any thread.
/// </summary>
/// <remarks>
/// <para>
/// Whoever turns a chunk from free to busy reads it; it is done when its bytes are in memory of the copier's own. Who wants to write a page
/// asks first (<see cref="Keep"/>) and goes on when its chunk is done, so a chunk that is not done is as it was at the moment. That holds
/// of what the kernel says of it, too: pages that are found to be nobody's but the file's, or a hole, were that at the moment if their
/// chunk is free afterwards. Discards, which would change that, are refused meanwhile.
/// </para>
/// <para>The file of a private mapping is copied before the moment: it does not change.</para>
/// </remarks>
internal sealed class BlockCopy
{
    /// <summary>Bytes that are copied at once when somebody is about to write.</summary>
    public const int ChunkSize = 1 << 16;

    private const byte Free = 0, Busy = 1, Done = 2;
    private const int WindowSize = 1 << 20; // of one write
    private const int ScanSize = 1 << 25; // of one reading of the page map
    private const int ReflinkSize = 1 << 22; // of one clone, for which the kernel writes back what is dirty and keeps writers out

    private static readonly int s_pageSize = Environment.SystemPageSize;

    private readonly OpenedBackend _opened;
    private readonly RamMapping _mapping;
    private readonly RamCopier _copier;
    private readonly SafeFileHandle _target;
    private readonly KeptPieces _kept;
    private readonly bool _hasBase;
    private readonly byte[] _states;
    private readonly ushort[] _own; // pages of each chunk that are not the file's
    private readonly ushort[] _scanned = new ushort[ScanSize / ChunkSize]; // what the page map said of chunks that may have been free
    private readonly byte[] _window = new byte[WindowSize];
    private long _scanStart;
    private long _next;
    private long _known; // to where the page map was read, or the file has data
    private bool? _canReflink;
    private long _reflinked;

    /// <param name="opened">Its file.</param>
    /// <param name="mapping">Its mapping.</param>
    /// <param name="copier">Says which ranges are its own.</param>
    /// <param name="target">The file to copy to: empty, or with a copy of the file of a private mapping.</param>
    /// <param name="kept">Where pieces wait that could not wait for their turn.</param>
    /// <param name="ownOnly">Only what is in no file.</param>
    public BlockCopy(
        OpenedBackend opened, RamMapping mapping, RamCopier copier, SafeFileHandle target, KeptPieces kept, bool ownOnly)
    {
        Debug.Assert(ChunkSize / s_pageSize is > 0 and <= 16, "a bit for each page of a chunk");
        _opened = opened;
        _mapping = mapping;
        _copier = copier;
        _target = target;
        _kept = kept;
        _hasBase = opened.File is not null && !opened.Options.Share && !ownOnly;
        _states = new byte[(mapping.Size + ChunkSize - 1) / ChunkSize];
        _own = new ushort[_states.Length];
        if (IsSharedFile && ownOnly)
        {
            Array.Fill(_states, Done);
            _next = mapping.Size;
        }
    }

    /// <summary>The target may hold something where nothing was written yet, so that zeros must be written, too.</summary>
    private bool Punches => _hasBase || (IsSharedFile && _canReflink != false);

    private bool IsSharedFile => _opened.Options.Share && _opened.File is not null;

    private bool IsSharedAnonymous => _opened.Options.Share && _opened.File is null;

    /// <summary>Bytes of RAM.</summary>
    public long Size => _mapping.Size;

    /// <summary>Bytes that have had their turn.</summary>
    public long Position => _next;

    /// <summary>Bytes of the file whose blocks are the target's, too: who writes there takes new ones.</summary>
    public long Reflinked => _reflinked;

    /// <summary>Whether a page must not be written yet.</summary>
    public bool IsWaiting(long offset) => Volatile.Read(ref _states[offset / ChunkSize]) != Done && !_kept.IsOver;

    /// <summary>Somebody is about to write; returns when that may be. Does not throw: what goes wrong ends the copy.</summary>
    public void Keep(long offset, long length)
    {
        for (int chunk = (int)(offset / ChunkSize); chunk <= (offset + length - 1) / ChunkSize; chunk++)
        {
            if (_kept.IsOver)
            {
                return;
            }

            if (TryClaim(chunk))
            {
                SetAside(chunk);
            }
            else
            {
                Await(chunk);
            }
        }
    }

    /// <summary>Copies the next part that is free.</summary>
    /// <returns>False: there was none; every chunk is done, or about to be.</returns>
    /// <exception cref="IOException">The target cannot be written.</exception>
    /// <exception cref="MemoryBackendException">The backend's file cannot be read.</exception>
    public bool CopyNext(CancellationToken cancellation)
    {
        if (_next == Size)
        {
            return false;
        }

        if (_next >= _known)
        {
            FindNext(cancellation);
        }

        long end = Math.Min(_known, _next + WindowSize);
        if (IsSharedFile && _next < end && TryReflink())
        {
            return true;
        }

        CopyWindow(_next, end);
        _next = end;
        return true;
    }

    /// <summary>Notes what of the file is gone, once all is copied.</summary>
    public void End() => _copier.NoteTruncation();

    /// <summary>Returns when every chunk is done.</summary>
    public void AwaitAll()
    {
        for (int chunk = 0; chunk < _states.Length; chunk++)
        {
            Await(chunk);
        }
    }

    /// <summary>Ranges that were in no file at the moment, once every chunk is done. In order, neighbours joined.</summary>
    public List<PageRange> OwnRanges()
    {
        List<PageRange> ranges = [];
        for (int chunk = 0; chunk < _own.Length; chunk++)
        {
            foreach ((int page, int count) in Runs(_own[chunk]))
            {
                long offset = ((long)chunk * ChunkSize) + ((long)page * s_pageSize);
                if (ranges.Count > 0 && ranges[^1].End == offset)
                {
                    ranges[^1] = ranges[^1] with { Length = ranges[^1].Length + ((long)count * s_pageSize) };
                }
                else
                {
                    ranges.Add(new PageRange(offset, (long)count * s_pageSize));
                }
            }
        }

        return ranges;
    }

    /// <summary>Writes a piece that was set aside.</summary>
    public void Write(KeptPiece piece) => WritePages(piece.Bytes, piece.Pages, (long)piece.Chunk * ChunkSize);

    private static ushort AllPages(int length) => (ushort)((1 << (length / s_pageSize)) - 1);

    private int LengthOf(int chunk) => (int)Math.Min(ChunkSize, Size - ((long)chunk * ChunkSize));

    private bool TryClaim(int chunk) => Interlocked.CompareExchange(ref _states[chunk], Busy, Free) == Free;

    private void Finish(int chunk) => Volatile.Write(ref _states[chunk], Done);

    private void Await(int chunk)
    {
        SpinWait spin = default;
        while (Volatile.Read(ref _states[chunk]) != Done && !_kept.IsOver)
        {
            spin.SpinOnce(sleep1Threshold: -1);
        }
    }

    private void SetAside(int chunk)
    {
        byte[]? bytes = null;
        try
        {
            ushort own = OwnPages(chunk);
            if (own == 0 && !IsSharedFile)
            {
                return;
            }

            bytes = KeptPieces.Rent();
            Span<byte> read = bytes.AsSpan(0, LengthOf(chunk));
            ushort pages = Read(chunk, read, own);
            if (Punches || !SparseFile.IsZero(read))
            {
                _kept.Add(new KeptPiece(this, chunk, pages, bytes));
                bytes = null;
            }
        }
        catch (Exception failure)
        {
            _kept.End(failure);
        }
        finally
        {
            Finish(chunk);
            if (bytes is not null)
            {
                KeptPieces.Return(bytes);
            }
        }
    }

    /// <summary>Reads a chunk that is this caller's.</summary>
    /// <param name="chunk">Its number.</param>
    /// <param name="into">Takes the bytes; those of pages that do not count are zeros, or of no account.</param>
    /// <param name="own">Which of its pages are its own.</param>
    /// <returns>Which of its pages count.</returns>
    /// <remarks>Safety: the chunk is inside the block, whose memory is mapped as long as it is copied.</remarks>
    private ushort Read(int chunk, Span<byte> into, ushort own)
    {
        long offset = (long)chunk * ChunkSize;
        _own[chunk] = own;
        if (IsSharedFile)
        {
            _copier.ReadFile(into, _opened.Options.Offset + offset);
            return AllPages(into.Length);
        }

        if (own == AllPages(into.Length))
        {
            _mapping.Bytes(offset, into.Length).CopyTo(into);
            if (IsSharedAnonymous && SparseFile.IsZero(into))
            {
                // To look was to allocate. Nobody writes there before this is done.
                _ = _mapping.Advise(offset, into.Length, LibC.MadvRemove);
            }

            return own;
        }

        into.Clear();
        for (int pages = own; pages != 0; pages &= pages - 1)
        {
            int start = BitOperations.TrailingZeroCount(pages) * s_pageSize;
            _mapping.Bytes(offset + start, s_pageSize).CopyTo(into[start..]);
        }

        return own;
    }

    /// <summary>Which pages of a chunk are in no file. Shared memory without a file has all.</summary>
    private ushort OwnPages(int chunk)
    {
        if (_opened.Options.Share)
        {
            return IsSharedFile ? (ushort)0 : AllPages(LengthOf(chunk));
        }

        long offset = (long)chunk * ChunkSize;
        int pages = 0;
        foreach (PageRange range in _copier.OwnRanges(offset, LengthOf(chunk), CancellationToken.None))
        {
            pages |= AllPages((int)range.Length) << (int)((range.Offset - offset) / s_pageSize);
        }

        return (ushort)pages;
    }

    /// <summary>Finds out what comes next, and passes over what need not be read.</summary>
    private void FindNext(CancellationToken cancellation)
    {
        if (IsSharedFile)
        {
            PageRange data = _copier.FindData(_next);
            long first = data.Offset / ChunkSize * ChunkSize;
            Skip(_next, first);
            (_next, _known) = (first, Math.Min(Size, (data.End + ChunkSize - 1) / ChunkSize * ChunkSize));
            return;
        }

        _known = Math.Min(Size, _next + ScanSize);
        if (IsSharedAnonymous)
        {
            return;
        }

        // What a chunk has is noted by whoever claims it; until then this is what is known of it.
        _scanStart = _next;
        Array.Clear(_scanned);
        foreach (PageRange range in _copier.OwnRanges(_next, _known - _next, cancellation))
        {
            for (long position = range.Offset - _scanStart; position < range.End - _scanStart; position += s_pageSize)
            {
                _scanned[position / ChunkSize] |= (ushort)(1 << (int)(position % ChunkSize / s_pageSize));
            }
        }
    }

    /// <summary>Passes over chunks that are as the target has them.</summary>
    private void Skip(long start, long end)
    {
        for (int chunk = (int)(start / ChunkSize); chunk < (end + ChunkSize - 1) / ChunkSize; chunk++)
        {
            Interlocked.CompareExchange(ref _states[chunk], Done, Free);
        }
    }

    /// <summary>Reads what is free of some chunks, then writes it.</summary>
    private void CopyWindow(long start, long end)
    {
        Span<ushort> counts = stackalloc ushort[WindowSize / ChunkSize];
        counts.Clear();
        int first = (int)(start / ChunkSize);
        for (int chunk = first; chunk < (end + ChunkSize - 1) / ChunkSize; chunk++)
        {
            ushort own = IsSharedFile ? (ushort)0
                : IsSharedAnonymous ? AllPages(LengthOf(chunk))
                : _scanned[chunk - (int)(_scanStart / ChunkSize)];
            if (own == 0 && !IsSharedFile)
            {
                Interlocked.CompareExchange(ref _states[chunk], Done, Free);
            }
            else if (TryClaim(chunk))
            {
                try
                {
                    counts[chunk - first] = Read(chunk, _window.AsSpan((chunk - first) * ChunkSize, LengthOf(chunk)), own);
                }
                finally
                {
                    Finish(chunk);
                }
            }
        }

        for (int i = 0; i < counts.Length; i++)
        {
            // Whole chunks in a row are one write.
            int last = i;
            while (counts[last] == ushort.MaxValue && last + 1 < counts.Length && counts[last + 1] == ushort.MaxValue)
            {
                last++;
            }

            if (last > i)
            {
                SparseFile.WriteNonZero(
                    _target, _window.AsSpan(i * ChunkSize, (last - i + 1) * ChunkSize), start + ((long)i * ChunkSize), Punches);
                i = last;
            }
            else
            {
                WritePages(_window.AsSpan(i * ChunkSize, ChunkSize), counts[i], start + ((long)i * ChunkSize));
            }
        }
    }

    private void WritePages(ReadOnlySpan<byte> chunk, int pages, long offset)
    {
        foreach ((int page, int count) in Runs(pages))
        {
            int start = page * s_pageSize;
            SparseFile.WriteNonZero(_target, chunk[start..(start + (count * s_pageSize))], offset + start, Punches);
        }
    }

    /// <summary>The pages of a chunk that have a bit, those in a row together.</summary>
    private static IEnumerable<(int First, int Count)> Runs(int pages)
    {
        for (int page = 0; pages != 0;)
        {
            int skipped = BitOperations.TrailingZeroCount(pages);
            int count = BitOperations.TrailingZeroCount(~(pages >> skipped));
            yield return (page + skipped, count);
            (page, pages) = (page + skipped + count, pages >> (skipped + count));
        }
    }

    /// <summary>Has the target share the file's blocks for the next chunks that are free, where the file system can.</summary>
    /// <remarks>
    /// Chunks that are set aside meanwhile may be cloned as they were, as they are or torn: they are written over, since what waits is
    /// written by whoever called this, afterwards.
    /// </remarks>
    private bool TryReflink()
    {
        long start = _next, end = start;
        while (_canReflink != false && end < Math.Min(_known, start + ReflinkSize) && Volatile.Read(ref _states[end / ChunkSize]) == Free)
        {
            end = Math.Min(end + ChunkSize, Size);
        }

        if (end == start || !TryReflink(start, end - start))
        {
            return false;
        }

        Skip(start, end);
        _reflinked += end - start;
        _next = end;
        return true;
    }

    private bool TryReflink(long offset, long length)
    {
        int file = _opened.File!.Fd;
        if (_canReflink == true)
        {
            // What is dirty goes to the disk before, while nobody is kept out.
            _ = LibC.SyncFileRange(file, _opened.Options.Offset + offset, length, LibC.SyncFileRangeWriteAndWait);
        }

        _canReflink = SparseFile.TryClone(file, new PageRange(_opened.Options.Offset + offset, length), _target, offset);
        return _canReflink == true;
    }
}
