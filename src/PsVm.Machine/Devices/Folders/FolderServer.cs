using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using Microsoft.Win32.SafeHandles;
using PsVm.Memory.Native;

namespace PsVm.Machine.Devices.Folders;

/// <summary>
/// A folder of the host for one guest, by 9P2000.L. What a guest names is looked up below the folder's descriptor, each time it is asked
/// for, through no symbolic link and no mount point: links are for the guest to follow. What it has open stays open.
/// </summary>
/// <remarks>
/// Requests with the same tag, and Tflush's order among others, are the device's matter: Tflush is answered at once here. Source: diod's
/// protocol.md; Linux' fs/9p and net/9p for what a driver makes of answers.
/// </remarks>
internal sealed partial class FolderServer : IFolderServer
{
    /// <summary>Bytes of the shortest message that is agreed to.</summary>
    public const int LeastMessage = 4096;

    private const ulong Spread = 0x9e37_79b9_7f4a_7c15; // odd, so that nothing is lost

    private readonly SafeFileHandle _root;
    private readonly bool _isReadOnly;
    private readonly SharedFolderOwners _owners;
    private readonly FidTable _table;
    private readonly ulong _device;
    private readonly ulong _identity;
    private int _messageSize; // 0: no version was agreed on

    private FolderServer(SafeFileHandle root, FileStatus status, bool isReadOnly, SharedFolderOwners owners, FolderLimits limits)
    {
        (_root, _isReadOnly, _owners, _device) = (root, isReadOnly, owners, status.Device);
        _identity = QidOf(status).Path;
        _table = new FidTable(limits, _identity);
    }

    /// <inheritdoc/>
    public int MostMessage => 512 << 10;

    /// <summary>Fids, descriptors and names that the guest has.</summary>
    public (int Fids, int Descriptors, int Names) Counts => _table.Counts;

    private int Root => (int)_root.DangerousGetHandle();

    /// <summary>Shares a folder, which may have another name, or none, from then on.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="isReadOnly">The guest may change nothing.</param>
    /// <param name="owners">Whose the guest sees that files are.</param>
    /// <param name="limits">How much it may have; null: what is usual.</param>
    /// <exception cref="IOException">It is no folder, or cannot be opened; the message says why.</exception>
    public static FolderServer Open(string path, bool isReadOnly, SharedFolderOwners owners, FolderLimits? limits = null)
    {
        int descriptor = BeneathCalls.FindRoot(path);
        if (descriptor < 0)
        {
            throw new IOException(BeneathCalls.Describe(-descriptor), -descriptor);
        }

        SafeFileHandle root = new(descriptor, ownsHandle: true);
        int found = BeneathCalls.Find(descriptor, ".\0"u8);
        int answer = found < 0 ? found : BeneathCalls.GetStatus(found, out _);
        if (found >= 0)
        {
            BeneathCalls.Close(found);
        }

        FileStatus status = default;
        answer = answer < 0 ? answer : BeneathCalls.GetStatus(descriptor, out status);
        if (answer < 0)
        {
            root.Dispose();
            throw new IOException(BeneathCalls.Describe(-answer), -answer); // openat2(2) is in Linux from 5.6 on
        }

        return new FolderServer(root, status, isReadOnly, owners, limits ?? new FolderLimits());
    }

    /// <inheritdoc/>
    public int Answer(ReadOnlySpan<byte> request, Span<byte> answer)
    {
        if (answer.Length < P9.ErrorSize || request.Length < P9.HeaderSize)
        {
            return 0;
        }

        P9Request kind = (P9Request)request[4];
        ushort tag = BinaryPrimitives.ReadUInt16LittleEndian(request[5..]);
        int messageSize = Volatile.Read(ref _messageSize);
        P9Reader reader = new(request[P9.HeaderSize..]);
        P9Writer writer = new(answer[..Math.Min(answer.Length, messageSize == 0 ? LeastMessage : messageSize)]);
        bool isThere = false;
        try
        {
            _root.DangerousAddRef(ref isThere);
            int error = BinaryPrimitives.ReadUInt32LittleEndian(request) != request.Length ? P9Error.Protocol
                : kind == P9Request.Version ? AgreeOn(ref reader, ref writer)
                : messageSize == 0 ? P9Error.Protocol
                : request.Length > messageSize ? P9Error.MessageSize
                : Do(kind, ref reader, ref writer);
            error = error == 0 && writer.IsFull ? P9Error.MessageSize : error;
            return error == 0 ? writer.Finish((byte)(kind + 1), tag) : writer.Fail(error, tag);
        }
        catch (ObjectDisposedException)
        {
            return writer.Fail(P9Error.Stale, tag);
        }
        finally
        {
            if (isThere)
            {
                _root.DangerousRelease();
            }
        }
    }

