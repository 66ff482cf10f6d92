namespace PsVm.Memory.Files;

/// <summary>
/// Lets backends that only read the same part of the same file have one descriptor together, as the clones of a template do: a thousand of
/// them are not a thousand open files. Safe to use from several threads.
/// </summary>
/// <remarks>
/// Who asks for the very same of an unchanged file has all that was found out when it was opened (<see cref="Find"/>). Any other opens the
/// file and locks it first, so that what is refused and why stays each one's own (<see cref="Adopt"/>). Once the last has closed it, what
/// was decided is still known.
/// </remarks>
internal sealed class SharedDescriptors
{
    private const int FewestToSweep = 16;

    private readonly Lock _lock = new();
    private readonly Dictionary<Part, OpenedBackend> _open = [];

    // So many may be there before those that were closed are looked for.
    private int _sweepAt = FewestToSweep;

    /// <summary>What was opened for another backend by the same options, shared with it.</summary>
    /// <remarks>
    /// Still true of it is: the path names that file, in which nothing has changed since, its permissions included (stat(2)); the lock that
    /// came with the descriptor keeps writers away; nobody who was let in all the same has left a mark.
    /// </remarks>
    /// <param name="options">What is asked for.</param>
    /// <param name="denyPrivateDiscard">DenyPrivateDiscard is in force.</param>
    /// <param name="decided">What would be decided, where the file has to be opened again; null: that is not known.</param>
    /// <returns>Null: the file has to be opened.</returns>
    public OpenedBackend? Find(MemoryBackendOptions options, bool denyPrivateDiscard, out BackendDecision? decided)
    {
        decided = null;
        if (AsksTheHost(options) || !Path.IsPathFullyQualified(options.Path ?? string.Empty)
            || FileFacts.Identify(options.Path!) is not { } file)
        {
            return null;
        }

        OpenedBackend? known;
        lock (_lock)
        {
            Part part = Part.Of(file, options);
            if (!_open.TryGetValue(part, out known))
            {
                return null;
            }

            if (!IsSame(known, options, denyPrivateDiscard, file))
            {
                return null;
            }

            if (!known.File!.TryShare())
            {
                decided = known.FellBack ? null : known.Decision;
                return null;
            }
        }

        if (RamFileLock.For(options).IsMarkedAgainst(known.File.Fd))
        {
            known.File.Dispose();
            return null;
        }

        return known;
    }

    /// <summary>Closes the file that was opened when another backend has the same one open, and goes on with that.</summary>
    public OpenedBackend Adopt(OpenedBackend opened)
    {
        // Who writes has its lock for itself, and who was let in beside a writer its mark.
        MemoryBackendOptions options = opened.Options;
        if (opened.Decision is not { Kind: BackendKind.File, IsDirectory: false, Mode: FileAccessMode.ReadOnly }
            || options.AllowSharedWriters)
        {
            return opened;
        }

        OpenedBackend adopted = AdoptOrKeep(opened);
        if (adopted.File != opened.File)
        {
            opened.File!.Dispose(); // not under the lock: some file systems ask a server when a file is closed
        }

        return adopted;
    }

    private OpenedBackend AdoptOrKeep(OpenedBackend opened)
    {
        Part part = Part.Of(opened.Facts!.Identity, opened.Options);
        lock (_lock)
        {
            // An inode's number is not used again while somebody has the file open.
            if (_open.TryGetValue(part, out OpenedBackend? known))
            {
                if (known.File == opened.File)
                {
                    return opened; // found, and not opened
                }

                if (known.File!.TryShare())
                {
                    return _open[part] = opened with { File = known.File };
                }
            }

            if (_open.Count >= _sweepAt)
            {
                foreach ((Part closed, OpenedBackend one) in _open)
                {
                    if (one.File!.IsClosed)
                    {
                        _open.Remove(closed);
                    }
                }

                _sweepAt = Math.Max(FewestToSweep, 2 * _open.Count);
            }

            return _open[part] = opened;
        }
    }

    /// <summary>What the options ask for takes more than a file, and the host may have it at one time and not at another.</summary>
    private static bool AsksTheHost(MemoryBackendOptions options) =>
        options.Prealloc || options.Merge || options.HostNodes.Count > 0 || options.AllowSharedWriters;

    private static bool IsSame(OpenedBackend known, MemoryBackendOptions options, bool denyPrivateDiscard, FileIdentity file) =>
        known.Facts!.Identity == file
        && known.Decision.DenyPrivateDiscard == denyPrivateDiscard
        && known.Decision.FileSystem!.IsLocal
        && !(known.Warnings.Count > 0 && known.Warnings.Any(
            warning => warning.Id is MemoryWarningIds.LocksUnavailable or MemoryWarningIds.PrivateMappingOfSharedFile))
        && (ReferenceEquals(known.Options, options) || known.Options == options with { Id = known.Options.Id });

    private readonly record struct Part(ulong Device, ulong Inode, long Offset, long Size)
    {
        public static Part Of(FileIdentity file, MemoryBackendOptions options) =>
            new(file.Device, file.Inode, options.Offset, options.Size);
    }
}
