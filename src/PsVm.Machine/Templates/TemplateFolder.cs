using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;

namespace PsVm.Machine.Templates;

/// <summary>A template that is being written: a folder beside its place, which it takes whole and at once, or goes without a trace.</summary>
internal sealed partial class TemplateFolder : IDisposable
{
    private const int CurrentDirectory = -100; // AT_FDCWD
    private const uint NoReplace = 1; // RENAME_NOREPLACE
    private const uint Exchange = 2; // RENAME_EXCHANGE
    private const FilePermissions ReadOnly = FilePermissions.S_IRUSR | FilePermissions.S_IRGRP | FilePermissions.S_IROTH;

    private readonly string _target;
    private readonly List<string> _newParents = [];
    private readonly List<SafeFileHandle> _files = [];

    /// <summary>Makes an empty folder, and those above it that are missing.</summary>
    /// <param name="target">Where it will be.</param>
    public TemplateFolder(string target)
    {
        _target = target;
        Path = System.IO.Path.Combine(
            System.IO.Path.GetDirectoryName(target)!, $".{System.IO.Path.GetFileName(target)}.{Guid.NewGuid():N}.partial");
        for (string? parent = System.IO.Path.GetDirectoryName(target); !Directory.Exists(parent); parent = System.IO.Path.GetDirectoryName(parent))
        {
            _newParents.Add(parent!);
        }

        Directory.CreateDirectory(Path);
    }

    /// <summary>Where it is now.</summary>
    public string Path { get; }

    /// <summary>Makes a file, which stays open until the folder is disposed.</summary>
    public SafeFileHandle CreateFile(string name)
    {
        SafeFileHandle file = File.OpenHandle(
            System.IO.Path.Combine(Path, name), FileMode.CreateNew, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        _files.Add(file);
        return file;
    }

    /// <summary>Takes all that was written to the disk, and write permission from everybody.</summary>
    public void Seal()
    {
        foreach (SafeFileHandle file in _files)
        {
            Protect(file);
            RandomAccess.FlushToDisk(file);
        }
    }

    /// <summary>Takes write permission from everybody.</summary>
    /// <returns>The permissions that the file had.</returns>
    public static FilePermissions Protect(SafeFileHandle file)
    {
        int descriptor = (int)file.DangerousGetHandle();
        ThrowIfFailed(Syscall.fstat(descriptor, out Stat stat), "fstat");
        ThrowIfFailed(Syscall.fchmod(descriptor, ReadOnly), "fchmod");
        return stat.st_mode & FilePermissions.ALLPERMS;
    }

    /// <summary>Takes its place.</summary>
    /// <param name="replace">What is there goes; else there must be nothing.</param>
    /// <exception cref="IOException">There is something, or the file system cannot.</exception>
    public void Commit(bool replace)
    {
        SyncFolder(Path);
        bool exists = replace && Directory.Exists(_target);
        ThrowIfFailed(Rename(CurrentDirectory, Path, CurrentDirectory, _target, exists ? Exchange : NoReplace), "renameat2");
        SyncFolder(System.IO.Path.GetDirectoryName(_target)!);
    }

    /// <summary>Removes what is at the temporary place: the unfinished template, or the one that was replaced.</summary>
    public void Dispose()
    {
        _files.ForEach(file => file.Dispose());
        try
        {
            Directory.Delete(Path, recursive: true);
            _newParents.ForEach(Directory.Delete); // innermost first
        }
        catch (DirectoryNotFoundException)
        {
            // It took its place.
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // No template has such a name, so what is left of it only takes space.
        }
    }

    private static void SyncFolder(string path)
    {
        // .NET opens no folders.
        int folder = Syscall.open(path, OpenFlags.O_RDONLY | OpenFlags.O_CLOEXEC);
        ThrowIfFailed(folder, "open");
        try
        {
            ThrowIfFailed(Syscall.fsync(folder), "fsync");
        }
        finally
        {
            _ = Syscall.close(folder);
        }
    }

    private static void ThrowIfFailed(int result, string call)
    {
        if (result < 0)
        {
            int error = Marshal.GetLastPInvokeError();
            throw new IOException($"{call}: {Marshal.GetPInvokeErrorMessage(error)}", error);
        }
    }

    [LibraryImport("libc", EntryPoint = "renameat2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Rename(int oldFolder, string oldPath, int newFolder, string newPath, uint flags);
}
