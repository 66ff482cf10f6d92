using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;
using PsVm.Memory.Mapping;

namespace PsVm.Machine.Devices.Disks;

/// <summary>Reads the image under an overlay.</summary>
/// <param name="offset">Where.</param>
/// <param name="to">Takes the bytes, all of which are inside the disk.</param>
/// <param name="now">Only what takes no wait.</param>
/// <returns>False: it would take one.</returns>
/// <exception cref="IOException">It cannot be read.</exception>
internal delegate bool DiskImageReader(long offset, Span<byte> to, bool now);

/// <summary>Makes an overlay.</summary>
/// <param name="size">Bytes of the disk.</param>
/// <param name="image">Reads the image.</param>
internal delegate IDiskOverlay DiskOverlayMaker(long size, DiskImageReader image);

/// <summary>
/// What a guest has written to a disk whose image stays as it is, in blocks; all that is asked for is inside the disk. Safe from any
/// thread, but for <see cref="Clear"/>.
/// </summary>
internal interface IDiskOverlay : IDisposable
{
    /// <summary>Bytes of a block: what drivers write at least, mostly.</summary>
    const int BlockSize = 4096;

    /// <summary>Bytes that it takes where it is: in memory, or in its file.</summary>
    long Bytes { get; }

    /// <summary>Bytes of the host's memory that it takes.</summary>
    long OwnBytes { get; }

    /// <summary>Who may read its file; null: it has none.</summary>
    FilePermissions? Mode => null;

    /// <summary>Reads what the guest wrote, and else what the image has.</summary>
    /// <param name="offset">Where.</param>
    /// <param name="to">Takes the bytes.</param>
    /// <param name="now">Only what takes no wait.</param>
    /// <returns>False: it would take one.</returns>
    /// <exception cref="IOException">It cannot be read.</exception>
    bool Read(long offset, Span<byte> to, bool now);

    /// <summary>Keeps what the guest writes, where that needs no wait.</summary>
    /// <returns>False: it does, and nothing was written.</returns>
    /// <exception cref="IOException">There is no room for it.</exception>
    bool TryWriteNow(long offset, ReadOnlySpan<byte> from);

    /// <summary>Keeps what the guest writes.</summary>
    /// <exception cref="IOException">The image cannot be read, or there is no room.</exception>
    void Write(long offset, ReadOnlySpan<byte> from);

    /// <summary>Has a range read zeros.</summary>
    /// <exception cref="IOException">The image cannot be read, or there is no room.</exception>
    void Zero(long offset, long length);

    /// <summary>
    /// Gives back what blocks in a range take, which read zeros then. What the image has is left alone: a discard is advice.
    /// </summary>
    void Discard(long offset, long length);

    /// <summary>Returns when what was written is where it stays.</summary>
    /// <exception cref="IOException">It is not.</exception>
    void Flush();

    /// <summary>Numbers of the blocks that the guest has written, in order.</summary>
    long[] Blocks();

    /// <summary>Lets a file have the same blocks at a range, where they are in a file.</summary>
    /// <param name="range">The range of the disk, all of whose blocks the guest has written.</param>
    /// <param name="target">The file.</param>
    /// <param name="offset">Where in it.</param>
    /// <returns>False: that cannot be, and nothing has changed.</returns>
    bool TryShare(PageRange range, SafeFileHandle target, long offset) => false;

    /// <summary>Forgets all that was written, while nobody reads or writes.</summary>
    /// <exception cref="IOException">It cannot.</exception>
    void Clear();
}
