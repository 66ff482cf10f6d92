using Microsoft.Win32.SafeHandles;
using PsVm.Machine.Devices.VhostUser;
using PsVm.Machine.Devices.Virtio;
using PsVm.Memory;

namespace PsVm.Machine.Board.Slots;

/// <summary>A device that a guest was given and another process works for, over the guest's lives.</summary>
/// <param name="role">Its role.</param>
/// <param name="options">What was asked for, its tag too.</param>
/// <param name="frontEnd">The way to the process, its own from here on.</param>
internal sealed class VhostUserInSlot(string role, GuestVhostUserOptions options, VhostFrontEnd frontEnd) : IGuestDevice
{
    private readonly Lock _gate = new();
    private (GuestRam Ram, VhostBoard Board)? _life;

    /// <inheritdoc/>
    public string Role => role;

    /// <inheritdoc/>
    public void Tell(Action<string> warn) => frontEnd.Tell(warn);

    /// <inheritdoc/>
    public IVirtioDevice Create(VirtioPort port, GuestRam ram)
    {
        VhostBoard board = new(port, ram.Memory.Physical, RegionsOf(ram));
        lock (_gate)
        {
            if (_life is { } before)
            {
                frontEnd.Detach(before.Board);
            }

            _life = (ram, board);
            frontEnd.Attach(board);
        }

        return new VhostUserDevice(frontEnd, board, options.Tag!);
    }

    /// <inheritdoc/>
    public void EndLife(GuestRam ram)
    {
        lock (_gate)
        {
            if (_life is { } life && life.Ram == ram)
            {
                frontEnd.Detach(life.Board);
                _life = null;
            }
        }
    }

    /// <inheritdoc/>
    public void CheckCheckpoint(string guest, bool detach)
    {
        if (!detach)
        {
            throw new GuestException(
                GuestErrorIds.CheckpointDeviceExternal,
                $"Expected devices of guest '{guest}' whose state is this host's, found '{options.Tag}', the work of which "
                    + $"{frontEnd.Daemon.Name} does.",
                guest,
                "Make the template with DetachVhostUser, so that clones have none and their requests to it fail, or of a guest without "
                + "VhostUser; disks (Disk) "
                + "and shared folders (SharedFolder) can be part of one.");
        }
    }

    /// <inheritdoc/>
    public void HoldBack(bool holds) => frontEnd.HoldBack(holds);

    /// <summary>It as it is now.</summary>
    public GuestVhostUser Show()
    {
        (bool isConnected, int losses, string? failure) = frontEnd.State;
        return new GuestVhostUser
        {
            Tag = options.Tag!,
            Kind = options.Kind,
            Path = options.Socket ?? options.Path!,
            Connected = isConnected,
            ProcessId = frontEnd.Daemon.ProcessId,
            Losses = losses,
            LastFailure = failure,
        };
    }

    /// <inheritdoc/>
    public void Dispose() => frontEnd.Dispose();

    // ROM is left out: nobody writes it, and what a driver keeps there is no buffer of its.
    private VhostRegion[] RegionsOf(GuestRam ram)
    {
        (MemoryBackend Backend, ulong Address)[] blocks =
        [
            .. ram.Backends.Zip(ram.Memory.Blocks, (backend, block) => (backend, block.Range.Start))
                .Where(block => !block.backend.Options.ReadOnly),
        ];
        if (blocks.Length > VhostSession.MostRegions)
        {
            throw new GuestException(
                GuestErrorIds.VhostUserOptionConflict,
                $"Device '{options.Tag}': expected at most {VhostSession.MostRegions} memory backends, which is what daemons take, "
                + $"found {blocks.Length}.",
                options.Tag,
                "Give the guest fewer and larger backends.");
        }

        List<VhostRegion> regions = [];
        try
        {
            foreach ((MemoryBackend backend, ulong address) in blocks)
            {
                SafeFileHandle file = backend.ReopenFile() ?? throw new InvalidOperationException(
                    "consumers were checked: the memory is of a file");
                regions.Add(new VhostRegion(address, (ulong)backend.Size, file, (ulong)backend.Options.Offset));
            }

            return [.. regions];
        }
        catch (IOException failure)
        {
            regions.ForEach(region => region.File.Dispose());
            throw new GuestException(
                GuestErrorIds.VhostUserUnavailable,
                $"Device '{options.Tag}': the guest's memory cannot be opened for it: {failure.Message}",
                options.Tag,
                "See to the limit of open files (ulimit -n).", failure);
        }
    }
}
