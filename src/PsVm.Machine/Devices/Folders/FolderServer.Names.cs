using PsVm.Memory.Native;

namespace PsVm.Machine.Devices.Folders;

/// <summary>What is asked of names in folders.</summary>
internal sealed partial class FolderServer
{
    private const uint TypeMask = 0xf000, RegularType = 0x8000, FifoType = 0x1000, SocketType = 0xc000;

    /// <summary>Makes something in a folder, with a name that has a NUL behind it.</summary>
    /// <returns>From 0 up, or errno below 0.</returns>
    private delegate int Maker(scoped in Found folder, scoped ReadOnlySpan<byte> name, uint mode, scoped ReadOnlySpan<byte> target);

    private int Create(ref P9Reader reader, ref P9Writer writer)
    {
        uint number = reader.Int();
        ReadOnlySpan<byte> name = reader.Text();
        uint flags = reader.Int(), mode = reader.Int();
        _ = reader.Int();
        int error = CheckMaking(reader, name);
        if (error != 0)
        {
            return error;
        }

        if (!_table.TryUse(number, out Fid? fid))
        {
            return P9Error.BadDescriptor;
        }

        Found folder = default;
        try
        {
            error = fid.IsOpen ? P9Error.BadDescriptor : FindFolder(fid, ref folder);
            if (error != 0)
            {
                return error;
            }

            ReadOnlySpan<byte> terminated = FolderName.Terminate(name, stackalloc byte[P9.MostName + 1]);
            int descriptor = CreateOrOpen(folder, terminated, flags, mode, out bool isNew);
            if (descriptor < 0)
            {
                return -descriptor;
            }

            error = -BeneathCalls.GetStatus(descriptor, out FileStatus status);
            if (error != 0)
            {
                BeneathCalls.Close(descriptor);
                return error;
            }

            if (isNew)
            {
                KeepMode(descriptor, status, mode);
            }

            Qid qid = QidOf(status);
            error = _table.Create(fid, name, qid, descriptor, flags, isNew || (flags & P9.Truncate) != 0);
            writer.Qid(qid);
            writer.Int(0);
            return error;
        }
        finally
        {
            folder.Dispose();
            _table.Release(fid);
        }
    }

    /// <returns>A descriptor, or errno below 0.</returns>
    private int CreateOrOpen(in Found folder, ReadOnlySpan<byte> name, uint flags, uint mode, out bool isNew)
    {
        isNew = true;
        if ((flags & P9.AccessMask) == P9.AccessMask)
        {
            return -P9Error.Invalid;
        }

        // What is there already may be a device or a FIFO, so that it is looked at before it is opened.
        int descriptor = BeneathCalls.Create(folder.Descriptor, name, AccessOf(flags), ModeOf(mode, isFolder: false));
        if (descriptor != -P9Error.Exists || (flags & P9.Exclusive) != 0)
        {
            return descriptor;
        }

        isNew = false;
        Found there = default;
        try
        {
            int error = there.Own(BeneathCalls.Find(folder.Descriptor, name));
            return error != 0 ? -error : there.Status.IsFolder ? -P9Error.IsAFolder : Open(there, flags);
        }
        finally
        {
            there.Dispose();
        }
    }

    private int MakeFolder(ref P9Reader reader, ref P9Writer writer)
    {
        uint number = reader.Int();
        ReadOnlySpan<byte> name = reader.Text();
        uint permissions = ModeOf(reader.Int(), isFolder: true);
        _ = reader.Int();
        return Make(reader, number, name, permissions, [], ref writer, MakeFolder);
    }

    private int MakeNode(ref P9Reader reader, ref P9Writer writer)
    {
        uint number = reader.Int();
        ReadOnlySpan<byte> name = reader.Text();
        uint type = reader.Int();
        _ = reader.Long(); // of a device, which is none that may be made
        _ = reader.Int();
        type = (type & TypeMask) | ModeOf(type, isFolder: false);
        return Make(reader, number, name, type, [], ref writer, MakeNode);
    }

    private int MakeLink(ref P9Reader reader, ref P9Writer writer)
    {
        uint number = reader.Int();
        ReadOnlySpan<byte> name = reader.Text(), place = reader.Text();
        _ = reader.Int();
        int error = !reader.IsWhole ? P9Error.Protocol
            : place.IsEmpty ? P9Error.NotFound
            : place.Contains((byte)0) ? P9Error.Invalid
            : place.Length >= P9.MostPath ? P9Error.NameTooLong
            : P9Error.None;
        if (error != 0)
        {
            return error;
        }

        Span<byte> terminated = stackalloc byte[P9.MostPath];
        return Make(reader, number, name, 0, FolderName.Terminate(place, terminated), ref writer, MakeLink);
    }

