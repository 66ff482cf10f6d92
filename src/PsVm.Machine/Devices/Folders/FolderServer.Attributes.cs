using PsVm.Memory.Native;

namespace PsVm.Machine.Devices.Folders;

/// <summary>What is asked of objects themselves.</summary>
internal sealed partial class FolderServer
{
    private const uint NoChange = uint.MaxValue; // of an owner
    private const uint PermissionMask = 0x1ff, StickyBit = 0x200, SetGroupBit = 0x400, SetUserBit = 0x800, GroupExecute = 8;

    private int GetAttributes(ref P9Reader reader, ref P9Writer writer)
    {
        uint number = reader.Int();
        _ = reader.Long();
        if (!TryUse(reader, number, out Fid? fid, out int error))
        {
            return error;
        }

        Found found = default;
        try
        {
            // Linux looks a name up anew when this answers that it is gone, and stays with it on any other error.
            error = Find(fid, ref found);
            if (error != 0)
            {
                return error == P9Error.Stale && !fid.IsOpen ? P9Error.NotFound : error;
            }

            if (found.Status.IsRegular)
            {
                fid.Node.Object.ToldSize = found.Status.Size;
            }

            WriteAttributes(found.Status, ref writer);
            return P9Error.None;
        }
        finally
        {
            found.Dispose();
            _table.Release(fid);
        }
    }

    private void WriteAttributes(in FileStatus status, ref P9Writer writer)
    {
        // Programs read and write in pieces of that size: the more of a message it fills the better.
        int block = (int)Math.Max(1, status.BlockSize);
        block = Math.Max(block, (Volatile.Read(ref _messageSize) - P9.WriteHeaderSize) / block * block);
        writer.Long(P9.BasicAttributes);
        writer.Qid(QidOf(status));
        writer.Int(status.Mode);
        writer.Int(_owners == SharedFolderOwners.Root ? 0 : status.User);
        writer.Int(_owners == SharedFolderOwners.Root ? 0 : status.Group);
        writer.Long(status.Links);
        writer.Long(status.OfDevice);
        writer.Long((ulong)status.Size);
        writer.Long((ulong)block);
        writer.Long((ulong)status.Blocks);
        writer.Time(status.Accessed.Seconds, status.Accessed.Nanoseconds);
        writer.Time(status.Modified.Seconds, status.Modified.Nanoseconds);
        writer.Time(status.Changed.Seconds, status.Changed.Nanoseconds);
        writer.Time(0, 0);
        writer.Long(0);
        writer.Long(0);
    }

    private int SetAttributes(ref P9Reader reader)
    {
        uint number = reader.Int();
        Change change = new(
            reader.Int(),
            reader.Int(),
            reader.Int(),
            reader.Int(),
            reader.Long(),
            new FileTime((long)reader.Long(), (long)reader.Long()),
            new FileTime((long)reader.Long(), (long)reader.Long()));
        if (!reader.IsWhole)
        {
            return P9Error.Protocol;
        }

        if (_isReadOnly)
        {
            return P9Error.ReadOnly;
        }

        if (!_table.TryUse(number, out Fid? fid))
        {
            return P9Error.BadDescriptor;
        }

        Found found = default;
        try
        {
            int error = Find(fid, ref found);
            error = error == 0 && change.Has(P9.SetSize) ? SetSize(fid, found, change.Size) : error;
            error = error == 0 && change.Has(P9.SetUser | P9.SetGroup) ? SetOwner(found, change) : error;
            error = error == 0 && change.Has(P9.SetMode) ? SetMode(found, change.Mode) : error;
            return error == 0 && change.Has(P9.SetAccessed | P9.SetModified) ? SetTimes(found, change) : error;
        }
        finally
        {
            found.Dispose();
            _table.Release(fid);
        }
    }

