namespace PsVm.Machine.Devices.Folders;

/// <summary>
/// A name that a guest has looked up, below the one of its folder. All fids of a path share it, so that a folder which the guest renames
/// takes along what is below. What it has is <see cref="FolderTree"/>'s to change.
/// </summary>
/// <param name="parent">The folder's; null: it is the shared folder itself.</param>
/// <param name="name">The name; none: the shared folder itself.</param>
/// <param name="thing">Which object was there.</param>
internal sealed class FolderNode(FolderNode? parent, byte[] name, FolderObject thing)
{
    public FolderNode? Parent { get; set; } = parent;

    public byte[] Name { get; set; } = name;

    public FolderObject Object => thing;

    /// <summary>The name is another object's by now, or nobody's: the guest, or a look, found that.</summary>
    public bool IsGone { get; set; }

    /// <summary>Fids and names below.</summary>
    public int References { get; set; }
}

/// <summary>A file, folder or link that a guest knows, by whatever names.</summary>
/// <param name="identity">Which one it is (<c>qid.path</c>).</param>
/// <param name="type">What it is (<c>qid.type</c>).</param>
internal sealed class FolderObject(ulong identity, byte type)
{
    private long _toldSize;

    public ulong Identity => identity;

    public byte Type => type;

    /// <summary>Names of it that the guest knows.</summary>
    public int Nodes { get; set; }

    /// <summary>A fid of it that is open, by which it can be reached when its names are gone.</summary>
    public Fid? OpenFid { get; set; }

    /// <summary>The size that the guest takes it to have; of a file that the host has made shorter, more than it is.</summary>
    public long ToldSize
    {
        get => Volatile.Read(ref _toldSize);
        set => Volatile.Write(ref _toldSize, value);
    }

    /// <summary>The guest wrote as far as that.</summary>
    public void Extend(long size)
    {
        for (long told = ToldSize; size > told;)
        {
            long found = Interlocked.CompareExchange(ref _toldSize, size, told);
            told = found == told ? size : found;
        }
    }
}

/// <summary>A fid of a guest.</summary>
/// <param name="number">What the guest knows it by.</param>
/// <param name="node">What it is of.</param>
internal sealed class Fid(uint number, FolderNode node)
{
    public uint Number => number;

    public FolderNode Node => node;

    /// <summary>Requests that use it, and one for the table.</summary>
    public int Uses { get; set; } = 1;

    /// <summary>It is open.</summary>
    public bool IsOpen { get; set; }

    /// <summary>How it was opened (Tlopen).</summary>
    public uint Flags { get; set; }

    /// <summary>Its descriptor; -1: it has none, or had one that others needed more.</summary>
    public int Descriptor { get; set; } = -1;

    /// <summary>When it was used last, in requests.</summary>
    public long LastUse { get; set; }

    /// <summary>Taken by who reads a folder, since its descriptor has one place.</summary>
    public Lock Reading { get; } = new();

    /// <summary>Where the descriptor of a folder is.</summary>
    public ulong ReadingAt { get; set; }
}
