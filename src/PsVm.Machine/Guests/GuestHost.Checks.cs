using PsVm.Machine.Agents;
using PsVm.Machine.Scheduling;
using PsVm.Machine.Templates;

namespace PsVm.Machine.Guests;

/// <content>What would be wrong with something, found out without doing it.</content>
public sealed partial class GuestHost
{
    /// <inheritdoc/>
    public void CheckStart(GuestOptions options, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        GuestAssembly? assembly = options.Pool is null ? _assembler.Open(options) : null;
        if (options.Name is not null)
        {
            _guests.CheckName(options.Name);
        }

        if (assembly is null)
        {
            _pools.CheckTake(options);
        }
        else
        {
            assembly.Check(cancellation);
        }
    }

    /// <inheritdoc/>
    public void CheckRoom(GuestOptions options, int count, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        _assembler.Open(options).CheckRoom(count);
    }

    /// <inheritdoc/>
    public void CheckStartAgain(GuestReference guest, CancellationToken cancellation = default) =>
        _assembler.Open(_guests.FindStopped(guest).Options).Check(cancellation, LifeBefore.Ended);

    /// <inheritdoc/>
    public void CheckRestart(GuestReference guest, CancellationToken cancellation = default)
    {
        LiveGuest found = Find(guest);
        _assembler.Open(found.Options).Check(cancellation, found.HasEnded ? LifeBefore.Ended : LifeBefore.Runs);
    }

    /// <inheritdoc/>
    public void CheckIdentity(CloneIdentity? identity, string? guest) => AgentIdentity.Check(identity, guest);

    /// <inheritdoc/>
    public void CheckNewName(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        _guests.CheckName(name);
    }

    /// <inheritdoc/>
    public void CheckCheckpoint(GuestReference guest, CheckpointOptions options, CancellationToken cancellation = default)
    {
        LiveGuest found = Find(guest);
        found.ThrowIfHeld();
        new Checkpoint(_backends, found, options, FolderCalls).Check();
    }

    /// <inheritdoc/>
    public void CheckChange(GuestReference guest, GuestChange change)
    {
        ArgumentNullException.ThrowIfNull(change);
        LiveGuest found = Find(guest);
        CpuAccount.Check(change.CpuWeight, change.CpuLimit, found.Name);
        OwnMemoryAccount.Check(change.OwnMemoryLimit, found.Name);
        if (change.Name is { } name)
        {
            _guests.CheckName(name, found);
        }
    }

    /// <inheritdoc/>
    public void CheckRemove(GuestReference guest) => _guests.FindStopped(guest);
}
