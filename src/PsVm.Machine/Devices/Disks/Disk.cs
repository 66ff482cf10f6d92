using Mono.Unix.Native;
using PsVm.Machine.State;
using PsVm.Memory.Files;

namespace PsVm.Machine.Devices.Disks;

/// <summary>A disk of a guest: an image, and what the guest has written over it. It outlives boards. Safe from any thread.</summary>
internal sealed class Disk : IDisposable
{
    // What is written at once where a file system cannot zero.
    private static readonly byte[] s_zeros = new byte[64 << 10];

    private readonly DiskFile? _image;
    private readonly Lock _moving = new();
    private volatile DiskLayer? _layer;
    private DiskLayer? _layerBefore;
    private bool _isDisposed;
    private readonly IDiskOverlay? _overlay;
    private SealedOverlay? _sealed;
    private long _readBytes, _writtenBytes, _failures;
    private string? _lastFailure;

    /// <summary>The most bytes of blocks of an overlay that are in a template's state, and copied for each clone.</summary>
    public const long MostInState = 1 << 20;

    /// <param name="name">What guest and templates know it by.</param>
    /// <param name="size">Bytes.</param>
    /// <param name="isReadOnly">The guest cannot write it.</param>
    /// <param name="image">Its image, its own from here on; null: it is only looked at, and reads zeros.</param>
    /// <param name="overlay">Makes what keeps the guest's writes; null: the image does.</param>
    /// <param name="layer">What a template's guest had written over the image, held for this disk; null: nothing.</param>
    public Disk(string name, long size, bool isReadOnly, DiskFile? image, DiskOverlayMaker? overlay, DiskLayer? layer = null)
    {
        (Name, Size, IsReadOnly, _image, _layer) = (name, size, isReadOnly, image, layer);
        _overlay = overlay?.Invoke(size, ReadBelow);
    }

    /// <summary>What guest and templates know it by.</summary>
    public string Name { get; }

    /// <summary>Bytes, whole sectors.</summary>
    public long Size { get; }

    /// <summary>The guest cannot write it.</summary>
    public bool IsReadOnly { get; }

    /// <summary>What keeps the guest's writes; null: the image does, or there are none.</summary>
    public IDiskOverlay? Overlay => _overlay;

    /// <summary>Bytes that its overlay takes.</summary>
    public long OverlayBytes => _overlay?.Bytes ?? 0;

    /// <summary>Told why a request failed, once until another reason comes; on any thread.</summary>
    public Action<string>? Failed { get; set; }

    /// <summary>The threads that wait for it.</summary>
    public DiskThreads Threads { get; } = new();

    /// <summary>What a template's guest had written over the image; null: nothing, or little.</summary>
    public DiskLayer? Layer => _layer;

    /// <summary>The image; null: there is none.</summary>
    public DiskFile? Image => _image;

    /// <summary>What the guest has read and written, how many requests failed, and why the last one did.</summary>
    public (long Read, long Written, long Failures, string? LastFailure) Counts =>
        (Volatile.Read(ref _readBytes), Volatile.Read(ref _writtenBytes), Volatile.Read(ref _failures), Volatile.Read(ref _lastFailure));

    /// <summary>Reads; all of it is inside the disk.</summary>
    /// <returns>False: it failed.</returns>
    public bool TryRead(long offset, Span<byte> to)
    {
        try
        {
            _ = _overlay?.Read(offset, to, now: false) ?? ReadBelow(offset, to, now: false);
            Interlocked.Add(ref _readBytes, to.Length);
            return true;
        }
        catch (Exception failure) when (IsOfTheHost(failure))
        {
            return Fail(failure);
        }
    }

    /// <summary>Reads what is in memory; all of it is inside the disk.</summary>
    /// <returns>False: it takes a wait, or fails.</returns>
    public bool TryReadNow(long offset, Span<byte> to)
    {
        bool isRead = _overlay?.Read(offset, to, now: true) ?? ReadBelow(offset, to, now: true);
        Interlocked.Add(ref _readBytes, isRead ? to.Length : 0);
        return isRead;
    }

    /// <summary>Writes what goes to memory; all of it is inside the disk, which is not read-only.</summary>
    /// <returns>False: it takes a wait, or fails.</returns>
    public bool TryWriteNow(long offset, ReadOnlySpan<byte> from)
    {
        try
        {
            bool isWritten = Volatile.Read(ref _sealed) is null && _overlay?.TryWriteNow(offset, from) == true;
            Interlocked.Add(ref _writtenBytes, isWritten ? from.Length : 0);
            return isWritten;
        }
        catch (IOException)
        {
            return false; // who waits is told why
        }
    }

