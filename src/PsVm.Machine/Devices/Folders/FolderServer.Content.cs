using System.Buffers;
using System.Buffers.Binary;
using PsVm.Memory.Native;

namespace PsVm.Machine.Devices.Folders;

/// <summary>What is asked of what is open.</summary>
internal sealed partial class FolderServer
{
    /// <summary>Bytes of names that are asked of the host at once.</summary>
    private const int MostNames = 64 << 10, LeastNames = 512;

    // struct linux_dirent64: inode, offset, length, type, name.
    private const int HostEntryName = 8 + 8 + 2 + 1;

    private int Open(ref P9Reader reader, ref P9Writer writer)
    {
        uint number = reader.Int(), flags = reader.Int();
        if (!TryUse(reader, number, out Fid? fid, out int error))
        {
            return error;
        }

        Found found = default;
        try
        {
            error = fid.IsOpen ? P9Error.BadDescriptor : Find(fid, ref found);
            int descriptor = error == 0 ? Open(found, flags) : -error;
            if (descriptor < 0)
            {
                return -descriptor;
            }

            error = _table.Open(fid, descriptor, flags);
            if (error != 0)
            {
                return error;
            }

            if ((flags & P9.Truncate) != 0)
            {
                fid.Node.Object.ToldSize = 0;
            }

            writer.Qid(QidOf(found.Status));
            writer.Int(0); // as much at once as a message holds
            return P9Error.None;
        }
        finally
        {
            found.Dispose();
            _table.Release(fid);
        }
    }

    /// <summary>Opens what was found, where it is something that may be opened.</summary>
    /// <returns>A descriptor, or errno below 0.</returns>
    private int Open(in Found found, uint flags)
    {
        uint access = flags & P9.AccessMask;
        bool changes = access != 0 || (flags & P9.Truncate) != 0;
        if (access == P9.AccessMask)
        {
            return -P9Error.Invalid;
        }

        if (changes && _isReadOnly)
        {
            return -P9Error.ReadOnly;
        }

        if (found.Status.IsFolder)
        {
            return changes ? -P9Error.IsAFolder : BeneathCalls.Open(found.Descriptor, 0);
        }

        // To open a device or a FIFO of the host's does things there; guests have their own drivers for theirs.
        if (!found.Status.IsRegular)
        {
            return -P9Error.NotPermitted;
        }

        // The kernel does so for ordinary users.
        uint special = found.Status.Mode & (SetUserBit | SetGroupBit);
        bool isSpecial = (special & SetUserBit) != 0 || (special != 0 && (found.Status.Mode & GroupExecute) != 0);
        int answer = changes && isSpecial ? BeneathCalls.SetMode(found.Descriptor, ModeOf(found.Status.Mode, isFolder: false)) : 0;
        return answer < 0 ? answer : BeneathCalls.Open(found.Descriptor, AccessOf(flags));
    }

    // What a guest appends has its place in the request: it may be a page of what it has in memory.
    private static int AccessOf(uint flags) => (int)(flags & (P9.AccessMask | P9.Truncate | P9.Sync));

    private int Read(ref P9Reader reader, ref P9Writer writer)
    {
        uint number = reader.Int();
        ulong offset = reader.Long();
        uint count = reader.Int();
        if (!TryUse(reader, number, out Fid? fid, out int error))
        {
            return error;
        }

        try
        {
            error = !fid.IsOpen ? P9Error.BadDescriptor
                : fid.Node.Object.Type != P9.FileQid ? P9Error.IsAFolder
                : offset > long.MaxValue ? P9Error.Invalid
                : EnsureDescriptor(fid);
            if (error != 0)
            {
                return error;
            }

            int room = (int)Math.Min(count, (uint)Math.Max(0, writer.Rest.Length - sizeof(uint)));
            int read = BeneathCalls.Read(fid.Descriptor, writer.Rest.Slice(sizeof(uint), room), (long)offset);
            if (read < 0)
            {
                return -read;
            }

            // A driver that was told of more asks again at once, Linux 6.12 from within the answer's handling until its stack is used up.
            if (read == 0 && room > 0 && (long)offset < fid.Node.Object.ToldSize)
            {
                return P9Error.Stale;
            }

            writer.Int((uint)read);
            _ = writer.Take(read);
            return P9Error.None;
        }
        finally
        {
            _table.Release(fid);
        }
    }

    private int Write(ref P9Reader reader, ref P9Writer writer)
    {
        uint number = reader.Int();
        ulong offset = reader.Long();
        ReadOnlySpan<byte> bytes = reader.Bytes(reader.Int());
        if (!TryUse(reader, number, out Fid? fid, out int error))
        {
            return error;
        }

        try
        {
            error = !fid.IsOpen || (fid.Flags & P9.AccessMask) == 0 ? P9Error.BadDescriptor
                : offset > long.MaxValue ? P9Error.Invalid
                : EnsureDescriptor(fid);
            if (error != 0)
            {
                return error;
            }

            int written = BeneathCalls.Write(fid.Descriptor, bytes, (long)offset);
            if (written < 0 || (written == 0 && bytes.Length > 0))
            {
                return written < 0 ? -written : P9Error.InputOutput;
            }

            fid.Node.Object.Extend((long)offset + written);
            writer.Int((uint)written);
            return P9Error.None;
        }
        finally
        {
            _table.Release(fid);
        }
    }

