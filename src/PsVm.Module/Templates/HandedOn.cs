using PsVm.Module.Output;

namespace PsVm.Module.Templates;

/// <summary>Guests on their way down the pipeline: nobody knows of those that are not taken when it ends.</summary>
internal sealed class HandedOn(IGuestHost host, ICmdletOutput output)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<Guid, GuestReference> _waiting = [];

    /// <summary>Hands a guest on.</summary>
    public void Write(GuestInfo guest)
    {
        lock (_gate)
        {
            _waiting.Add(guest.Id, guest.Reference);
        }

        output.WriteObject(new Guest(host, guest), () =>
        {
            lock (_gate)
            {
                _waiting.Remove(guest.Id);
            }
        });
    }

    /// <summary>Stops and removes those that were not taken.</summary>
    public void RemoveRest()
    {
        GuestReference[] rest;
        lock (_gate)
        {
            rest = [.. _waiting.Values];
        }

        foreach (GuestReference guest in rest)
        {
            try
            {
                host.Stop(guest, CancellationToken.None);
                host.Remove(guest, CancellationToken.None);
            }
            catch (GuestException)
            {
                // Somebody else was faster.
            }
        }
    }
}
