using System.Formats.Tar;
using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;
using PsVm.Machine.State;

namespace PsVm.Machine.Agents;

/// <summary>
/// Copies a folder of the host into a guest: folders, links and small files in archives that the guest's tar reads, a request each; larger
/// files by the requests for files. Links of the host are never followed, so a guest that shares the folder cannot have others read.
/// </summary>
/// <param name="agent">The guest's agent.</param>
/// <param name="guest">The guest's name.</param>
/// <param name="hostPath">The host's folder.</param>
/// <param name="guestPath">The guest's, which is made where it is not there.</param>
internal sealed class FolderSending(GuestAgent agent, string guest, string hostPath, string guestPath) : IDisposable
{
    private const int SmallBytes = 32 << 10;

    // Of an archive: what ends it, and headers of an entry with a long name and a long link.
    private const int EndBytes = 1024, HeaderBytes = 512 * 5;
    private const UnixFileMode Permissions = (UnixFileMode)0b111_111_111;

    // Says whether tar, which would put folders into the place of links such as /lib, can be told not to.
    private const string Begin = """
        mkdir -p "$1" || exit 1
        command -v tar >/dev/null || { echo 'there is no tar' >&2; exit 127; }
        ! tar --help 2>&1 | grep -q -- --keep-directory-symlink || echo --keep-directory-symlink
        """;

    private readonly MemoryStream _archive = new();
    private readonly List<string> _skipped = [];
    private IReadOnlyList<string> _options = [];
    private TarWriter? _writer;
    private long _bytes;
    private int _items = 1;

    /// <summary>Does it.</summary>
    /// <exception cref="GuestException">It cannot be done.</exception>
    public async Task<GuestFolderCopy> RunAsync(CancellationToken cancellation)
    {
        using HeldFolder root = HeldFolder.TryFollow(hostPath, out Errno error) ?? throw AgentErrors.CopyFailed(
            guest, $"to read the folder '{hostPath}'", Stdlib.strerror(error), "Give the path of a folder that you may read.");
        GuestCommandResult begun = await agent.RunAsync(GuestCommand.Shell(Begin, guestPath), null, cancellation).ConfigureAwait(false);
        ThrowIfFailed(begun);
        _options = begun.StdOut.Length > 0 ? [begun.StdOut] : [];
        await SendAsync(root, string.Empty, cancellation).ConfigureAwait(false);
        await FlushAsync(cancellation).ConfigureAwait(false);
        return new GuestFolderCopy(_bytes, _items) { Skipped = _skipped };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _writer?.Dispose();
        _archive.Dispose();
    }

    private async Task SendAsync(HeldFolder folder, string path, CancellationToken cancellation)
    {
        IEnumerable<string> names = AgentFiles.OnHost(guest, folder.Path, folder.Entries).Select(entry => entry.Name)
            .Order(StringComparer.Ordinal);
        foreach (string name in names)
        {
            cancellation.ThrowIfCancellationRequested();
            string itemPath = path + name;
            FilePermissions kind = Syscall.lstat(folder.In(name), out Stat stat) == 0 ? stat.st_mode & FilePermissions.S_IFMT : 0;
            UnixFileMode mode = (UnixFileMode)stat.st_mode & Permissions;
            if (kind == FilePermissions.S_IFDIR && folder.TryEnter(name, out _) is { } inner)
            {
                using (inner)
                {
                    await AddAsync(new GnuTarEntry(TarEntryType.Directory, itemPath + "/") { Mode = mode }, cancellation)
                        .ConfigureAwait(false);
                    await SendAsync(inner, itemPath + "/", cancellation).ConfigureAwait(false);
                }
            }
            else if (kind == FilePermissions.S_IFLNK && new FileInfo(folder.In(name)).LinkTarget is { } target)
            {
                await AddAsync(new GnuTarEntry(TarEntryType.SymbolicLink, itemPath) { LinkName = target }, cancellation)
                    .ConfigureAwait(false);
            }
            else if (kind == FilePermissions.S_IFREG && TryOpen(folder.In(name)) is { } file)
            {
                await SendFileAsync(file, itemPath, mode, cancellation).ConfigureAwait(false);
            }
            else
            {
                _skipped.Add(VisibleText.LineOf(itemPath, GuestListing.MostPath));
            }
        }
    }