    /// <inheritdoc/>
    public void Reset()
    {
        Volatile.Write(ref _messageSize, 0);
        _table.Clear();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Reset();
        _root.Dispose();
    }

    private int Do(P9Request kind, ref P9Reader reader, ref P9Writer writer) => kind switch
    {
        P9Request.Attach => Attach(ref reader, ref writer),
        P9Request.Walk => Walk(ref reader, ref writer),
        P9Request.Clunk => Clunk(ref reader),
        P9Request.FlushRequest => reader.Short() is var _ && reader.IsWhole ? P9Error.None : P9Error.Protocol,
        P9Request.GetAttributes => GetAttributes(ref reader, ref writer),
        P9Request.SetAttributes => SetAttributes(ref reader),
        P9Request.StatFs => GetFileSystem(ref reader, ref writer),
        P9Request.ReadLink => ReadLink(ref reader, ref writer),
        P9Request.Open => Open(ref reader, ref writer),
        P9Request.Create => Create(ref reader, ref writer),
        P9Request.Read => Read(ref reader, ref writer),
        P9Request.Write => Write(ref reader, ref writer),
        P9Request.ReadFolder => ReadFolder(ref reader, ref writer),
        P9Request.Flush => Flush(ref reader),
        P9Request.Lock => Lock(ref reader, ref writer),
        P9Request.GetLock => GetLock(ref reader, ref writer),
        P9Request.MakeFolder => MakeFolder(ref reader, ref writer),
        P9Request.MakeNode => MakeNode(ref reader, ref writer),
        P9Request.Symlink => MakeLink(ref reader, ref writer),
        P9Request.Link => AddName(ref reader),
        P9Request.Rename => Rename(ref reader),
        P9Request.RenameAt => RenameAt(ref reader),
        P9Request.UnlinkAt => Unlink(ref reader),
        P9Request.Remove => Remove(ref reader),
        _ => P9Error.NotSupported, // extended attributes and authentication among them
    };

    private int AgreeOn(ref P9Reader reader, ref P9Writer writer)
    {
        uint size = reader.Int();
        ReadOnlySpan<byte> version = reader.Text();
        if (!reader.IsWhole)
        {
            return P9Error.Protocol;
        }

        Reset();
        bool isKnown = version.SequenceEqual(P9.Version);
        if (isKnown && size < LeastMessage)
        {
            return P9Error.MessageSize;
        }

        size = (uint)Math.Min(size, MostMessage);
        writer.Int(size);
        writer.Text(isKnown ? P9.Version : P9.UnknownVersion);
        Volatile.Write(ref _messageSize, isKnown ? (int)size : 0);
        return P9Error.None;
    }

    private int Attach(ref P9Reader reader, ref P9Writer writer)
    {
        uint number = reader.Int(), authentication = reader.Int();
        _ = reader.Text(); // who mounts it is not looked at: see SharedFolderOwners
        ReadOnlySpan<byte> place = reader.Text();
        _ = reader.Int();
        if (!reader.IsWhole)
        {
            return P9Error.Protocol;
        }

        if (authentication != P9.NoFid)
        {
            return P9Error.Invalid;
        }

        if (place is not ([] or [(byte)'/']))
        {
            return P9Error.NotFound;
        }

        int answer = BeneathCalls.GetStatus(Root, out FileStatus status);
        if (answer < 0)
        {
            return -answer;
        }

        writer.Qid(QidOf(status));
        return writer.IsFull ? P9Error.MessageSize : _table.Attach(number);
    }

    private int Walk(ref P9Reader reader, ref P9Writer writer)
    {
        uint number = reader.Int(), newNumber = reader.Int();
        ushort count = reader.Short();
        P9Reader names = reader;
        for (int i = 0; i < Math.Min((int)count, P9.MostWalkNames); i++)
        {
            _ = reader.Text();
        }

        if (!reader.IsWhole || count > P9.MostWalkNames)
        {
            return P9Error.Protocol;
        }

        if (!_table.TryUse(number, out Fid? fid))
        {
            return P9Error.BadDescriptor;
        }

        try
        {
            Span<Qid> found = stackalloc Qid[P9.MostWalkNames];
            int done = 0, error = count == 0 ? P9Error.None : LookUp(fid, names, found[..count], out done);
            if (count > 0 && done == 0)
            {
                return error;
            }

            writer.Short((ushort)done);
            foreach (Qid qid in found[..done])
            {
                writer.Qid(qid);
            }

            return writer.IsFull || done < count ? P9Error.None : _table.Walk(newNumber, fid, found[..count], in names);
        }
        finally
        {
            _table.Release(fid);
        }
    }

