using Mono.Unix.Native;
using PsVm.Machine.Templates.Lazy;
using PsVm.Memory.Mapping;

namespace PsVm.Benchmarks;

/// <summary>A template in a folder that is read in a way of its own: slowly, or as a test wants it.</summary>
/// <param name="path">The folder.</param>
internal abstract class FolderSource(string path) : ILazySource
{
    /// <summary>The folder's own source.</summary>
    protected ILazySource Folder { get; } = LocalSource.Open(path);

    public string Name => Folder.Name;

    public GuestTemplate Template => Folder.Template;

    public byte[] State => Folder.State;

    public FilePermissions Mode => Folder.Mode;

    public IReadOnlyList<PageRange> Data(int block) => Folder.Data(block);

    public abstract int Read(int block, long offset, Span<byte> into);

    public virtual void Dispose() => Folder.Dispose();
}