    /// <summary>Writes; all of it is inside the disk, which is not read-only.</summary>
    /// <returns>False: it failed.</returns>
    public bool TryWrite(long offset, ReadOnlySpan<byte> from)
    {
        try
        {
            if (_overlay is not null)
            {
                Keep(offset, from.Length);
                _overlay.Write(offset, from);
            }
            else
            {
                _image!.Write(offset, from);
            }

            Interlocked.Add(ref _writtenBytes, from.Length);
            return true;
        }
        catch (Exception failure) when (IsOfTheHost(failure))
        {
            return Fail(failure);
        }
    }

    /// <summary>Returns when what was written is where it stays.</summary>
    /// <returns>False: it failed.</returns>
    public bool TryFlush() => Try(() =>
    {
        if (_overlay is not null)
        {
            _overlay.Flush();
        }
        else if (!IsReadOnly)
        {
            _image!.Flush();
        }
    });

    /// <summary>Gives back what a range takes, as far as that goes.</summary>
    /// <returns>False: it failed.</returns>
    public bool TryDiscard(long offset, long length) => Try(() =>
    {
        if (_overlay is not null)
        {
            Keep(offset, length);
            _overlay.Discard(offset, length);
        }
        else
        {
            _ = _image!.TryPunch(offset, length); // advice, which a file system need not take
        }
    });

    /// <summary>Has a range read zeros.</summary>
    /// <param name="offset">Where it begins.</param>
    /// <param name="length">Its bytes.</param>
    /// <param name="giveBack">What it takes is given back where that goes.</param>
    /// <returns>False: it failed.</returns>
    public bool TryZero(long offset, long length, bool giveBack) => Try(() =>
    {
        if (_overlay is not null)
        {
            Keep(offset, length);
            _overlay.Zero(offset, length);
        }
        else if (!(giveBack && _image!.TryPunch(offset, length)) && !_image!.TryZero(offset, length))
        {
            for (long done = 0; done < length; done += s_zeros.Length)
            {
                _image.Write(offset + done, s_zeros.AsSpan(0, (int)Math.Min(s_zeros.Length, length - done)));
            }
        }
    });

    /// <summary>
    /// Takes what it is to a template, or holds it against one, while no request is under way; what the guest has written goes there, when
    /// the stream is finished, and comes from there.
    /// </summary>
    /// <exception cref="InvalidDataException">It is another disk.</exception>
    /// <exception cref="GuestException">The overlay cannot take what the template has.</exception>
    public void Transfer(StateStream state)
    {
        (long size, bool isReadOnly, bool hasOverlay) = (Size, IsReadOnly, _overlay is not null);
        state.Transfer(ref size);
        state.Transfer(ref isReadOnly);
        state.Transfer(ref hasOverlay);
        if ((size, isReadOnly, hasOverlay) != (Size, IsReadOnly, _overlay is not null))
        {
            throw new InvalidDataException(
                $"a disk of {size} bytes{(isReadOnly ? ", read-only" : "")}, expected one of {Size}{(IsReadOnly ? ", read-only" : "")}");
        }

        if (_overlay is not null && state.IsReading)
        {
            Take(OverlayBlocks.Read(state, Size));
        }
        else if (_overlay is not null)
        {
            DiskLayer? layer = _layer;
            bool needsFile = SealedOverlay.NeedsFile(_overlay, layer, MostInState);
            SealedOverlay now = new(this, _overlay, layer, needsFile ? new LayerWriter(state.MakeFile(Name), Header()) : null);
            Volatile.Write(ref _sealed, now);
            state.TransferLater(now);
        }
    }

    /// <summary>Who may read all that can be read on it: image, overlay, and what lies between.</summary>
    public FilePermissions Mode => (_image?.Mode ?? FilePermissions.ACCESSPERMS) & (_overlay?.Mode ?? FilePermissions.ACCESSPERMS)
        & (_layer?.Mode ?? FilePermissions.ACCESSPERMS);

