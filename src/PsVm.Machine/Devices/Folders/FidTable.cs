using System.Diagnostics.CodeAnalysis;
using PsVm.Memory.Native;

namespace PsVm.Machine.Devices.Folders;

/// <summary>
/// The fids of a guest, what they are of, and their descriptors. Safe from any thread; nothing is waited for under its lock. Descriptors
/// are for those fids that are used: of more open ones than there may be, those that nobody used for longest lose theirs, and get another
/// when they are used.
/// </summary>
/// <param name="limits">How much there may be.</param>
/// <param name="root">Which object the folder itself is.</param>
internal sealed partial class FidTable(FolderLimits limits, ulong root)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<uint, Fid> _fids = [];
    private readonly HashSet<Fid> _holders = []; // of descriptors
    private readonly FolderTree _tree = new(limits.MostNames);
    private FolderNode? _root;
    private long _uses;

    /// <summary>Fids that there are, and descriptors that they have.</summary>
    public (int Fids, int Descriptors, int Names) Counts
    {
        get
        {
            lock (_gate)
            {
                return (_fids.Count, _holders.Count, _tree.Count);
            }
        }
    }

    /// <summary>Gets a fid, which stays as it is until <see cref="Release"/>.</summary>
    public bool TryUse(uint number, [NotNullWhen(true)] out Fid? fid)
    {
        lock (_gate)
        {
            if (!_fids.TryGetValue(number, out fid))
            {
                return false;
            }

            fid.Uses++;
            fid.LastUse = ++_uses;
            return true;
        }
    }

    /// <summary>A request is done with a fid.</summary>
    public void Release(Fid fid)
    {
        int descriptor;
        lock (_gate)
        {
            descriptor = Leave(fid);
        }

        Close(descriptor);
    }

    /// <summary>Makes a fid of the folder itself.</summary>
    /// <returns>errno; 0: it is there.</returns>
    public int Attach(uint number)
    {
        lock (_gate)
        {
            _root ??= _tree.GetRoot(root);
            return Add(number, _root, replaced: null);
        }
    }

    /// <summary>Makes a fid of what another one is of.</summary>
    /// <param name="number">Its number, which is a new one, or that of the other, whose place it takes.</param>
    /// <param name="from">The other, in use.</param>
    /// <param name="found">What was found, name by name, from what the other is of.</param>
    /// <param name="names">The names.</param>
    /// <returns>errno; 0: it is there.</returns>
    public int Walk(uint number, Fid from, ReadOnlySpan<Qid> found, ref readonly P9Reader names)
    {
        P9Reader rest = names;
        int descriptor = -1, error;
        lock (_gate)
        {
            Fid? replaced = number == from.Number ? from : null;
            if (replaced is null ? _fids.ContainsKey(number) : replaced.IsOpen || !IsThere(replaced))
            {
                return P9Error.BadDescriptor;
            }

            FolderNode node = from.Node;
            node.References++;
            foreach (Qid qid in found)
            {
                if (Step(node, rest.Text(), qid) is not { } next)
                {
                    _tree.Release(node);
                    return P9Error.NoMemory;
                }

                _tree.Release(node);
                node = next;
            }

            error = Add(number, node, replaced);
            _tree.Release(node);
            if (error == 0 && replaced is not null)
            {
                descriptor = Leave(replaced);
            }
        }

        Close(descriptor);
        return error;
    }

    /// <summary>Writes where a fid's object is, with a name behind it, and a NUL.</summary>
    /// <returns>Bytes of the path, or errno below 0.</returns>
    public int WritePath(Fid fid, ReadOnlySpan<byte> name, Span<byte> to)
    {
        lock (_gate)
        {
            return FolderTree.WritePath(fid.Node, name, to) switch
            {
                0 => -P9Error.NameTooLong,
                -1 => -P9Error.NotFound,
                int length => length,
            };
        }
    }

    /// <summary>Writes where the folder is in which a fid's object has its name.</summary>
    /// <returns>Bytes of the folder's path, or errno below 0.</returns>
    public int WriteFolderPath(Fid fid, Span<byte> to, out FolderNode? folder, out byte[] name)
    {
        lock (_gate)
        {
            (folder, name) = (fid.Node.Parent, fid.Node.Name);
            return fid.Node switch
            {
                { Parent: null } => -P9Error.Busy,
                { IsGone: true } => -P9Error.NotFound,
                { Parent: { } parent } => FolderTree.WritePath(parent, [], to) switch
                {
                    0 => -P9Error.NameTooLong,
                    -1 => -P9Error.NotFound,
                    int length => length,
                },
            };
        }
    }

    /// <summary>Gives a fid, which is in use, a descriptor and has it open. The descriptor is the table's from here on.</summary>
    /// <returns>errno; 0: done.</returns>
    public int Open(Fid fid, int descriptor, uint flags)
    {
        int closed = descriptor, other = -1, error = P9Error.None;
        lock (_gate)
        {
            if (fid.IsOpen || !IsThere(fid))
            {
                error = P9Error.BadDescriptor;
            }
            else if (!TryMakeRoom(out other))
            {
                error = P9Error.TooManyFiles;
            }
            else
            {
                (fid.IsOpen, fid.Flags, fid.Descriptor, closed) = (true, flags, descriptor, -1);
                fid.Node.Object.OpenFid ??= fid;
                _holders.Add(fid);
            }
        }

        Close(closed);
        Close(other);
        return error;
    }

    /// <summary>A fid, in use, is of something below what it was of from here on, and open.</summary>
    public int Create(Fid fid, ReadOnlySpan<byte> name, Qid qid, int descriptor, uint flags, bool isEmpty)
    {
        Fid? made;
        lock (_gate)
        {
            if (fid.IsOpen || !IsThere(fid) || _tree.Get(fid.Node, name, qid.Path, qid.Type) is not { } node)
            {
                made = null;
            }
            else
            {
                // The one in use goes on as it is until its request is answered.
                made = new Fid(fid.Number, node) { LastUse = ++_uses, Uses = 2 };
                node.Object.ToldSize = isEmpty ? 0 : node.Object.ToldSize;
                _fids[fid.Number] = made;
                Leave(fid);
            }
        }

        if (made is null)
        {
            Close(descriptor);
            return P9Error.NoMemory;
        }

        int error = Open(made, descriptor, flags);
        Release(made);
        return error;
    }

    /// <summary>Gives an open fid, in use, another descriptor in place of the one that it lost.</summary>
    /// <returns>errno; 0: it has one.</returns>
    public int Reopen(Fid fid, int descriptor)
    {
        int closed = descriptor, other = -1, error = P9Error.None;
        lock (_gate)
        {
            if (fid.Descriptor < 0)
            {
                if (TryMakeRoom(out other))
                {
                    (fid.Descriptor, fid.ReadingAt, closed) = (descriptor, 0, -1);
                    _holders.Add(fid);
                }
                else
                {
                    error = P9Error.TooManyFiles;
                }
            }
        }

        Close(closed);
        Close(other);
        return error;
    }

    /// <summary>Gets an open fid of the same object as another one, to be used in its place.</summary>
    public bool TryUseOpen(Fid of, [NotNullWhen(true)] out Fid? fid)
    {
        lock (_gate)
        {
            fid = of.Node.Object.OpenFid;
            if (fid is not null)
            {
                fid.Uses++;
                fid.LastUse = ++_uses;
            }

            return fid is not null;
        }
    }

    /// <summary>Takes a fid away from the guest.</summary>
    /// <returns>There was none.</returns>
    public bool TryClunk(uint number)
    {
        int descriptor;
        lock (_gate)
        {
            if (!_fids.Remove(number, out Fid? fid))
            {
                return false;
            }

            descriptor = Leave(fid);
        }

        Close(descriptor);
        return true;
    }

    /// <summary>The guest has taken a name away, or given it to something else.</summary>
    public void Forget(FolderNode folder, ReadOnlySpan<byte> name)
    {
        lock (_gate)
        {
            _tree.Forget(folder, name);
        }
    }

    /// <summary>The guest has renamed something.</summary>
    public void Move(FolderNode folder, ReadOnlySpan<byte> name, FolderNode newFolder, ReadOnlySpan<byte> newName)
    {
        lock (_gate)
        {
            _tree.Move(folder, name, newFolder, newName);
        }
    }

    /// <summary>Takes all fids away.</summary>
    public void Clear()
    {
        List<int> descriptors = [];
        lock (_gate)
        {
            foreach (Fid fid in _fids.Values)
            {
                descriptors.Add(Leave(fid));
            }

            // What requests use yet has its names in the old tree, and leaves them there.
            _fids.Clear();
        }

        descriptors.ForEach(Close);
    }

    private static void Close(int descriptor)
    {
        if (descriptor >= 0)
        {
            BeneathCalls.Close(descriptor);
        }
    }

    private bool IsThere(Fid fid) => _fids.TryGetValue(fid.Number, out Fid? there) && there == fid;

    private FolderNode? Step(FolderNode node, ReadOnlySpan<byte> name, Qid qid)
    {
        if (!name.SequenceEqual(".."u8))
        {
            return _tree.Get(node, name, qid.Path, qid.Type);
        }

        FolderNode above = node.Parent ?? node;
        above.References++;
        return above;
    }

    private int Add(uint number, FolderNode node, Fid? replaced)
    {
        if (replaced is null && (number == P9.NoFid || _fids.ContainsKey(number)))
        {
            return P9Error.BadDescriptor;
        }

        if (replaced is null && _fids.Count >= limits.MostFids)
        {
            return P9Error.TooManyFiles;
        }

        node.References++;
        _fids[number] = new Fid(number, node) { LastUse = ++_uses };
        return P9Error.None;
    }

    /// <returns>A descriptor to be closed; -1: none.</returns>
    private int Leave(Fid fid)
    {
        if (--fid.Uses > 0)
        {
            return -1;
        }

        _holders.Remove(fid);
        FolderObject thing = fid.Node.Object;
        if (thing.OpenFid == fid)
        {
            thing.OpenFid = FindHolder(thing);
        }

        _tree.Release(fid.Node);
        return fid.Descriptor;
    }

    private Fid? FindHolder(FolderObject thing)
    {
        foreach (Fid fid in _holders)
        {
            if (fid.Node.Object == thing)
            {
                return fid;
            }
        }

        return null;
    }

    /// <summary>Sees to it that there is room for one more descriptor.</summary>
    /// <param name="closed">A descriptor to be closed; -1: none.</param>
    private bool TryMakeRoom(out int closed)
    {
        closed = -1;
        if (_holders.Count < limits.MostDescriptors)
        {
            return true;
        }

        // What has no name any more could not be opened again.
        Fid? oldest = null;
        foreach (Fid fid in _holders)
        {
            oldest = fid.Uses == 1 && !fid.Node.IsGone && fid.LastUse < (oldest?.LastUse ?? long.MaxValue) ? fid : oldest;
        }

        if (oldest is null)
        {
            return false;
        }

        (closed, oldest.Descriptor) = (oldest.Descriptor, -1);
        _holders.Remove(oldest);
        return true;
    }
}

/// <summary>What a guest may have of a folder.</summary>
/// <param name="MostFids">Fids; Linux has one for each name that it remembers.</param>
/// <param name="MostNames">Names that those are of, and those on the way.</param>
/// <param name="MostDescriptors">Descriptors of this process that its open files have.</param>
internal sealed record FolderLimits(int MostFids = 65_536, int MostNames = 131_072, int MostDescriptors = 256);