    private async Task SendFileAsync(FileStream file, string path, UnixFileMode mode, CancellationToken cancellation)
    {
        await using (file.ConfigureAwait(false))
        {
            string shown = Path.Combine(hostPath, path);
            byte[] bytes = new byte[(int)Math.Min(file.Length, SmallBytes + 1)];
            int count = await AgentFiles.OnHost(
                guest, shown, () => file.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, cancellation))
                .ConfigureAwait(false);
            bool isSmall = count <= SmallBytes;

            // A large one is empty first, with its mode, and in the place of whatever is there.
            using MemoryStream content = new(bytes, 0, isSmall ? count : 0);
            await AddAsync(new GnuTarEntry(TarEntryType.RegularFile, path) { Mode = mode, DataStream = content }, cancellation)
                .ConfigureAwait(false);
            if (isSmall)
            {
                _bytes += count;
                return;
            }

            await FlushAsync(cancellation).ConfigureAwait(false);
            file.Position = 0;
            _bytes += await AgentFiles.SendAsync(agent, guest, file, shown, $"{guestPath}/{path}", cancellation).ConfigureAwait(false);
        }
    }

    private async Task AddAsync(GnuTarEntry entry, CancellationToken cancellation)
    {
        // Names are told twice when they are long.
        long more = HeaderBytes + (4L * (entry.Name.Length + entry.LinkName.Length)) + (entry.DataStream?.Length ?? 0) + 511;
        if (_archive.Length + more + EndBytes > GuestCommand.MostInput)
        {
            await FlushAsync(cancellation).ConfigureAwait(false);
        }

        _writer ??= new TarWriter(_archive, TarEntryFormat.Gnu, leaveOpen: true);
        await _writer.WriteEntryAsync(entry, cancellation).ConfigureAwait(false);
        _items++;
    }

    /// <summary>Has the guest take what was added.</summary>
    private async Task FlushAsync(CancellationToken cancellation)
    {
        if (_writer is null)
        {
            return;
        }

        await _writer.DisposeAsync().ConfigureAwait(false);
        _writer = null;
        GuestCommand command = new("tar") { Arguments = [.. _options, "-x", "-m", "-f", "-", "-C", guestPath], Input = _archive.ToArray() };
        _archive.SetLength(0);
        ThrowIfFailed(await agent.RunAsync(command, null, cancellation).ConfigureAwait(false));
    }

    /// <summary>A file to read, if it is one now; whatever is there, opening it waits for nobody.</summary>
    private static FileStream? TryOpen(string path)
    {
        int descriptor = Syscall.open(path, OpenFlags.O_RDONLY | OpenFlags.O_NOFOLLOW | OpenFlags.O_NONBLOCK | OpenFlags.O_CLOEXEC);
        if (descriptor < 0)
        {
            return null;
        }

        SafeFileHandle handle = new(descriptor, ownsHandle: true);
        bool isFile = Syscall.fstat(descriptor, out Stat stat) == 0 && (stat.st_mode & FilePermissions.S_IFMT) == FilePermissions.S_IFREG;
        if (isFile)
        {
            return new FileStream(handle, FileAccess.Read, bufferSize: 0);
        }

        handle.Dispose();
        return null;
    }

    private void ThrowIfFailed(GuestCommandResult result)
    {
        if (!result.Succeeded)
        {
            string said = result.StdErr.Split('\n', StringSplitOptions.RemoveEmptyEntries) is [.., string last]
                ? last
                : $"that its end was {result.ExitCode}";
            throw AgentErrors.CopyFailed(
                guest,
                $"guest '{guest}' to write '{VisibleText.Of(guestPath)}'",
                said,
                "See that the guest has tar, room, and no file in the place of a folder.");
        }
    }
}
