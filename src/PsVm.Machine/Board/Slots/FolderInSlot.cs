using PsVm.Machine.Devices.Folders;
using PsVm.Machine.Devices.Virtio;

namespace PsVm.Machine.Board.Slots;

/// <summary>A shared folder that a guest was given, or the place of one that its template's guest had.</summary>
/// <param name="role">Its role.</param>
/// <param name="folder">The folder, its own from here on.</param>
/// <param name="options">What was asked for; null: there is none.</param>
internal sealed class FolderInSlot(string role, SharedFolder folder, GuestSharedFolderOptions? options) : IGuestDevice
{
    private volatile GuestSharedFolderOptions? _options = options;

    /// <inheritdoc/>
    public string Role => role;

    /// <summary>What guest and templates know it by.</summary>
    public string Tag => folder.Tag;

    /// <summary>What was asked for, its tag too; null: there is no folder.</summary>
    public GuestSharedFolderOptions? Options => _options;

    /// <inheritdoc/>
    public void Tell(Action<string> warn)
    {
        folder.Failed = failure => warn($"shared folder '{folder.Tag}': {failure}");
        if (_options is null)
        {
            warn(
                $"it has a slot for shared folder '{folder.Tag}' and no folder there: mounts of it give errors (ESTALE, EIO). "
                + "Add-GuestSharedFolder "
                + "gives it one, or SharedFolder when it is started");
        }
    }

    /// <inheritdoc/>
    public IVirtioDevice Create(VirtioPort port, GuestRam ram) => new Virtio9p(port, folder);

    /// <summary>Gives the slot another folder, or none; nothing is under way, and what the guest has open is looked up in that.</summary>
    /// <param name="server">The folder, its own from here on.</param>
    /// <param name="options">What was asked for; null: there is none.</param>
    public void Exchange(IFolderServer server, GuestSharedFolderOptions? options)
    {
        folder.Exchange(server);
        _options = options;
    }

    /// <summary>It as it is now.</summary>
    /// <param name="guest">The guest's name.</param>
    public GuestSharedFolder Show(string guest)
    {
        (long requests, long read, long written, long failures, uint lastFailure) = folder.Counts;
        GuestSharedFolderOptions? options = _options;
        return new GuestSharedFolder
        {
            Guest = guest,
            Tag = folder.Tag,
            Path = options?.Path,
            ReadOnly = options?.ReadOnly ?? false,
            Owners = options?.Owners ?? default,
            Reason = options switch
            {
                null => "the guest has a slot of this tag, and was given no folder for it",
                { ReadOnly: true } => "ReadOnly was asked for: the guest reads",
                _ => "ReadOnly was not asked for: the guest reads and writes",
            },
            Requests = requests,
            ReadBytes = read,
            WrittenBytes = written,
            Failures = failures,
            LastFailure = SharedFolder.DescribeOrNull(lastFailure),
        };
    }

    /// <inheritdoc/>
    public void Dispose() => folder.Dispose();
}