    private static int SetSize(Fid fid, in Found found, ulong size)
    {
        if (!found.Status.IsRegular)
        {
            return found.Status.IsFolder ? P9Error.IsAFolder : P9Error.Invalid;
        }

        if (size > long.MaxValue)
        {
            return P9Error.Invalid;
        }

        bool isWritable = fid.IsOpen && (fid.Flags & P9.AccessMask) != 0;
        int descriptor = isWritable ? found.Descriptor : BeneathCalls.Open(found.Descriptor, (int)P9.WriteOnly);
        if (descriptor < 0)
        {
            return -descriptor;
        }

        int answer = BeneathCalls.SetSize(descriptor, (long)size);
        if (!isWritable)
        {
            BeneathCalls.Close(descriptor);
        }

        if (answer == 0)
        {
            fid.Node.Object.ToldSize = (long)size;
        }

        return -answer;
    }

    private int SetOwner(in Found found, in Change change)
    {
        uint user = change.Has(P9.SetUser) ? change.User : NoChange, group = change.Has(P9.SetGroup) ? change.Group : NoChange;
        if (_owners == SharedFolderOwners.Root)
        {
            // All are root's already.
            return user is 0 or NoChange && group is 0 or NoChange ? P9Error.None : P9Error.NotPermitted;
        }

        return -BeneathCalls.SetOwner(found.Descriptor, user, group);
    }

    private static int SetMode(in Found found, uint mode) =>
        found.Status.IsLink ? P9Error.NotSupported : -BeneathCalls.SetMode(found.Descriptor, ModeOf(mode, found.Status.IsFolder));

    private static int SetTimes(in Found found, in Change change)
    {
        FileTime accessed = !change.Has(P9.SetAccessed) ? FileTime.Kept : change.Has(P9.SetAccessedTo) ? change.Accessed : FileTime.Now;
        FileTime modified = !change.Has(P9.SetModified) ? FileTime.Kept : change.Has(P9.SetModifiedTo) ? change.Modified : FileTime.Now;
        return -BeneathCalls.SetTimes(found.Descriptor, accessed, modified);
    }

    // Programs of the host's would run as whoever the file belongs to, which is who runs this process.
    private static uint ModeOf(uint mode, bool isFolder) => mode & (PermissionMask | StickyBit | (isFolder ? SetGroupBit : 0));

    private int GetFileSystem(ref P9Reader reader, ref P9Writer writer)
    {
        uint number = reader.Int();
        if (!TryUse(reader, number, out Fid? fid, out int error))
        {
            return error;
        }

        _table.Release(fid);
        int answer = BeneathCalls.GetFileSystem(Root, out FileSystemStatus status);
        if (answer < 0)
        {
            return -answer;
        }

        writer.Int(P9.FileSystemType);
        writer.Int((uint)status.BlockSize);
        writer.Long(status.Blocks);
        writer.Long(status.FreeBlocks);
        writer.Long(status.AvailableBlocks);
        writer.Long(status.Files);
        writer.Long(status.FreeFiles);
        writer.Long(status.Id);
        writer.Int(P9.MostName);
        return P9Error.None;
    }

    private int ReadLink(ref P9Reader reader, ref P9Writer writer)
    {
        uint number = reader.Int();
        if (!TryUse(reader, number, out Fid? fid, out int error))
        {
            return error;
        }

        Found found = default;
        try
        {
            error = Find(fid, ref found);
            if (error != 0 || !found.Status.IsLink)
            {
                return error != 0 ? error : P9Error.Invalid;
            }

            Span<byte> target = stackalloc byte[P9.MostPath];
            int length = BeneathCalls.ReadLink(found.Descriptor, target);
            if (length < 0)
            {
                return -length;
            }

            writer.Text(target[..length]);
            return P9Error.None;
        }
        finally
        {
            found.Dispose();
            _table.Release(fid);
        }
    }

    /// <summary>What Tsetattr asks for.</summary>
    private readonly record struct Change(uint Valid, uint Mode, uint User, uint Group, ulong Size, FileTime Accessed, FileTime Modified)
    {
        public bool Has(uint what) => (Valid & what) != 0;
    }
}
