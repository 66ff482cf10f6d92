using System.Text;
using Mono.Unix.Native;
using PsVm.Machine.State;

namespace PsVm.Machine.Agents;

/// <summary>
/// Copies a folder of a guest to the host: the guest lists what there is, small files come many at a time in archives, larger ones by the
/// requests for files, and links at last.
/// </summary>
/// <remarks>
/// Invariant: nothing is written outside of the host's folder. What the guest lists goes downwards only, of an archive only what was asked
/// for is taken, and every folder on the way is entered from the one above without following links, whoever has put them there.
/// </remarks>
/// <param name="agent">The guest's agent.</param>
/// <param name="guest">The guest's name.</param>
/// <param name="guestPath">The guest's folder.</param>
/// <param name="hostPath">The host's, which is made where it is not there.</param>
/// <param name="most">Most bytes of all files.</param>
internal sealed class FolderFetching(GuestAgent agent, string guest, string guestPath, string hostPath, long most)
{
    // What an archive has at most, and the names that are asked for: both agents' answers and requests have room for that.
    private const int MostFiles = 64, MostNames = 32 << 10;

    private readonly List<string> _skipped = [];
    private long _bytes;
    private int _items = 1;

    private string Shown => $"folder '{VisibleText.Of(guestPath)}' of guest '{guest}'";

    /// <summary>Does it.</summary>
    /// <exception cref="GuestException">It cannot be done.</exception>
    public async Task<GuestFolderCopy> RunAsync(CancellationToken cancellation)
    {
        if (await ListAsync(cancellation).ConfigureAwait(false) is not { } listing)
        {
            return new GuestFolderCopy(
                await AgentFiles.CopyFromAsync(agent, guest, guestPath, hostPath, most, cancellation).ConfigureAwait(false), 1);
        }

        _skipped.AddRange(listing.Skipped);
        HeldFolder? top = HeldFolder.TryMake(hostPath, out Errno error);
        top ??= error == Errno.EEXIST ? HeldFolder.TryOpen(hostPath, out error) : null;
        using HeldFolder root = top ?? throw Failed(hostPath, error);
        foreach (string folder in listing.Folders)
        {
            cancellation.ThrowIfCancellationRequested();
            using HeldFolder made = Enter(root, folder, makes: true);
            _items++;
        }

        foreach (IReadOnlyList<string> batch in Batches(listing.Small))
        {
            await FetchSmallAsync(root, batch, cancellation).ConfigureAwait(false);
        }

        foreach ((string path, bool isProgram) in listing.Large.Select(path => (path, false)).Concat(
            listing.Programs.Select(path => (path, true))))
        {
            await FetchAsync(root, path, isProgram, cancellation).ConfigureAwait(false);
        }

        // Nothing is written behind these.
        foreach (IReadOnlyList<string> batch in Batches(listing.Links))
        {
            await FetchLinksAsync(root, batch, cancellation).ConfigureAwait(false);
        }

        return new GuestFolderCopy(_bytes, _items) { Skipped = _skipped };
    }

    /// <returns>Null: it is a file.</returns>
    private async Task<GuestListing?> ListAsync(CancellationToken cancellation)
    {
        GuestCommandResult list = await agent.RunAsync(GuestListing.Command(guestPath), null, cancellation).ConfigureAwait(false);
        if (list.ExitCode == GuestListing.IsNoFolder)
        {
            return null;
        }

        if (list.ExitCode == GuestListing.IsNothing)
        {
            throw AgentErrors.CopyFailed(guest, Shown, "that there is none", "Give the path of a folder that is there.");
        }

        if (list.Truncated)
        {
            throw AgentErrors.CopyFailed(
                guest,
                $"names of at most {GuestCommand.MostOutput >> 20} MiB in {Shown}",
                "more",
                "Copy the folders in it one by one, or an archive of it.");
        }

        return GuestListing.TryRead(list.GetStdOutBytes()) ?? throw AgentErrors.CopyFailed(
            guest,
            $"a list of {Shown} as find makes it",
            list.StdErr.Length > 0 ? list.StdErr : "another one",
            "See that the guest has find, and whether its agent is one.");
    }

    private async Task FetchSmallAsync(HeldFolder root, IReadOnlyList<string> batch, CancellationToken cancellation)
    {
        Dictionary<string, TarItem> found = await ArchiveAsync(batch, cancellation).ConfigureAwait(false);
        foreach (string path in batch)
        {
            TarItem item = found.GetValueOrDefault(path);
            item = item.Kind == TarItem.SameFile ? found.GetValueOrDefault(TarItem.WithoutDot(item.Link)) : item;
            if (item.Kind != TarItem.File)
            {
                // It has become something else, or there is no tar.
                await FetchAsync(root, path, isProgram: false, cancellation).ConfigureAwait(false);
                continue;
            }

            cancellation.ThrowIfCancellationRequested();
            Take(item.Content.Length);
            using HeldFolder folder = Enter(root, FolderOf(path), makes: false);
            AgentFiles.OnHost(guest, ShownOnHost(path), () =>
            {
                using HostFile file = new(PlaceOf(folder, path, item.IsProgram));
                file.Write(item.Content.Span);
                file.Finish();
            });
            _items++;
        }
    }

