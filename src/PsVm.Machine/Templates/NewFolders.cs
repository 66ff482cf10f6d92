using Mono.Unix.Native;
using PsVm.Machine.State;

namespace PsVm.Machine.Templates;

/// <summary>
/// Folders that were missing above something that is being made; they go with it when that fails, unless others use them.
/// </summary>
/// <param name="calls">The kernel.</param>
internal sealed class NewFolders(FolderCalls calls) : IDisposable
{
    private readonly List<HeldFolder> _made = []; // outermost first

    /// <summary>Makes a folder, and those above it that are missing, so that they outlast a crash.</summary>
    /// <exception cref="IOException">It cannot be made.</exception>
    public void Make(string folder)
    {
        if (Directory.Exists(folder))
        {
            return;
        }

        string above = Path.GetDirectoryName(folder)!;
        Make(above);
        if (HeldFolder.TryMake(folder, out Errno error) is { } made)
        {
            _made.Add(made);
        }
        else if (error != Errno.EEXIST)
        {
            FolderPlacing.ThrowIfFailed((int)error, "mkdir");
        }

        FolderPlacing.SyncFolder(above, calls);
    }

    /// <summary>Removes those that are empty.</summary>
    public void Remove()
    {
        for (int i = _made.Count - 1; i >= 0; i--)
        {
            _made[i].Remove(_made[i].Path);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _made.ForEach(folder => folder.Dispose());
}
