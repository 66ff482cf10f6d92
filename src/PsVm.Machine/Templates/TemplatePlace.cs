using Mono.Unix.Native;

namespace PsVm.Machine.Templates;

/// <summary>Where a template is to come: whether one may, found out before anything is written.</summary>
internal static class TemplatePlace
{
    /// <summary>Checks that nothing is there but a template that is to be replaced.</summary>
    /// <param name="path">The template's folder-to-be.</param>
    /// <param name="force">A template that is there goes.</param>
    /// <exception cref="GuestException">Something else is there.</exception>
    public static void Check(string path, bool force)
    {
        if (File.Exists(path) || (Directory.Exists(path) && !TemplateLeftovers.IsTemplate(path)))
        {
            throw InUse(path, "something that is no template, or more than one");
        }

        if (Directory.Exists(path) && !force)
        {
            throw InUse(path, "a template");
        }

        string? folder = Path.GetDirectoryName(path);
        if (folder is not null && TemplateLeftovers.IsTemplate(folder))
        {
            throw InUse(path, $"that '{folder}' is a template, which would be none with a folder in it");
        }
    }

    /// <summary>What is there of a full path: itself, or the nearest folder above it.</summary>
    public static string Nearest(string path)
    {
        string nearest = path;
        while (!Path.Exists(nearest) && Path.GetDirectoryName(nearest) is { } above)
        {
            nearest = above;
        }

        return nearest;
    }

    /// <summary>Checks that something can be made there, in folders that are missing, too.</summary>
    /// <param name="path">The template's folder-to-be, or another file.</param>
    /// <exception cref="IOException">It cannot.</exception>
    public static void CheckWritable(string path)
    {
        string? above = Path.GetDirectoryName(path) is { } parent ? Nearest(parent) : null;
        if (above is null || Syscall.access(above, AccessModes.W_OK | AccessModes.X_OK) != 0)
        {
            throw new IOException($"'{above}': {Stdlib.GetLastError()}");
        }

        if (!Directory.Exists(above))
        {
            throw new IOException($"'{above}' is no folder");
        }
    }

    /// <summary>
    /// Where something comes that is given a destination: a folder that is there gets it under its name, anything else becomes it.
    /// </summary>
    /// <param name="destination">The destination.</param>
    /// <param name="name">The name.</param>
    /// <param name="intoFolder">The destination is a folder, even when it is missing, or a template.</param>
    public static string Of(string destination, string name, bool intoFolder)
    {
        string full = TemplateSource.FullPath(destination);
        bool isFolder = intoFolder || destination.EndsWith('/') || (Directory.Exists(full) && !GuestTemplates.Exists(full));
        return isFolder ? Path.Combine(full, name) : full;
    }

    /// <summary>Checks that there is room for something.</summary>
    /// <param name="path">What is to come, in folders that may be missing.</param>
    /// <param name="bytes">Bytes.</param>
    /// <exception cref="IOException">There is less.</exception>
    public static void CheckRoom(string path, long bytes)
    {
        if (Syscall.statvfs(Nearest(path), out Statvfs room) == 0 && room.f_bavail * (decimal)room.f_frsize is var free && free < bytes)
        {
            throw new IOException($"{ByteSize.ToText((long)free)} of {ByteSize.ToText(bytes)}", (int)Errno.ENOSPC);
        }
    }

    /// <summary>Checks that files in a folder can be written, and not only mapped.</summary>
    /// <param name="folder">The folder, which is there.</param>
    /// <param name="path">What it is to become, for the error.</param>
    /// <param name="calls">The kernel.</param>
    /// <param name="action">What to do.</param>
    /// <exception cref="GuestException">It is on hugetlbfs.</exception>
    public static void CheckFileSystem(
        string folder, string path, FolderCalls calls, string action = "Choose a folder on another file system.")
    {
        if (calls.IsHugetlbfs(folder))
        {
            throw new GuestException(
                GuestErrorIds.CheckpointFileSystem,
                $"Expected a file system whose files can be written for the template '{path}', found hugetlbfs, whose can only be mapped.",
                path,
                action);
        }
    }

    /// <summary>Something is where a template should come.</summary>
    public static GuestException InUse(string path, string found) => new(
        GuestErrorIds.CheckpointPathInUse, $"Expected nothing at '{path}', found {found}.", path,
        Directory.Exists(path) && !GuestTemplates.Exists(path)
            ? $"Choose another path, such as one in that folder: '{path}/web'."
            : "Choose another path, or replace a template with Force.");
}
