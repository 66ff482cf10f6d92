namespace PsVm.Machine.Guests;

/// <summary>Begins the next lives of guests, in the places of those before.</summary>
/// <param name="guests">Where they have their places.</param>
/// <param name="assembler">Puts them together.</param>
/// <param name="events">Told of reboots.</param>
internal sealed class GuestSuccession(GuestTable guests, GuestAssembler assembler, HostEventLog events)
{
    /// <summary>Puts the next life of a guest together and gives it the guest's place; it does not run yet.</summary>
    /// <param name="ended">The life that has the place.</param>
    /// <param name="clock">Is told of the steps.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <param name="reboots">How often it has rebooted then, if the old one still wants to; 0: an operator starts it.</param>
    /// <param name="reset">It begins as if the life before had not been; null: that one's console goes on.</param>
    /// <returns>Null: the place is no more the old one's to give.</returns>
    public LiveGuest? Succeed(
        LiveGuest ended, StartClock clock, CancellationToken cancellation, int reboots = 0, ResetRequest? reset = null)
    {
        ended.Succession.Wait(cancellation);
        try
        {
            if (!guests.Holds(ended))
            {
                return null;
            }

            // Before the next life is put together: a template brings what was typed and waits.
            ended.Console.DropInput();
            LiveGuest next = assembler.Open(ended.Options).Build(ended.Name, ended, reset, clock, cancellation);
            if (guests.TryReplace(ended, next, reboots, isReset: reset is not null))
            {
                return next;
            }

            next.Discard();
            return null;
        }
        finally
        {
            ended.Succession.Release();
        }
    }

    /// <summary>Begins the next life of a guest that asked for it; not at once where it asks again and again.</summary>
    public async Task RebootAsync(LiveGuest ended)
    {
        try
        {
            int reboots = ended.Description.Reboots + 1;
            await Task.Delay(RebootPace.Delay(ended.Description.Reboots, ended.Uptime)).ConfigureAwait(false);
            if (!ended.IsRebooting)
            {
                return;
            }

            var clock = new StartClock();
            if (Succeed(ended, clock, CancellationToken.None, reboots) is not { } next)
            {
                return;
            }

            events.NoteReboot(next.Description);
            ended.Dispose();
            next.Start(clock, CancellationToken.None);
        }
        catch (Exception failure)
        {
            ended.EndReboot(GuestEnd.ErrorOf(failure, ended.Name));
        }
    }
}