    /// <summary>Looks names up, one in the other.</summary>
    /// <param name="fid">What the first is in.</param>
    /// <param name="names">The names.</param>
    /// <param name="found">Takes what they are.</param>
    /// <param name="done">How many there are.</param>
    /// <returns>errno of the first that there is not.</returns>
    private int LookUp(Fid fid, P9Reader names, Span<Qid> found, out int done)
    {
        Span<byte> path = stackalloc byte[P9.MostPath];
        int length = _table.WritePath(fid, [], path);
        done = 0;
        if (length < 0)
        {
            return -length;
        }

        for (length--; done < found.Length; done++)
        {
            ReadOnlySpan<byte> name = names.Text();
            if (name.SequenceEqual(".."u8))
            {
                length = FolderName.TakeLast(path, length);
            }
            else if (!FolderName.IsOne(name))
            {
                return FolderName.Describe(name);
            }
            else if (!FolderName.TryAppend(path, ref length, name))
            {
                return P9Error.NameTooLong;
            }

            path[length] = 0;
            Found there = default;
            int error = there.Own(BeneathCalls.Find(Root, path[..(length + 1)]));
            found[done] = QidOf(there.Status);
            there.Dispose();
            if (error != 0)
            {
                return error;
            }
        }

        return P9Error.None;
    }

    private int Clunk(ref P9Reader reader)
    {
        uint number = reader.Int();
        return !reader.IsWhole ? P9Error.Protocol : _table.TryClunk(number) ? P9Error.None : P9Error.BadDescriptor;
    }

    /// <summary>Takes the fid of a request that has been read into use.</summary>
    private bool TryUse(in P9Reader reader, uint number, [NotNullWhen(true)] out Fid? fid, out int error)
    {
        fid = null;
        error = !reader.IsWhole ? P9Error.Protocol : _table.TryUse(number, out fid) ? P9Error.None : P9Error.BadDescriptor;
        return fid is not null;
    }

    /// <summary>Finds what a fid in use is of: by its path, or, where that is something else by now, by what is open of it.</summary>
    /// <returns>errno; 0: it is the object that it was.</returns>
    private int Find(Fid fid, ref Found found)
    {
        if (fid.IsOpen)
        {
            int error = EnsureDescriptor(fid);
            return error != 0 ? error : found.Borrow(fid, null);
        }

        int missing = FindByPath(fid, ref found);
        if (missing is P9Error.NotFound or P9Error.Stale && _table.TryUseOpen(fid, out Fid? open))
        {
            if (EnsureDescriptor(open) == 0)
            {
                return found.Borrow(open, _table);
            }

            _table.Release(open);
        }

        return missing;
    }

    private int FindByPath(Fid fid, ref Found found)
    {
        Span<byte> path = stackalloc byte[P9.MostPath];
        int length = _table.WritePath(fid, [], path);
        int error = length < 0 ? -length : found.Own(BeneathCalls.Find(Root, path[..length]));
        if (error == 0 && QidOf(found.Status) is var there && (there.Path, there.Type) != (fid.Node.Object.Identity, fid.Node.Object.Type))
        {
            found.Dispose();
            return P9Error.Stale;
        }

        return error;
    }

    /// <summary>Opens again what lost its descriptor to others.</summary>
    private int EnsureDescriptor(Fid fid)
    {
        if (fid.Descriptor >= 0)
        {
            return P9Error.None;
        }

        Found found = default;
        try
        {
            if (FindByPath(fid, ref found) != 0)
            {
                return P9Error.Stale;
            }

            // Numbers of objects that were removed are given again: it may be a FIFO by now.
            int descriptor = Open(found, fid.Flags & ~P9.Truncate);
            return descriptor < 0 ? -descriptor : _table.Reopen(fid, descriptor);
        }
        finally
        {
            found.Dispose();
        }
    }

    private Qid QidOf(in FileStatus status) => new(
        status.IsFolder ? P9.FolderQid : status.IsLink ? P9.LinkQid : P9.FileQid,
        VersionOf(status),
        IdentityOf(status.Device, status.Inode));

    // Numbers of two file systems, of which one is below the other (subvolumes), must not meet.
    private ulong IdentityOf(ulong device, ulong inode) => inode ^ ((device - _device) * Spread);

    private static uint VersionOf(in FileStatus status)
    {
        ulong sum = (ulong)status.Size;
        foreach (FileTime time in (ReadOnlySpan<FileTime>)[status.Modified, status.Changed])
        {
            sum = (((sum * Spread) ^ (ulong)time.Seconds) * Spread) ^ (ulong)time.Nanoseconds;
        }

        return (uint)(sum * Spread >> 32);
    }
}
