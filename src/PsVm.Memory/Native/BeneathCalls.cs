using System.Buffers.Text;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using Mono.Unix.Native;

namespace PsVm.Memory.Native;

/// <summary>
/// What is done to files below a folder for somebody who must not get out of it. Paths and names are bytes with a NUL behind them. Each
/// call answers with a number of its own from 0 up, or with errno below 0.
/// </summary>
/// <remarks>
/// A path is looked up by openat2(2) below the folder, through no symbolic link and no mount point; what is found is a descriptor that
/// reads and writes nothing (O_PATH). Only when its type is known it is opened, by that descriptor: a device or a FIFO never is. All other
/// calls take a folder's descriptor and one name, and follow no link.
/// </remarks>
public static unsafe class BeneathCalls
{
    private const int MostProcPath = 32;
    private const int RemoveFolderFlag = 0x200; // AT_REMOVEDIR
    private const ulong Beneath = LibC.ResolveBeneath | LibC.ResolveNoSymlinks | LibC.ResolveNoMagicLinks | LibC.ResolveNoCrossing;

    // A name that is none: the descriptor itself is meant.
    private static ReadOnlySpan<byte> Itself => "\0"u8;

    /// <summary>errno in words.</summary>
    /// <param name="error">errno.</param>
    public static string Describe(int error) =>
        NativeConvert.TryToErrno(error, out Errno errno) ? Errors.Describe(errno) : $"error {error}";

    /// <summary>Finds the folder that all else is below of.</summary>
    /// <param name="path">Its path, of which links are followed.</param>
    public static int FindRoot(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        fixed (byte* start = Encoding.UTF8.GetBytes(path + '\0'))
        {
            return Answer(LibC.OpenBytes(start, LibC.OpenPath | LibC.OpenDirectory | LibC.OpenCloexec));
        }
    }

    /// <summary>Finds what is at a path, a symbolic link as itself.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="path">Names with slashes between them, or a dot for the folder.</param>
    /// <returns>A descriptor without access, which the caller closes.</returns>
    public static int Find(int folder, ReadOnlySpan<byte> path) =>
        OpenBelow(folder, path, LibC.OpenPath | LibC.OpenNoFollow | LibC.OpenCloexec, 0);

    /// <summary>Makes a file that was not there and opens it.</summary>
    /// <param name="folder">Its folder.</param>
    /// <param name="name">Its name.</param>
    /// <param name="access">How it is opened, as open(2) has it.</param>
    /// <param name="mode">Its permissions, of which the process's mask takes some.</param>
    /// <returns>A descriptor, which the caller closes.</returns>
    public static int Create(int folder, ReadOnlySpan<byte> name, int access, uint mode) => OpenBelow(
        folder,
        name,
        access | LibC.OpenCreate | LibC.OpenExclusive | LibC.OpenNoFollow | LibC.OpenNonBlocking | LibC.OpenNoTerminal | LibC.OpenCloexec,
        mode);

    /// <summary>Opens what was found, which is known to be a regular file or a folder.</summary>
    /// <param name="found">Its descriptor.</param>
    /// <param name="access">How it is opened, as open(2) has it.</param>
    /// <returns>A descriptor, which the caller closes.</returns>
    public static int Open(int found, int access)
    {
        byte* path = stackalloc byte[MostProcPath];
        WriteProcPath(path, found);
        int fd;
        do
        {
            fd = Answer(LibC.OpenBytes(path, access | LibC.OpenNonBlocking | LibC.OpenNoTerminal | LibC.OpenCloexec));
        }
        while (fd == -(int)Errno.EINTR);
        return fd;
    }

    /// <summary>Closes a descriptor.</summary>
    /// <param name="descriptor">The descriptor, which is nobody's from here on.</param>
    public static void Close(int descriptor) => _ = LibC.Close(descriptor);

    /// <summary>Says what a descriptor is of.</summary>
    /// <param name="descriptor">The descriptor.</param>
    /// <param name="status">What it is.</param>
    public static int GetStatus(int descriptor, out FileStatus status)
    {
        LibC.StatxResult result;
        fixed (byte* itself = Itself)
        {
            const int flags = LibC.AtEmptyPath | LibC.AtSymlinkNoFollow;
            int answer = Answer(LibC.StatxBytes(descriptor, itself, flags, LibC.StatxBasicStats, &result));
            status = answer < 0 ? default : FileStatus.Of(result);
            return answer;
        }
    }

    /// <summary>Says what a descriptor's file system has.</summary>
    /// <param name="descriptor">The descriptor.</param>
    /// <param name="status">What it has.</param>
    public static int GetFileSystem(int descriptor, out FileSystemStatus status)
    {
        int answer = Answer(LibC.FStatFs(descriptor, out LibC.StatFsResult result));
        status = new FileSystemStatus(
            result.BlockSize,
            result.Blocks,
            result.FreeBlocks,
            result.AvailableBlocks,
            result.Files,
            result.FreeFiles,
            result.Id,
            result.NameLength);
        return answer;
    }

