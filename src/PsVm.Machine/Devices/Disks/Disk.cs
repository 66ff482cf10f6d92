using PsVm.Machine.State;
using PsVm.Memory.Files;

namespace PsVm.Machine.Devices.Disks;

/// <summary>A disk of a guest: an image, and what the guest has written over it. It outlives boards. Safe from any thread.</summary>
internal sealed class Disk : IDisposable
{
    // What is written at once where a file system cannot zero.
    private static readonly byte[] s_zeros = new byte[64 << 10];

    private readonly DiskFile? _image;
    private readonly MemoryOverlay? _overlay;
    private long _readBytes, _writtenBytes, _failures;
    private string? _lastFailure;

    /// <param name="name">What guest and templates know it by.</param>
    /// <param name="size">Bytes.</param>
    /// <param name="isReadOnly">The guest cannot write it.</param>
    /// <param name="image">Its image, its own from here on; null: it is only looked at, and reads zeros.</param>
    /// <param name="hasOverlay">What is written stays in memory.</param>
    /// <param name="hasRoom">Whether the host has memory for more of that.</param>
    public Disk(string name, long size, bool isReadOnly, DiskFile? image, bool hasOverlay, Func<bool>? hasRoom = null)
    {
        (Name, Size, IsReadOnly, _image) = (name, size, isReadOnly, image);
        _overlay = hasOverlay ? new MemoryOverlay(size, ReadImage, hasRoom ?? (static () => true)) : null;
    }

    /// <summary>What guest and templates know it by.</summary>
    public string Name { get; }

    /// <summary>Bytes, whole sectors.</summary>
    public long Size { get; }

    /// <summary>The guest cannot write it.</summary>
    public bool IsReadOnly { get; }

    /// <summary>What the guest writes stays in memory.</summary>
    public bool HasOverlay => _overlay is not null;

    /// <summary>Memory that its overlay takes.</summary>
    public long OverlayBytes => _overlay?.Bytes ?? 0;

    /// <summary>Told why a request failed, once until another reason comes; on any thread.</summary>
    public Action<string>? Failed { get; set; }

    /// <summary>The threads that wait for it.</summary>
    public DiskThreads Threads { get; } = new();

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
            _ = _overlay?.Read(offset, to, ReadImage) ?? ReadImage(offset, to);
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
        bool isRead = _overlay?.Read(offset, to, ReadImageNow) ?? ReadImageNow(offset, to);
        Interlocked.Add(ref _readBytes, isRead ? to.Length : 0);
        return isRead;
    }

    /// <summary>Writes what goes to memory; all of it is inside the disk, which is not read-only.</summary>
    /// <returns>False: it takes a wait, or fails.</returns>
    public bool TryWriteNow(long offset, ReadOnlySpan<byte> from)
    {
        try
        {
            bool isWritten = _overlay?.TryWriteNow(offset, from) == true;
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
        if (_overlay is null && !IsReadOnly)
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

    /// <summary>Takes what it is to a template, or holds it against one; what the guest has written goes there and comes from there.</summary>
    /// <exception cref="InvalidDataException">It is another disk.</exception>
    public void Transfer(StateStream state)
    {
        (long size, bool isReadOnly, bool hasOverlay) = (Size, IsReadOnly, HasOverlay);
        state.Transfer(ref size);
        state.Transfer(ref isReadOnly);
        state.Transfer(ref hasOverlay);
        if ((size, isReadOnly, hasOverlay) != (Size, IsReadOnly, HasOverlay))
        {
            throw new InvalidDataException($"a disk of {size} bytes{(isReadOnly ? ", read-only" : "")}, expected one of {Size}{(IsReadOnly ? ", read-only" : "")}");
        }

        _overlay?.Transfer(state);
    }

    public void Dispose() => _image?.Dispose();

    private bool ReadImage(long offset, Span<byte> to)
    {
        if (_image is not null)
        {
            _image.Read(offset, to);
        }
        else
        {
            to.Clear();
        }

        return true;
    }

    private bool ReadImageNow(long offset, Span<byte> to) => _image?.TryReadNow(offset, to) ?? ReadImage(offset, to);

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
