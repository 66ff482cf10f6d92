namespace PsVm.Machine.Devices.Folders;

/// <summary>Numbers of 9P2000.L.</summary>
/// <remarks>Source: diod's protocol.md, and Linux' include/net/9p/9p.h for the numbers.</remarks>
internal static class P9
{
    public const int HeaderSize = 4 + 1 + 2, ErrorSize = HeaderSize + 4, QidSize = 1 + 4 + 8;

    /// <summary>Bytes of an answer to Tread, or a request of Twrite, around its data.</summary>
    public const int ReadHeaderSize = HeaderSize + 4, WriteHeaderSize = HeaderSize + 4 + 8 + 4;

    /// <summary>Bytes of an entry in an answer to Treaddir, without its name.</summary>
    public const int EntrySize = QidSize + 8 + 1 + 2;

    /// <summary>No fid.</summary>
    public const uint NoFid = uint.MaxValue;

    /// <summary>Names of a walk.</summary>
    public const int MostWalkNames = 16;

    /// <summary>Bytes of a name.</summary>
    public const int MostName = 255;

    /// <summary>Bytes of a path or of where a link leads, the NUL among them.</summary>
    public const int MostPath = 4096;

    /// <summary>What file system it is, for those who ask (V9FS_MAGIC).</summary>
    public const uint FileSystemType = 0x0102_1997;

    public const byte FolderQid = 0x80, LinkQid = 0x02, FileQid = 0;

    /// <summary>What there is of attributes: all but the time of birth, generation and version of data (P9_STATS_BASIC).</summary>
    public const ulong BasicAttributes = 0x7ff;

    // Tsetattr.
    public const uint SetMode = 1, SetUser = 2, SetGroup = 4, SetSize = 8, SetAccessed = 0x10, SetModified = 0x20, SetChanged = 0x40;
    public const uint SetAccessedTo = 0x80, SetModifiedTo = 0x100;

    // Tlopen and Tlcreate.
    public const uint AccessMask = 3, WriteOnly = 1, ReadWrite = 2, Exclusive = 0x80, Truncate = 0x200, DataSync = 0x1000, Sync = 0x10_1000;

    /// <summary>Folders alone are removed (Tunlinkat).</summary>
    public const uint RemoveFolder = 0x200;

    // Tlock and Tgetlock.
    public const byte LockSuccess = 0, Unlocked = 2;

    /// <summary>The protocol's name.</summary>
    public static ReadOnlySpan<byte> Version => "9P2000.L"u8;

    /// <summary>The answer to a version that is not this one.</summary>
    public static ReadOnlySpan<byte> UnknownVersion => "unknown"u8;
}

/// <summary>Requests; an answer's number is the one behind its request's.</summary>
internal enum P9Request : byte
{
    ErrorAnswer = 7,
    StatFs = 8,
    Open = 12,
    Create = 14,
    Symlink = 16,
    MakeNode = 18,
    Rename = 20,
    ReadLink = 22,
    GetAttributes = 24,
    SetAttributes = 26,
    XattrWalk = 30,
    XattrCreate = 32,
    ReadFolder = 40,
    Flush = 50,
    Lock = 52,
    GetLock = 54,
    Link = 70,
    MakeFolder = 72,
    RenameAt = 74,
    UnlinkAt = 76,
    Version = 100,
    Authenticate = 102,
    Attach = 104,
    FlushRequest = 108,
    Walk = 110,
    Read = 116,
    Write = 118,
    Clunk = 120,
    Remove = 122,
}

/// <summary>errno, as guests get it.</summary>
internal static class P9Error
{
    public const int None = 0;
    public const int NotPermitted = 1; // EPERM
    public const int NotFound = 2; // ENOENT
    public const int InputOutput = 5; // EIO
    public const int BadDescriptor = 9; // EBADF
    public const int NoMemory = 12; // ENOMEM
    public const int Busy = 16; // EBUSY
    public const int Exists = 17; // EEXIST
    public const int NotAFolder = 20; // ENOTDIR
    public const int IsAFolder = 21; // EISDIR
    public const int Invalid = 22; // EINVAL
    public const int TooManyFiles = 24; // EMFILE
    public const int ReadOnly = 30; // EROFS
    public const int NameTooLong = 36; // ENAMETOOLONG
    public const int Protocol = 71; // EPROTO
    public const int MessageSize = 90; // EMSGSIZE
    public const int NotSupported = 95; // EOPNOTSUPP
    public const int Stale = 116; // ESTALE
}
