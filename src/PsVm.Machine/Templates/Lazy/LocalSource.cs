using Mono.Unix.Native;
using PsVm.Machine.Templates.Travel;
using PsVm.Memory.Copying;
using PsVm.Memory.Mapping;

namespace PsVm.Machine.Templates.Lazy;

/// <summary>A template in a folder of this machine's file systems.</summary>
internal sealed class LocalSource : ILazySource
{
    private readonly OpenedTemplate _opened;

    private LocalSource(OpenedTemplate opened) => _opened = opened;

    /// <inheritdoc/>
    public string Name => Template.Path;

    /// <inheritdoc/>
    public GuestTemplate Template => _opened.Template;

    /// <inheritdoc/>
    public byte[] State => _opened.State;

    /// <inheritdoc/>
    public FilePermissions Mode => _opened.Mode;

    /// <summary>Opens one.</summary>
    /// <param name="path">Its folder.</param>
    /// <exception cref="GuestException">It is not there, not whole, altered, or of another kind of machine.</exception>
    public static ILazySource Open(string path) => new LocalSource(OpenedTemplate.Open(path));

    /// <inheritdoc/>
    public IReadOnlyList<PageRange> Data(int part) => [.. SparseFile.Data(_opened.Files[part], 0, _opened.Parts[part].Size)];

    /// <inheritdoc/>
    public int Read(int part, long offset, Span<byte> into) => RandomAccess.Read(_opened.Files[part], into, offset);

    /// <inheritdoc/>
    public void Dispose() => _opened.Dispose();
}
