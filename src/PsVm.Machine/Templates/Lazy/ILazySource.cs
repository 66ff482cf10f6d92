using Mono.Unix.Native;
using PsVm.Memory.Mapping;

namespace PsVm.Machine.Templates.Lazy;

/// <summary>
/// A template that is elsewhere, as lazy starts copy it: a folder that is slow to read, or another host. One thread at a time reads. It may
/// be disposed of more than once.
/// </summary>
internal interface ILazySource : IDisposable
{
    /// <summary>What people know it by: a path, or an address.</summary>
    string Name { get; }

    /// <summary>Its description; it stands alone.</summary>
    GuestTemplate Template { get; }

    /// <summary>Its machine state's file.</summary>
    byte[] State { get; }

    /// <summary>Who may read its large files: nobody else may read what is made of them.</summary>
    FilePermissions Mode { get; }

    /// <summary>Parts of a large file that are no holes, in order.</summary>
    /// <param name="part">Number of the file: those of RAM come first.</param>
    /// <exception cref="IOException">It cannot be looked at.</exception>
    IReadOnlyList<PageRange> Data(int part);

    /// <summary>
    /// Reads some of a large file. It may take as long as it likes, and cannot be given up: whoever waits for it does not wait for this.
    /// </summary>
    /// <param name="part">Number of the file: those of RAM come first.</param>
    /// <param name="offset">Bytes from the start of the file.</param>
    /// <param name="into">Takes the bytes.</param>
    /// <returns>Bytes that were read; 0: there are no more.</returns>
    /// <exception cref="IOException">It cannot be read.</exception>
    int Read(int part, long offset, Span<byte> into);
}
