namespace PsVm.Machine.Guests;

/// <content>Guests that go back to their template.</content>
public sealed partial class GuestHost
{
    /// <inheritdoc/>
    public GuestInfo Reset(GuestReference guest, bool keepIdentity = false, CancellationToken cancellation = default)
    {
        ResetRequest request = new(keepIdentity);
        LiveGuest found = Find(guest);
        GuestReference same = found.Description.Reference;
        found.ThrowIfBooted();
        while (true)
        {
            try
            {
                if (found.HasEnded)
                {
                    if (BeginAgain(found, request, cancellation) is { } next)
                    {
                        found = next;
                        break;
                    }
                }
                else
                {
                    found.Reset(request, cancellation);
                    break;
                }
            }
            catch (GuestException ended) when (ended.ErrorId == GuestErrorIds.GuestStopped)
            {
                // It ends just now.
                found.WaitUntilEnded(cancellation);
            }

            found = Find(same);
        }

        GuestInfo info = found.Info;
        _events.NoteReset(info);
        return info;
    }

    /// <inheritdoc/>
    public void CheckReset(GuestReference guest, CancellationToken cancellation = default)
    {
        LiveGuest found = Find(guest);
        found.CheckReset();
        if (found.HasEnded)
        {
            _assembler.Open(found.Options).Check(cancellation, LifeBefore.Ended);
        }
    }

    /// <summary>Starts one that has ended once more.</summary>
    /// <returns>Null: somebody else has.</returns>
    private LiveGuest? BeginAgain(LiveGuest ended, ResetRequest request, CancellationToken cancellation)
    {
        var clock = new StartClock();
        if (_succession.Succeed(ended, clock, cancellation, reset: request) is not { } next)
        {
            return null;
        }

        ended.Dispose();
        next.Start(clock, cancellation);
        return next;
    }
}