    private int ReadFolder(ref P9Reader reader, ref P9Writer writer)
    {
        uint number = reader.Int();
        ulong offset = reader.Long();
        uint count = reader.Int();
        if (!TryUse(reader, number, out Fid? fid, out int error))
        {
            return error;
        }

        byte[]? names = null;
        try
        {
            error = !fid.IsOpen ? P9Error.BadDescriptor
                : fid.Node.Object.Type != P9.FolderQid ? P9Error.NotAFolder
                : EnsureDescriptor(fid);
            if (error != 0)
            {
                return error;
            }

            int room = (int)Math.Min(count, (uint)Math.Max(0, writer.Rest.Length - sizeof(uint)));
            names = ArrayPool<byte>.Shared.Rent(MostNames);
            lock (fid.Reading)
            {
                return ReadFolder(fid, offset, room, names, ref writer);
            }
        }
        finally
        {
            if (names is not null)
            {
                ArrayPool<byte>.Shared.Return(names);
            }

            _table.Release(fid);
        }
    }

    private int ReadFolder(Fid fid, ulong offset, int room, Span<byte> names, ref P9Writer writer)
    {
        int answer = fid.ReadingAt == offset ? 0 : BeneathCalls.SeekFolder(fid.Descriptor, (long)offset);
        if (answer < 0)
        {
            return -answer;
        }

        // Of names that are ours to give, each takes more room than on the host: for 4 characters 28 bytes, where those are 24.
        fid.ReadingAt = ulong.MaxValue;
        int length = BeneathCalls.ReadFolder(fid.Descriptor, names[..Math.Clamp((int)(room * 6L / 7), LeastNames, MostNames)]);
        if (length < 0)
        {
            return -length;
        }

        answer = BeneathCalls.GetStatus(fid.Descriptor, out FileStatus status);
        if (answer < 0)
        {
            return -answer;
        }

        bool isRoot = fid.Node.Parent is null, hasAll = true;
        int taken = 0;
        Span<byte> size = writer.Take(sizeof(uint));
        ulong last = offset;
        for (Span<byte> rest = names[..length]; hasAll && rest.Length > HostEntryName;)
        {
            ReadOnlySpan<byte> name = rest[HostEntryName..];
            name = name[..Math.Max(0, name.IndexOf((byte)0))];
            ulong inode = BinaryPrimitives.ReadUInt64LittleEndian(rest), next = BinaryPrimitives.ReadUInt64LittleEndian(rest[8..]);
            byte type = rest[18];
            rest = rest[BinaryPrimitives.ReadUInt16LittleEndian(rest[16..])..];
            int entry = P9.EntrySize + name.Length;
            hasAll = taken + entry <= room;
            if (hasAll && name.Length <= P9.MostName)
            {
                // What the shared folder is in is nothing that the guest knows.
                bool isAbove = isRoot && name.SequenceEqual(".."u8);
                writer.Qid(new Qid(TypeOf(type), 0, isAbove ? _identity : IdentityOf(status.Device, inode)));
                writer.Long(next);
                writer.Byte(type);
                writer.Text(name);
                (taken, last) = (taken + entry, next);
            }
        }

        if (taken == 0 && length > 0)
        {
            return P9Error.Invalid; // none would say that there are no more
        }

        fid.ReadingAt = hasAll ? last : ulong.MaxValue;
        BinaryPrimitives.WriteInt32LittleEndian(size, taken);
        return P9Error.None;
    }

    private static byte TypeOf(byte hostType)
    {
        const byte folder = 4, link = 10; // DT_DIR, DT_LNK
        return hostType == folder ? P9.FolderQid : hostType == link ? P9.LinkQid : P9.FileQid;
    }

    private int Flush(ref P9Reader reader)
    {
        uint number = reader.Int(), dataOnly = reader.Int();
        if (!TryUse(reader, number, out Fid? fid, out int error))
        {
            return error;
        }

        try
        {
            error = fid.IsOpen ? EnsureDescriptor(fid) : P9Error.BadDescriptor;
            return error != 0 ? error : -BeneathCalls.Flush(fid.Descriptor, dataOnly != 0);
        }
        finally
        {
            _table.Release(fid);
        }
    }

    // A guest's own kernel keeps its programs apart; nobody else is told.
    private int Lock(ref P9Reader reader, ref P9Writer writer)
    {
        uint number = reader.Int();
        _ = reader.Byte();
        _ = reader.Int();
        _ = reader.Long();
        _ = reader.Long();
        _ = reader.Int();
        _ = reader.Text();
        int error = reader.IsWhole ? CheckOpen(number) : P9Error.Protocol;
        writer.Byte(P9.LockSuccess);
        return error;
    }

    private int GetLock(ref P9Reader reader, ref P9Writer writer)
    {
        uint number = reader.Int();
        _ = reader.Byte();
        ulong start = reader.Long(), length = reader.Long();
        uint process = reader.Int();
        ReadOnlySpan<byte> client = reader.Text();
        int error = reader.IsWhole ? CheckOpen(number) : P9Error.Protocol;
        writer.Byte(P9.Unlocked);
        writer.Long(start);
        writer.Long(length);
        writer.Int(process);
        writer.Text(client);
        return error;
    }

    private int CheckOpen(uint number)
    {
        if (!_table.TryUse(number, out Fid? fid))
        {
            return P9Error.BadDescriptor;
        }

        bool isOpen = fid.IsOpen;
        _table.Release(fid);
        return isOpen ? P9Error.None : P9Error.BadDescriptor;
    }
}
