using PsVm.Machine.Agents;

namespace PsVm.Machine.Guests;

/// <summary>The agents in a host's guests.</summary>
/// <param name="find">Finds a guest.</param>
internal sealed class GuestAgents(Func<GuestReference, LiveGuest> find) : IGuestAgents
{
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(20), s_addressPause = TimeSpan.FromMilliseconds(100);

    /// <inheritdoc/>
    public Task<GuestCommandResult> RunAsync(
        GuestReference guest, GuestCommand command, Action<GuestCommandOutput>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(command);
        return Find(guest).Agent.RunAsync(command, progress, cancellation);
    }

    /// <inheritdoc/>
    public Task<long> CopyToAsync(GuestReference guest, string hostPath, string guestPath, CancellationToken cancellation = default)
    {
        (GuestAgent agent, string name) = Find(guest);
        return AgentFiles.CopyToAsync(agent, name, hostPath, guestPath, cancellation);
    }

    /// <inheritdoc/>
    public Task<long> CopyFromAsync(
        GuestReference guest, string guestPath, string hostPath, long most, CancellationToken cancellation = default)
    {
        (GuestAgent agent, string name) = Find(guest);
        return AgentFiles.CopyFromAsync(agent, name, guestPath, hostPath, most, cancellation);
    }

    /// <inheritdoc/>
    public async Task<GuestFolderCopy> CopyFolderToAsync(
        GuestReference guest, string hostPath, string guestPath, CancellationToken cancellation = default)
    {
        (GuestAgent agent, string name) = Find(guest);
        using FolderSending sending = new(agent, name, hostPath, guestPath);
        return await sending.RunAsync(cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public Task<GuestFolderCopy> CopyFolderFromAsync(
        GuestReference guest, string guestPath, string hostPath, long most, CancellationToken cancellation = default)
    {
        (GuestAgent agent, string name) = Find(guest);
        return new FolderFetching(agent, name, guestPath, hostPath, most).RunAsync(cancellation);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<GuestNetworkInterface>> GetNetworkAsync(GuestReference guest, CancellationToken cancellation = default) =>
        Find(guest).Agent.GetNetworkAsync(cancellation);

    /// <inheritdoc/>
    public Task<bool> WaitAsync(GuestReference guest, TimeSpan timeout, CancellationToken cancellation = default) =>
        WaitAsync(guest, (agent, over) => agent.AnswersAsync(over), s_pause, timeout, cancellation);

    /// <inheritdoc/>
    public Task<bool> WaitForAddressAsync(GuestReference guest, TimeSpan timeout, CancellationToken cancellation = default) =>
        WaitAsync(guest, (agent, over) => agent.HasAddressAsync(over), s_addressPause, timeout, cancellation);

    private async Task<bool> WaitAsync(
        GuestReference guest,
        Func<GuestAgent, CancellationToken, Task<bool>> isReached,
        TimeSpan pause,
        TimeSpan timeout,
        CancellationToken cancellation)
    {
        using CancellationTokenSource over = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        over.CancelAfter(timeout);
        GuestReference same = find(guest).Description.Reference;
        try
        {
            while (true)
            {
                LiveGuest found = find(same);
                if (found is { HasEnded: true, IsRebooting: false })
                {
                    return false;
                }

                GuestAgent agent = found.Agent ?? throw AgentErrors.NoPort(found.Name, found.Info.MachineType);
                if (found.IdentityState != GuestIdentityState.Pending && await isReached(agent, over.Token).ConfigureAwait(false))
                {
                    return true;
                }

                // Until a program opens the port: nobody counts milliseconds of a boot.
                await Task.Delay(pause, over.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return false;
        }
    }

    /// <inheritdoc/>
    public void Check(GuestReference guest)
    {
        (GuestAgent agent, string name) = Find(guest);
        if (agent.State == GuestAgentState.Absent)
        {
            throw AgentErrors.Absent(name);
        }
    }

    private (GuestAgent Agent, string Name) Find(GuestReference guest)
    {
        LiveGuest found = find(guest);
        found.ThrowIfEnded();
        GuestInfo info = found.Info;
        return info.State == GuestState.Suspended
            ? throw new GuestException(
                GuestErrorIds.GuestSuspended,
                $"Expected guest '{info.Name}' to run, found that it is suspended.",
                info.Name,
                "Resume-Guest lets it go on.")
            : (found.Agent ?? throw AgentErrors.NoPort(info.Name, info.MachineType), info.Name);
    }
}
