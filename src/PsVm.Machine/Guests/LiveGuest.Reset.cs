using PsVm.Machine.Board;
using PsVm.Machine.Scheduling;
using PsVm.Machine.Templates;

namespace PsVm.Machine.Guests;

/// <content>Going back to where it began, in place.</content>
/// <remarks>
/// RAM, console and CPU account stay; the board with its harts and devices is a new one, brought to the template's state as that of a new
/// clone is. So no translation, reservation, timer or line of the life before can be left, whatever devices a board has.
/// </remarks>
internal sealed partial class LiveGuest
{
    /// <summary>It has ended for good, or to begin again.</summary>
    public bool HasEnded => _life.HasEnded;

    /// <summary>Puts it back to where its template ends; it goes on from there, running or suspended as it was.</summary>
    /// <param name="request">What is asked.</param>
    /// <param name="cancellation">Gives up; the guest is as it was.</param>
    /// <exception cref="GuestException">
    /// It booted, it has stopped, it is being checkpointed, or what it began from has changed: it is as it was.
    /// </exception>
    /// <exception cref="MemoryBackendException">
    /// A page of its RAM could not be had, or the kernel refused to give it back: it fails.
    /// </exception>
    public void Reset(ResetRequest request, CancellationToken cancellation)
    {
        ThrowIfBooted();
        _hold.Alone(stop => GoBack(request, stop), cancellation);
        SetClockSoon();
        BecomeSoon();
    }

    /// <summary>Finds out whether it could be put back to a template, now or once it has ended.</summary>
    /// <exception cref="GuestException">It booted, or is being checkpointed.</exception>
    public void CheckReset()
    {
        ThrowIfBooted();
        if (!_life.IsEnding)
        {
            _hold.ThrowIfHeld();
            CheckFiles();
        }
    }

    /// <summary>What it had too much of is gone: where the host has suspended it for that, it goes on.</summary>
    private void LiftSuspension()
    {
        if (_memory.IsStopped)
        {
            _memory.GoOn();
            _life.ChangeTo(GuestState.Running);
        }
    }

    /// <summary>Waits until its harts have ended, which they have been told to.</summary>
    public void WaitUntilEnded(CancellationToken cancellation)
    {
        HartGroup waited;
        do
        {
            waited = _machine.Harts;
            waited.WaitUntilEnded(cancellation);
        }
        while (waited != _machine.Harts); // a reset has put others in their place, which have been told to end as well
    }

    /// <summary>Throws when there is no template to go back to.</summary>
    /// <exception cref="GuestException">It booted (<see cref="GuestErrorIds.ResetNotClone"/>).</exception>
    public void ThrowIfBooted()
    {
        if (_template is null)
        {
            throw new GuestException(
                GuestErrorIds.ResetNotClone,
                $"Expected a guest that began from a template, found that '{Name}' booted.",
                Name,
                "Start it anew with Restart-Guest, or make a template of it with Checkpoint-Guest and start clones.");
        }
    }

    /// <summary>The harts are held: puts RAM back and a new board in the place of the old one.</summary>
    private void GoBack(ResetRequest request, CancellationToken cancellation)
    {
        CheckFiles();
        GuestBoard board = MakeBoard();
        try
        {
            board.Pause();
            HartGroup harts = MakeHarts(board, CpuAccount);
            harts.Keep(); // until this is over, as those that they take the place of
            cancellation.ThrowIfCancellationRequested();

            // From here on it cannot be as it was.
            Console.Cut();
            _template!.State.Restore(board, _template.Template.Devices, request.KeepIdentity);
            RamReset.Show(_ram);
            (board, harts) = _machine.Exchange(board, harts);
            harts.Abandon();
            MeetAgent(_machine.Board);
            _meter.BeginAgain();
            LiftSuspension();
            Describe(info => info with { StartedAt = DateTimeOffset.UtcNow, Resets = info.Resets + 1 });
        }
        catch (Exception failure) when (failure is not OperationCanceledException)
        {
            OnHartFailed(failure);
            throw;
        }
        finally
        {
            // The old one, or the new one where something failed.
            _ram.WhileNobodyTells(board.Dispose);
        }
    }
}