    /// <summary>Reads a file.</summary>
    /// <param name="descriptor">The file.</param>
    /// <param name="to">Takes the bytes.</param>
    /// <param name="offset">Where they are.</param>
    /// <returns>How many there were.</returns>
    public static int Read(int descriptor, Span<byte> to, long offset)
    {
        fixed (byte* start = to)
        {
            int count;
            do
            {
                count = Answer(LibC.PRead(descriptor, start, (nuint)to.Length, offset));
            }
            while (count == -(int)Errno.EINTR);
            return count;
        }
    }

    /// <summary>Writes a file.</summary>
    /// <param name="descriptor">The file.</param>
    /// <param name="from">The bytes.</param>
    /// <param name="offset">Where they go.</param>
    /// <returns>How many were written.</returns>
    public static int Write(int descriptor, ReadOnlySpan<byte> from, long offset)
    {
        fixed (byte* start = from)
        {
            int count;
            do
            {
                count = Answer(LibC.PWrite(descriptor, start, (nuint)from.Length, offset));
            }
            while (count == -(int)Errno.EINTR);
            return count;
        }
    }

    /// <summary>Reads names of a folder, as <c>struct linux_dirent64</c>.</summary>
    /// <param name="descriptor">The folder, from where it is read at the time.</param>
    /// <param name="to">Takes them.</param>
    /// <returns>How many bytes there were; 0: no more.</returns>
    public static int ReadFolder(int descriptor, Span<byte> to)
    {
        fixed (byte* start = to)
        {
            return Answer(LibC.GetDents64(descriptor, start, (nuint)to.Length));
        }
    }

    /// <summary>Has a folder read from somewhere.</summary>
    /// <param name="descriptor">The folder.</param>
    /// <param name="offset">What stood with the entry before; 0: from the start.</param>
    public static int SeekFolder(int descriptor, long offset)
    {
        return Math.Min(0, Answer(LibC.LSeek(descriptor, offset, 0) == -1 ? -1 : 0));
    }

    /// <summary>Waits until what was written is where it stays.</summary>
    /// <param name="descriptor">The file.</param>
    /// <param name="dataOnly">Without what does not matter to read it.</param>
    public static int Flush(int descriptor, bool dataOnly) => Answer(dataOnly ? LibC.FDataSync(descriptor) : LibC.FSync(descriptor));

    /// <summary>Gives a file a length.</summary>
    /// <param name="descriptor">The file, open for writing.</param>
    /// <param name="size">Its bytes.</param>
    public static int SetSize(int descriptor, long size) => Answer(LibC.FTruncate(descriptor, size));

    /// <summary>Gives what was found other permissions.</summary>
    /// <param name="found">Its descriptor, of no symbolic link.</param>
    /// <param name="mode">The permissions.</param>
    public static int SetMode(int found, uint mode)
    {
        byte* path = stackalloc byte[MostProcPath];
        WriteProcPath(path, found);
        return Answer(LibC.ChMod(path, mode));
    }

    /// <summary>Gives what was found another owner.</summary>
    /// <param name="found">Its descriptor.</param>
    /// <param name="user">The owner; the highest number: as it is.</param>
    /// <param name="group">The group; the highest number: as it is.</param>
    public static int SetOwner(int found, uint user, uint group)
    {
        fixed (byte* itself = Itself)
        {
            return Answer(LibC.FChOwnAt(found, itself, user, group, LibC.AtEmptyPath | LibC.AtSymlinkNoFollow));
        }
    }

    /// <summary>Gives what was found other times.</summary>
    /// <param name="found">Its descriptor.</param>
    /// <param name="accessed">When it was read.</param>
    /// <param name="modified">When its content was written.</param>
    public static int SetTimes(int found, FileTime accessed, FileTime modified)
    {
        LibC.Timespec* times = stackalloc LibC.Timespec[2];
        times[0] = new LibC.Timespec { Seconds = accessed.Seconds, Nanoseconds = accessed.Nanoseconds };
        times[1] = new LibC.Timespec { Seconds = modified.Seconds, Nanoseconds = modified.Nanoseconds };
        byte* path = stackalloc byte[MostProcPath];
        WriteProcPath(path, found);
        return Answer(LibC.UTimeNsAt(LibC.AtFdCwd, path, times, 0));
    }

