using Mono.Unix.Native;

namespace PsVm.Memory.Files;

/// <summary>Opens or creates one file, again when it must, and never for ever.</summary>
internal static class RamFileOpening
{
    public const int MaxAttempts = 8;

    /// <summary>Opens the file; when it is missing and is to be written, creates it.</summary>
    /// <returns>EEXIST or EINTR when every attempt was interrupted or lost a race: a dangling link loses each.</returns>
    public static FileOpening OpenOrCreate(IFileOpener opener, string path, bool write)
    {
        var opening = default(FileOpening);
        for (var attempt = 0; attempt < MaxAttempts; attempt++)
        {
            opening = opener.Open(path, write);
            if (opening.Error == Errno.ENOENT && write)
            {
                opening = opener.Create(path);
            }

            if (opening.Error is not (Errno.EINTR or Errno.EEXIST))
            {
                return opening;
            }
        }

        return opening;
    }

    /// <summary>Errors that say that the file may not be written, but perhaps read.</summary>
    public static bool ForbidsWriting(Errno error) => error is Errno.EACCES or Errno.EROFS or Errno.EPERM or Errno.ETXTBSY;
}
