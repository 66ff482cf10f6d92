using PsVm.Memory;
using PsVm.Memory.Files;

namespace PsVm.Machine.Devices.Disks;

/// <summary>Opens the files of overlays, and says what is wrong with them.</summary>
internal static class OverlayFile
{
    /// <summary>Opens one, or makes it.</summary>
    /// <param name="path">Its full path.</param>
    /// <param name="image">Identity of the image under it.</param>
    /// <param name="isClone">Nothing may be in it: what a clone begins with is its template's.</param>
    /// <param name="read">Reads the image.</param>
    /// <exception cref="GuestException">It cannot be had; a new one is gone again.</exception>
    public static FileOverlay Open(string path, FileIdentity image, bool isClone, DiskImageReader read)
    {
        DiskFile file = DiskFile.OpenOverlay(path, out bool isNew);
        try
        {
            FileOverlay overlay = FileOverlay.Open(file, image, read);
            CheckNew(path, isClone, overlay.Bytes);
            return overlay;
        }
        catch (Exception failure)
        {
            if (isNew)
            {
                File.Delete(path);
            }

            file.Dispose();
            if (failure is IOException)
            {
                throw NotOpened(path, failure);
            }

            throw;
        }
    }

    /// <summary>Finds out whether it could be opened or made; nothing changes.</summary>
    /// <exception cref="GuestException">It could not.</exception>
    public static void Check(string path, FileIdentity image, bool isClone)
    {
        try
        {
            if (DiskFile.CheckOverlay(path) is not { } file)
            {
                return;
            }

            using (file)
            {
                if (FileOverlay.ReadHeader(file, image) is { } header && file.Identity.Size == header.FileSize)
                {
                    byte[] bitmap = new byte[header.DataOffset - OverlayHeader.Size];
                    file.Read(OverlayHeader.Size, bitmap);
                    CheckNew(path, isClone, bitmap.AsSpan().IndexOfAnyExcept((byte)0) + 1);
                }
            }
        }
        catch (IOException failure)
        {
            throw NotOpened(path, failure);
        }
    }

    private static void CheckNew(string path, bool isClone, long bytes)
    {
        if (isClone && bytes > 0)
        {
            throw new GuestException(
                GuestErrorIds.DiskOverlayMismatch,
                $"Expected for a clone a new overlay, found that something is in '{path}' already.",
                path,
                "Name a file that is not there: a clone begins with what its template has.");
        }
    }

    private static GuestException NotOpened(string path, Exception failure) => new(
        GuestErrorIds.DiskOverlayNotOpened,
        $"Expected to read and write the overlay '{path}', found: {failure.Message.TrimEnd('.')}.",
        path,
        "Make room there, or name a file elsewhere.",
        failure);
}