    /// <summary>Reads where a symbolic link leads.</summary>
    /// <param name="found">Its descriptor.</param>
    /// <param name="to">Takes that.</param>
    /// <returns>Its bytes.</returns>
    public static int ReadLink(int found, Span<byte> to)
    {
        fixed (byte* itself = Itself, start = to)
        {
            return Answer(LibC.ReadLinkAt(found, itself, start, (nuint)to.Length));
        }
    }

    /// <summary>Makes a folder.</summary>
    /// <param name="folder">What it is in.</param>
    /// <param name="name">Its name.</param>
    /// <param name="mode">Its permissions, of which the process's mask takes some.</param>
    public static int MakeFolder(int folder, ReadOnlySpan<byte> name, uint mode)
    {
        fixed (byte* start = Checked(name))
        {
            return Answer(LibC.MkDirAt(folder, start, mode));
        }
    }

    /// <summary>Makes a FIFO, a socket or a regular file.</summary>
    /// <param name="folder">What it is in.</param>
    /// <param name="name">Its name.</param>
    /// <param name="mode">Type and permissions, of which the process's mask takes some.</param>
    public static int MakeNode(int folder, ReadOnlySpan<byte> name, uint mode)
    {
        fixed (byte* start = Checked(name))
        {
            return Answer(LibC.MkNodAt(folder, start, mode, 0));
        }
    }

    /// <summary>Makes a symbolic link.</summary>
    /// <param name="folder">What it is in.</param>
    /// <param name="name">Its name.</param>
    /// <param name="target">Where it leads, which is nobody's matter here.</param>
    public static int MakeLink(int folder, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target)
    {
        fixed (byte* start = Checked(name), to = Checked(target))
        {
            return Answer(LibC.SymlinkAt(to, folder, start));
        }
    }

    /// <summary>Gives what was found another name.</summary>
    /// <param name="found">Its descriptor.</param>
    /// <param name="folder">What the name is in.</param>
    /// <param name="name">The name.</param>
    public static int AddName(int found, int folder, ReadOnlySpan<byte> name)
    {
        // Its own descriptor as a name (AT_EMPTY_PATH) is for those who may read everything.
        byte* path = stackalloc byte[MostProcPath];
        WriteProcPath(path, found);
        fixed (byte* start = Checked(name))
        {
            return Answer(LibC.LinkAt(LibC.AtFdCwd, path, folder, start, LibC.AtSymlinkFollow));
        }
    }

    /// <summary>Renames, over what has the new name.</summary>
    /// <param name="folder">What it is in.</param>
    /// <param name="name">Its name.</param>
    /// <param name="newFolder">What it comes to be in.</param>
    /// <param name="newName">Its new name.</param>
    public static int Rename(int folder, ReadOnlySpan<byte> name, int newFolder, ReadOnlySpan<byte> newName)
    {
        fixed (byte* start = Checked(name), to = Checked(newName))
        {
            return Answer(LibC.RenameAt(folder, start, newFolder, to));
        }
    }

    /// <summary>Takes a name away.</summary>
    /// <param name="folder">What it is in.</param>
    /// <param name="name">The name.</param>
    /// <param name="isFolder">It is that of an empty folder; else of anything but a folder.</param>
    public static int Remove(int folder, ReadOnlySpan<byte> name, bool isFolder)
    {
        fixed (byte* start = Checked(name))
        {
            return Answer(LibC.UnlinkAt(folder, start, isFolder ? RemoveFolderFlag : 0));
        }
    }

    private static int OpenBelow(int folder, ReadOnlySpan<byte> path, int flags, uint mode)
    {
        LibC.OpenHow how = new() { Flags = (ulong)flags, Mode = mode, Resolve = Beneath };
        fixed (byte* start = Checked(path))
        {
            int fd;
            do
            {
                fd = Answer(LibC.OpenAt2(folder, start, &how));
            }
            while (fd == -(int)Errno.EINTR);
            return fd;
        }
    }

    // The kernel's own number: guests know the same ones, and a conversion would be one more call.
    private static int Answer(long result) => result == -1 ? -Math.Max(1, Marshal.GetLastPInvokeError()) : (int)result;

    // The kernel reads as far as a NUL.
    private static ReadOnlySpan<byte> Checked(ReadOnlySpan<byte> path)
    {
        Debug.Assert(path.Length > 0 && path.IndexOf((byte)0) == path.Length - 1, "a path ends with its only NUL");
        return path;
    }

    /// <remarks>Safety: there is room for <see cref="MostProcPath"/> bytes.</remarks>
    private static void WriteProcPath(byte* path, int descriptor)
    {
        Span<byte> to = new(path, MostProcPath);
        "/proc/self/fd/"u8.CopyTo(to);
        bool fits = Utf8Formatter.TryFormat(descriptor, to[14..], out int count);
        Debug.Assert(fits, "a descriptor has at most 11 digits");
        to[14 + count] = 0;
    }
}