    /// <summary>Writes into the image what the overlay has, and empties that, while no request is under way.</summary>
    /// <param name="progress">Told how many bytes are written.</param>
    /// <param name="cancellation">Gives up; the overlay still has all.</param>
    /// <exception cref="GuestException">Somebody else has the image, or it may not be written.</exception>
    /// <exception cref="IOException">It cannot be written; the overlay still has all.</exception>
    public void Save(Action<long>? progress, CancellationToken cancellation)
    {
        DiskFile writer = _image!.HandOut();
        try
        {
            (_overlay as FileOverlay)?.BeginCommit();
            byte[] block = new byte[IDiskOverlay.BlockSize];
            long done = 0;
            foreach (long number in _overlay!.Blocks())
            {
                cancellation.ThrowIfCancellationRequested();
                long offset = number * block.Length;
                Span<byte> bytes = block.AsSpan(0, (int)Math.Min(block.Length, Size - offset));
                _overlay.Read(offset, bytes, now: false);
                if (bytes.ContainsAnyExcept((byte)0) || !writer.TryPunch(offset, bytes.Length))
                {
                    writer.Write(offset, bytes);
                }

                progress?.Invoke(done += bytes.Length);
            }

            writer.Flush();
            if (_overlay is FileOverlay file)
            {
                file.EndCommit(_image.Now ?? _image.Identity);
            }
            else
            {
                _overlay.Clear();
            }
        }
        finally
        {
            _image.TakeBack(writer);
        }
    }

    /// <summary>Reads from another file what a template's guest had written over the image.</summary>
    /// <param name="layer">The same, held for this disk; once is enough, and nobody has it move back.</param>
    public void MoveTo(DiskLayer layer)
    {
        lock (_moving)
        {
            if (_isDisposed || _layer is null || _layerBefore is not null)
            {
                layer.Dispose();
                return;
            }

            // The one before stays open: somebody may be reading there.
            (_layerBefore, _layer) = (_layer, layer);
        }
    }

    /// <summary>What was sealed is written, or given up.</summary>
    public void Unseal(SealedOverlay done) => Interlocked.CompareExchange(ref _sealed, null, done);

    public void Dispose()
    {
        _overlay?.Dispose();
        lock (_moving)
        {
            _isDisposed = true;
            _layer?.Dispose();
            _layerBefore?.Dispose();
        }

        _image?.Dispose();
    }

    private void Keep(long offset, long length) => Volatile.Read(ref _sealed)?.Keep(offset, length);

    /// <summary>Has the overlay hold the blocks of a template, and no others.</summary>
    private void Take(List<(long Number, byte[]? Content)> blocks)
    {
        try
        {
            _overlay!.Clear();
            foreach ((long number, byte[]? content) in blocks)
            {
                long offset = number * IDiskOverlay.BlockSize;
                int length = (int)Math.Min(IDiskOverlay.BlockSize, Size - offset);
                if (content is null)
                {
                    _overlay.Zero(offset, length);
                }
                else
                {
                    _overlay.Write(offset, content.AsSpan(0, length));
                }
            }
        }
        catch (IOException failure)
        {
            throw new GuestException(
                GuestErrorIds.DiskOverlayNotOpened,
                $"Expected room for what the template's guest had written over disk '{Name}', found: {failure.Message}.",
                Name,
                "Make room, or have the overlay elsewhere.",
                failure);
        }
    }

    private OverlayHeader Header() =>
        new(Size, _image?.Identity.Inode ?? 0, _image?.Identity.ModifiedNanoseconds ?? 0, IsCommitting: false);

    private bool ReadBelow(long offset, Span<byte> to, bool now) => _layer?.Read(offset, to, now, ReadImage) ?? ReadImage(offset, to, now);

    /// <summary>Reads the image, which is all zeros where there is none.</summary>
    /// <inheritdoc cref="DiskImageReader"/>
    internal bool ReadImage(long offset, Span<byte> to, bool now)
    {
        if (_image is null)
        {
            to.Clear();
            return true;
        }

        if (now)
        {
            return _image.TryReadNow(offset, to);
        }

        _image.Read(offset, to);
        return true;
    }

    private bool Try(Action work)
    {
        try
        {
            work();
            return true;
        }
        catch (Exception failure) when (IsOfTheHost(failure))
        {
            return Fail(failure);
        }
    }

    // A process without memory is no error of a disk.
    private static bool IsOfTheHost(Exception failure) => failure is IOException or UnauthorizedAccessException or ObjectDisposedException;

    private bool Fail(Exception failure)
    {
        Interlocked.Increment(ref _failures);
        if (Interlocked.Exchange(ref _lastFailure, failure.Message) != failure.Message)
        {
            Failed?.Invoke(failure.Message);
        }

        return false;
    }
}
