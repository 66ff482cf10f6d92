using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PsVm.Module.Output;

namespace PsVm.Module.Hosting.Logs;

/// <summary>A file that lines are appended to, for one cmdlet or guest. Safe from any thread.</summary>
/// <remarks>
/// A line is one write to a file that was opened to append, which .NET cannot do, so that lines of other guests, sessions and processes
/// stay whole beside it. The file is opened for each, by the path that an operator gave: it may be rotated. Sources: open(2), O_APPEND;
/// pwrite(2), which then appends whatever the offset. Numbers are those of 64-bit Linux with the generic ABI.
/// </remarks>
internal sealed partial class LogFile
{
    private const int WriteOnly = 0x1, Create = 0x40, NoTerminal = 0x100, AtEnd = 0x400, NonBlocking = 0x800, CloseOnExec = 0x80000;
    private const int NotFound = 2; // ENOENT
    private const int OwnerAndGroup = 0x1a0; // 0640

    private readonly Lock _gate = new();
    private bool _endsInLine = true;
    private bool _hasFailed;
    private string? _failure;

    private LogFile(string path) => Path = path;

    /// <summary>Where it is.</summary>
    public string Path { get; }

    /// <summary>Finds out whether lines can be appended to a file, and makes it if there is none.</summary>
    /// <param name="path">An absolute path.</param>
    /// <param name="create">False: it is only looked whether that could be done.</param>
    /// <exception cref="CmdletException">LogPathInvalid: they cannot.</exception>
    public static LogFile Open(string path, bool create)
    {
        using SafeFileHandle? file = OpenForLines(path, create, out int errno, out string found);
        return file is not null || (!create && errno == NotFound && Directory.Exists(System.IO.Path.GetDirectoryName(path)))
            ? new LogFile(path)
            : throw new CmdletException(
                ModuleErrorIds.LogPathInvalid,
                $"Expected a file that can be written at '{path}' for the log, found: {found}.",
                path,
                "Give -LogPath a file in a folder that is there and that may be written.");
    }

    /// <summary>Appends a line. What fails is told by <see cref="TakeFailure"/>.</summary>
    public void Append(LogLine line)
    {
        lock (_gate)
        {
            // What may have been cut short by a full disk ends before the next line begins.
            ReadOnlySpan<byte> json = line.ToJson();
            string? failure = Write(_endsInLine ? json : (byte[])[(byte)'\n', .. json]);
            if (failure is not null && !_hasFailed)
            {
                (_hasFailed, _failure) =
                    (true, $"Expected to append to the log '{Path}', found: {failure.TrimEnd('.')}. Lines of it are lost.");
            }
        }
    }

    /// <summary>Why a line is lost; told once, and null before that and from then on.</summary>
    public string? TakeFailure() => Interlocked.Exchange(ref _failure, null);

    private string? Write(ReadOnlySpan<byte> bytes)
    {
        using SafeFileHandle? file = OpenForLines(Path, create: true, out _, out string found);
        if (file is null)
        {
            return found;
        }

        try
        {
            _endsInLine = false;
            RandomAccess.Write(file, bytes, fileOffset: 0);
            _endsInLine = true;
            return null;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return failure.Message;
        }
    }

    // A FIFO without a reader, for which an open would wait, is an error at once.
    private static SafeFileHandle? OpenForLines(string path, bool create, out int errno, out string found)
    {
        SafeFileHandle file = OpenFile(
            path, WriteOnly | NoTerminal | AtEnd | NonBlocking | CloseOnExec | (create ? Create : 0), OwnerAndGroup);
        (errno, found) = (0, "it is no regular file");
        if (file.IsInvalid)
        {
            errno = Marshal.GetLastPInvokeError();
            found = Marshal.GetPInvokeErrorMessage(errno);
        }
        else if (IsSeekable(file))
        {
            return file;
        }

        file.Dispose();
        return null;
    }

    private static bool IsSeekable(SafeFileHandle file)
    {
        try
        {
            return RandomAccess.GetLength(file) >= 0;
        }
        catch (NotSupportedException)
        {
            return false;
        }
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial SafeFileHandle OpenFile(string path, int flags, int mode);
}