    private static int MakeFolder(scoped in Found folder, scoped ReadOnlySpan<byte> name, uint mode, scoped ReadOnlySpan<byte> target) =>
        BeneathCalls.MakeFolder(folder.Descriptor, name, mode);

    private static int MakeNode(scoped in Found folder, scoped ReadOnlySpan<byte> name, uint mode, scoped ReadOnlySpan<byte> target) =>
        (mode & TypeMask) is 0 or RegularType or FifoType or SocketType
            ? BeneathCalls.MakeNode(folder.Descriptor, name, mode)
            : -P9Error.NotPermitted;

    private static int MakeLink(scoped in Found folder, scoped ReadOnlySpan<byte> name, uint mode, scoped ReadOnlySpan<byte> target) =>
        BeneathCalls.MakeLink(folder.Descriptor, name, target);

    /// <summary>Makes something in a folder, and answers with what it is.</summary>
    private int Make(
        P9Reader reader,
        uint number,
        ReadOnlySpan<byte> name,
        uint mode,
        scoped ReadOnlySpan<byte> target,
        ref P9Writer writer,
        Maker make)
    {
        int error = CheckMaking(reader, name);
        if (error != 0)
        {
            return error;
        }

        if (!_table.TryUse(number, out Fid? fid))
        {
            return P9Error.BadDescriptor;
        }

        Found folder = default, made = default;
        try
        {
            ReadOnlySpan<byte> terminated = FolderName.Terminate(name, stackalloc byte[P9.MostName + 1]);
            error = FindFolder(fid, ref folder);
            error = error == 0 ? -make(folder, terminated, mode, target) : error;
            error = error == 0 ? made.Own(BeneathCalls.Find(folder.Descriptor, terminated)) : error;
            if (error != 0)
            {
                return error;
            }

            if (!made.Status.IsLink)
            {
                KeepMode(made.Descriptor, made.Status, mode);
            }

            writer.Qid(QidOf(made.Status));
            return P9Error.None;
        }
        finally
        {
            made.Dispose();
            folder.Dispose();
            _table.Release(fid);
        }
    }

    private int AddName(ref P9Reader reader)
    {
        uint folderNumber = reader.Int(), number = reader.Int();
        ReadOnlySpan<byte> name = reader.Text();
        int error = CheckMaking(reader, name);
        if (error != 0)
        {
            return error;
        }

        if (!_table.TryUse(folderNumber, out Fid? folderFid))
        {
            return P9Error.BadDescriptor;
        }

        Fid? fid = null;
        Found folder = default, found = default;
        try
        {
            error = _table.TryUse(number, out fid) ? FindFolder(folderFid, ref folder) : P9Error.BadDescriptor;
            error = error == 0 ? Find(fid!, ref found) : error;
            return error != 0 ? error
                : found.Status.IsFolder ? P9Error.NotPermitted
                : -BeneathCalls.AddName(found.Descriptor, folder.Descriptor, FolderName.Terminate(name, stackalloc byte[P9.MostName + 1]));
        }
        finally
        {
            found.Dispose();
            folder.Dispose();
            _table.Release(folderFid);
            if (fid is not null)
            {
                _table.Release(fid);
            }
        }
    }

    private int Rename(ref P9Reader reader)
    {
        uint number = reader.Int(), folderNumber = reader.Int();
        ReadOnlySpan<byte> newName = reader.Text();
        int error = CheckMaking(reader, newName);
        if (error != 0)
        {
            return error;
        }

        if (!_table.TryUse(number, out Fid? fid))
        {
            return P9Error.BadDescriptor;
        }

        Fid? newFolder = null;
        Found from = default, to = default;
        try
        {
            error = _table.TryUse(folderNumber, out newFolder) ? FindFolder(newFolder, ref to) : P9Error.BadDescriptor;
            byte[] name = [];
            FolderNode? folder = null;
            error = error == 0 ? FindFolderOf(fid, ref from, out folder, out name) : error;
            return error != 0 ? error : Rename(folder!, from, name, newFolder!.Node, to, newName);
        }
        finally
        {
            from.Dispose();
            to.Dispose();
            _table.Release(fid);
            if (newFolder is not null)
            {
                _table.Release(newFolder);
            }
        }
    }

    private int RenameAt(ref P9Reader reader)
    {
        uint number = reader.Int();
        ReadOnlySpan<byte> name = reader.Text();
        uint newNumber = reader.Int();
        ReadOnlySpan<byte> newName = reader.Text();
        int error = CheckMaking(reader, newName);
        if (error != 0 || !FolderName.IsOne(name))
        {
            return error != 0 ? error : FolderName.Describe(name);
        }

        if (!_table.TryUse(number, out Fid? folder))
        {
            return P9Error.BadDescriptor;
        }

        Fid? newFolder = null;
        Found from = default, to = default;
        try
        {
            error = _table.TryUse(newNumber, out newFolder) ? FindFolder(folder, ref from) : P9Error.BadDescriptor;
            error = error == 0 ? FindFolder(newFolder!, ref to) : error;
            return error != 0 ? error : Rename(folder.Node, from, name, newFolder!.Node, to, newName);
        }
        finally
        {
            from.Dispose();
            to.Dispose();
            _table.Release(folder);
            if (newFolder is not null)
            {
                _table.Release(newFolder);
            }
        }
    }