    private async Task FetchAsync(HeldFolder root, string path, bool isProgram, CancellationToken cancellation)
    {
        using HeldFolder folder = Enter(root, FolderOf(path), makes: false);
        try
        {
            Take(await AgentFiles.FetchAsync(
                agent, guest, $"{guestPath}/{path}", PlaceOf(folder, path, isProgram), most - _bytes, cancellation).ConfigureAwait(false));
            _items++;
        }
        catch (GuestException refused) when (refused.ErrorId == GuestErrorIds.GuestAgentRefused)
        {
            Skip(path);
        }
    }

    private async Task FetchLinksAsync(HeldFolder root, IReadOnlyList<string> batch, CancellationToken cancellation)
    {
        Dictionary<string, TarItem> found = await ArchiveAsync(batch, cancellation).ConfigureAwait(false);
        foreach (string path in batch)
        {
            if (!found.TryGetValue(path, out TarItem item) || item is not { Kind: TarItem.SymbolicLink, Link.Length: > 0 })
            {
                Skip(path);
                continue;
            }

            using HeldFolder folder = Enter(root, FolderOf(path), makes: false);
            string place = folder.In(NameOf(path)), partial = folder.In($".{Guid.NewGuid():n}.partial");
            if (Syscall.symlink(item.Link, partial) < 0)
            {
                throw Failed(ShownOnHost(path), Stdlib.GetLastError());
            }

            if (Stdlib.rename(partial, place) < 0)
            {
                Errno error = Stdlib.GetLastError();
                _ = Syscall.unlink(partial);
                throw Failed(ShownOnHost(path), error);
            }

            _items++;
        }
    }

    /// <summary>What the guest's tar makes of some paths; what else it has is dropped.</summary>
    private async Task<Dictionary<string, TarItem>> ArchiveAsync(IReadOnlyList<string> paths, CancellationToken cancellation)
    {
        HashSet<string> asked = new(paths, StringComparer.Ordinal);
        Dictionary<string, TarItem> found = new(StringComparer.Ordinal);
        try
        {
            GuestCommand command = new("tar") { Arguments = ["-cf", "-", "-C", guestPath, .. paths.Select(path => $"./{path}")] };
            GuestCommandResult archive = await agent.RunAsync(command, null, cancellation).ConfigureAwait(false);
            foreach (TarItem item in TarItem.Read(archive.GetStdOutBytes()).Where(item => asked.Contains(item.Name)))
            {
                found.TryAdd(item.Name, item);
            }
        }
        catch (GuestException refused) when (refused.ErrorId == GuestErrorIds.GuestAgentRefused)
        {
            // There is no tar: files come one by one.
        }

        return found;
    }

    private static IEnumerable<IReadOnlyList<string>> Batches(List<string> paths)
    {
        List<string> batch = [];
        int bytes = 0;
        foreach (string path in paths)
        {
            int more = Encoding.UTF8.GetByteCount(path);
            if (batch.Count == MostFiles || (batch.Count > 0 && bytes + more > MostNames))
            {
                yield return batch;
                (batch, bytes) = ([], 0);
            }

            batch.Add(path);
            bytes += more;
        }

        if (batch.Count > 0)
        {
            yield return batch;
        }
    }

    /// <summary>Goes down to a folder, a step after the other.</summary>
    private HeldFolder Enter(HeldFolder root, string path, bool makes)
    {
        string[] names = path.Length == 0 ? ["."] : path.Split('/');
        HeldFolder at = root;
        for (int i = 0; i < names.Length; i++)
        {
            HeldFolder? next = makes && i == names.Length - 1
                ? at.TryMakeOrEnter(names[i], out Errno error)
                : at.TryEnter(names[i], out error);
            if (at != root)
            {
                at.Dispose();
            }

            at = next ?? throw Failed(ShownOnHost(path), error);
        }

        return at;
    }

    private void Take(long bytes)
    {
        _bytes += bytes;
        if (_bytes > most)
        {
            throw AgentErrors.CopyFailed(guest, $"at most {most} bytes in {Shown}", "more", "Copy a folder whose files have an end.");
        }
    }

    private void Skip(string path) => _skipped.Add(VisibleText.LineOf(path, GuestListing.MostPath));

    private GuestException Failed(string path, Errno error) => AgentErrors.CopyFailed(
        guest,
        $"to write '{path}' of the host",
        Stdlib.strerror(error),
        error is Errno.ELOOP or Errno.ENOTDIR or Errno.EEXIST or Errno.EISDIR or Errno.ENOTEMPTY
            ? "What is there is of another kind, or a link, which is not followed: remove it, or copy to another folder."
            : "See that the folder above is there, can be written, and has room.");

    private HostPlace PlaceOf(HeldFolder folder, string path, bool isProgram) => new(folder.In(NameOf(path)), ShownOnHost(path), isProgram);

    private string ShownOnHost(string path) => VisibleText.Of(Path.Combine(hostPath, path));

    private static string FolderOf(string path) => path[..Math.Max(path.LastIndexOf('/'), 0)];

    private static string NameOf(string path) => path[(path.LastIndexOf('/') + 1)..];
}