    private int Rename(
        FolderNode folder,
        in Found from,
        ReadOnlySpan<byte> name,
        FolderNode newFolder,
        in Found to,
        ReadOnlySpan<byte> newName)
    {
        int answer = BeneathCalls.Rename(
            from.Descriptor,
            FolderName.Terminate(name, stackalloc byte[P9.MostName + 1]),
            to.Descriptor,
            FolderName.Terminate(newName, stackalloc byte[P9.MostName + 1]));
        if (answer == 0)
        {
            _table.Move(folder, name, newFolder, newName);
        }

        return -answer;
    }

    private int Unlink(ref P9Reader reader)
    {
        uint number = reader.Int();
        ReadOnlySpan<byte> name = reader.Text();
        uint flags = reader.Int();
        int error = CheckMaking(reader, name);
        if (error != 0 || (flags & ~P9.RemoveFolder) != 0)
        {
            return error != 0 ? error : P9Error.Invalid;
        }

        if (!_table.TryUse(number, out Fid? fid))
        {
            return P9Error.BadDescriptor;
        }

        Found folder = default;
        try
        {
            error = FindFolder(fid, ref folder);
            return error != 0 ? error : Unlink(fid.Node, folder, name, flags != 0);
        }
        finally
        {
            folder.Dispose();
            _table.Release(fid);
        }
    }

    private int Remove(ref P9Reader reader)
    {
        uint number = reader.Int();
        if (!TryUse(reader, number, out Fid? fid, out int error))
        {
            return error;
        }

        Found folder = default;
        FolderNode? parent = null;
        byte[] name = [];
        try
        {
            error = _isReadOnly ? P9Error.ReadOnly : FindFolderOf(fid, ref folder, out parent, out name);
            return error != 0 ? error : Unlink(parent!, folder, name, fid.Node.Object.Type == P9.FolderQid);
        }
        finally
        {
            folder.Dispose();
            _ = _table.TryClunk(number); // whatever came of it
            _table.Release(fid);
        }
    }

    private int Unlink(FolderNode parent, in Found folder, ReadOnlySpan<byte> name, bool isFolder)
    {
        int answer = BeneathCalls.Remove(folder.Descriptor, FolderName.Terminate(name, stackalloc byte[P9.MostName + 1]), isFolder);
        if (answer == 0)
        {
            _table.Forget(parent, name);
        }

        return -answer;
    }

    /// <summary>Finds the folder that a fid in use is of, in which something is done.</summary>
    private int FindFolder(Fid fid, ref Found folder)
    {
        int error = fid.IsOpen ? EnsureDescriptor(fid) : FindByPath(fid, ref folder);
        error = error == 0 && fid.IsOpen ? folder.Borrow(fid, null) : error;
        return error == 0 && !folder.Status.IsFolder ? P9Error.NotAFolder : error;
    }

    /// <summary>Finds the folder in which a fid in use has its name, which is still that of its object.</summary>
    private int FindFolderOf(Fid fid, ref Found folder, out FolderNode? node, out byte[] name)
    {
        Found found = default;
        int error = FindByPath(fid, ref found);
        found.Dispose();
        Span<byte> path = stackalloc byte[P9.MostPath];
        int length = _table.WriteFolderPath(fid, path, out node, out name);
        return error != 0 ? error : length < 0 ? -length : folder.Own(BeneathCalls.Find(Root, path[..length]));
    }

    /// <summary>Sees whether a name may be made, or taken away.</summary>
    private int CheckMaking(in P9Reader reader, ReadOnlySpan<byte> name) =>
        !reader.IsWhole ? P9Error.Protocol
        : _isReadOnly ? P9Error.ReadOnly
        : FolderName.IsOne(name) ? P9Error.None
        : FolderName.Describe(name);

    // The process's mask is for what its user makes; the guest has one of its own. What cannot be kept is seen in the attributes.
    private static void KeepMode(int descriptor, in FileStatus status, uint mode)
    {
        const uint mask = PermissionMask | StickyBit;
        uint wanted = ModeOf(mode, isFolder: false);
        if ((status.Mode & mask) != wanted)
        {
            _ = BeneathCalls.SetMode(descriptor, wanted | (status.IsFolder ? status.Mode & SetGroupBit : 0));
        }
    }
}
