using System.Diagnostics;

namespace PsVm.Machine.Guests;

/// <summary>The guests of a host, by name. Safe from any thread.</summary>
internal sealed class GuestTable
{
    private readonly Lock _gate = new();
    private readonly OrderedDictionary<string, LiveGuest> _guests = new(StringComparer.OrdinalIgnoreCase);

    // Names of guests that are being put together.
    private readonly HashSet<string> _claimed = new(StringComparer.OrdinalIgnoreCase);
    private int _lastNumber;
    private bool _closed;

    /// <summary>Its guests, in the order in which they came.</summary>
    public IReadOnlyList<LiveGuest> All
    {
        get
        {
            lock (_gate)
            {
                return [.. _guests.Values];
            }
        }
    }

    /// <summary>Keeps a name for a guest that is being put together.</summary>
    /// <param name="wanted">The name; null: the next of guest1, guest2 and so on.</param>
    /// <returns>The name, until it is given up with <see cref="GiveUp"/>.</returns>
    /// <exception cref="GuestException">No guest can have that name, or one has, or the host is closed.</exception>
    public string Claim(string? wanted)
    {
        lock (_gate)
        {
            ThrowIfClosed(wanted);
            string name = wanted ?? NextName();
            ThrowIfNotFree(name);
            _claimed.Add(name);
            return name;
        }
    }

    /// <summary>Gives up a claim: the guest is in the table, or will not be.</summary>
    public void GiveUp(string claimed)
    {
        lock (_gate)
        {
            _claimed.Remove(claimed);
        }
    }

    /// <summary>Checks that a new guest could have a name.</summary>
    /// <exception cref="GuestException">It could not.</exception>
    public void CheckName(string name)
    {
        lock (_gate)
        {
            ThrowIfNotFree(name);
        }
    }

    /// <summary>Checks that a guest could have another name: its own in other letters, too.</summary>
    /// <exception cref="GuestException">It could not.</exception>
    public void CheckName(string name, LiveGuest guest)
    {
        lock (_gate)
        {
            ThrowIfNotFree(name, guest);
        }
    }

    /// <summary>Adds a guest by the name that was claimed for it.</summary>
    /// <exception cref="GuestException">The host is closed.</exception>
    public void Add(LiveGuest guest)
    {
        lock (_gate)
        {
            ThrowIfClosed(guest.Name);
            _guests.Add(guest.Name, guest);
        }
    }

    /// <summary>Removes a guest.</summary>
    /// <returns>False: it is not there any more, or another life of it is.</returns>
    public bool Remove(LiveGuest guest)
    {
        lock (_gate)
        {
            return IsCurrent(guest) && _guests.Remove(guest.Name);
        }
    }

    /// <summary>Changes what operators say of a guest: of the life that has the place, whose successor takes that over.</summary>
    /// <param name="wanted">The guest.</param>
    /// <param name="name">Its new name; null: the one that it has.</param>
    /// <param name="describe">What else is said of it.</param>
    /// <returns>It, and the name that it had.</returns>
    /// <exception cref="GuestException">There is none, or it cannot have that name.</exception>
    public (LiveGuest Guest, string Before) Change(GuestReference wanted, string? name, Func<GuestInfo, GuestInfo> describe)
    {
        lock (_gate)
        {
            LiveGuest guest = Find(wanted);
            string before = guest.Name;
            if (name is not null && name != before)
            {
                ThrowIfNotFree(name, guest);
                int place = _guests.IndexOf(before);
                Debug.Assert(place >= 0, "A guest has its place under its name.");
                _guests.RemoveAt(place);
                _guests.Insert(place, name, guest);
                guest.Describe(info => info with { Name = name });
            }

            guest.Describe(describe);
            return (guest, before);
        }
    }

    /// <summary>A life of a guest is the one that is in the table, and the host is open.</summary>
    public bool Holds(LiveGuest guest)
    {
        lock (_gate)
        {
            return !_closed && IsCurrent(guest);
        }
    }

    /// <summary>Gives the place of a life of a guest to its next one.</summary>
    /// <param name="ended">The life that has the place.</param>
    /// <param name="next">The next one.</param>
    /// <param name="reboots">How often it has rebooted then, if the old one still wants to; 0: an operator starts it.</param>
    /// <param name="isReset">It begins as if the old one had not been.</param>
    /// <returns>False: the place is no more the old one's to give.</returns>
    public bool TryReplace(LiveGuest ended, LiveGuest next, int reboots, bool isReset)
    {
        lock (_gate)
        {
            if (_closed || !IsCurrent(ended) || (!ended.HandOver() && reboots != 0))
            {
                return false;
            }

            next.TakeOver(ended, reboots, isReset);
            _guests[ended.Name] = next;
            return true;
        }
    }

    /// <summary>Finds a guest; also one that was renamed since the reference was made.</summary>
    /// <exception cref="GuestException">There is none (<see cref="GuestErrorIds.GuestNotFound"/>).</exception>
    public LiveGuest Find(GuestReference wanted)
    {
        ArgumentNullException.ThrowIfNull(wanted.Name, nameof(wanted));
        lock (_gate)
        {
            bool isKnown = _guests.TryGetValue(wanted.Name, out LiveGuest? guest);
            if (isKnown && (wanted.Id is null || wanted.Id == guest!.Description.Id))
            {
                return guest!;
            }

            if (wanted.Id is { } id && _guests.Values.FirstOrDefault(known => known.Description.Id == id) is { } renamed)
            {
                return renamed;
            }

            throw !isKnown ? Missing(wanted.Name) : new GuestException(
                GuestErrorIds.GuestNotFound,
                $"Expected the guest '{wanted.Name}' that has the id {wanted.Id}, found that it was removed and that another one has its "
                    + "name.",
                wanted.Name,
                $"Get the guest that has the name now: Get-Guest '{wanted.Name}'.");
        }
    }

    /// <summary>Finds a guest that has stopped.</summary>
    /// <exception cref="GuestException">There is none, or it has not stopped (<see cref="GuestErrorIds.GuestNotStopped"/>).</exception>
    public LiveGuest FindStopped(GuestReference wanted)
    {
        LiveGuest found = Find(wanted);
        return found.Info.State.IsOver() ? found : throw NotStopped(found);
    }

    /// <summary>Does something with a guest that is off and stays so meanwhile.</summary>
    /// <exception cref="GuestException">There is none, or it has not stopped (<see cref="GuestErrorIds.GuestNotStopped"/>).</exception>
    public T WhileOff<T>(GuestReference guest, Func<LiveGuest, T> work, CancellationToken cancellation)
    {
        LiveGuest found = FindStopped(guest);
        found.Succession.Wait(cancellation);
        try
        {
            if (!Holds(found))
            {
                throw NotStopped(Find(guest)); // somebody has started it again; or, as Find says, removed it
            }

            found.Drain(cancellation);
            return work(found);
        }
        finally
        {
            found.Succession.Release();
        }
    }

    /// <summary>The error of what needs a guest that has stopped.</summary>
    public static GuestException NotStopped(LiveGuest guest) => new(
        GuestErrorIds.GuestNotStopped,
        $"Expected guest '{guest.Name}' to have stopped, found it {(guest.Info.State == GuestState.Suspended ? "suspended" : "running")}.",
        guest.Name,
        $"Stop it first (Stop-Guest '{guest.Name}'); Restart-Guest and Remove-Guest -Force do that themselves.");

    /// <summary>Takes no more guests, and gives up those that it has.</summary>
    /// <returns>They; null: it was closed before.</returns>
    public IReadOnlyList<LiveGuest>? Close()
    {
        lock (_gate)
        {
            if (_closed)
            {
                return null;
            }

            _closed = true;
            LiveGuest[] guests = [.. _guests.Values];
            _guests.Clear();
            return guests;
        }
    }

    private void ThrowIfNotFree(string name, LiveGuest? except = null)
    {
        if (except is not null && _guests.TryGetValue(name, out LiveGuest? holder) && holder == except)
        {
            return;
        }

        GuestNames.Check(name);
        if (IsTaken(name))
        {
            throw Taken(name);
        }
    }

    private GuestException Taken(string name)
    {
        (string does, string action) = _guests.GetValueOrDefault(name)?.Info.State switch
        {
            null => ("is being started", "Choose another name."),
            GuestState.Running => ("runs", $"Use it (Get-Guest '{name}'), or choose another name."),
            GuestState.Suspended => ("is suspended", $"Let it go on (Resume-Guest '{name}'), or choose another name."),
            _ => (
                "has stopped",
                $"Remove it first (Remove-Guest '{name}'), start it again as it was (Start-Guest '{name}'), or choose another name."),
        };
        return new GuestException(
            GuestErrorIds.GuestNameInUse, $"Expected a name that no guest has, found that guest '{name}' {does}.", name, action);
    }

    private string NextName()
    {
        string name;
        do
        {
            name = $"guest{++_lastNumber}";
        }
        while (IsTaken(name));
        return name;
    }

    private bool IsTaken(string name) => _guests.ContainsKey(name) || _claimed.Contains(name);

    private bool IsCurrent(LiveGuest guest) => _guests.TryGetValue(guest.Name, out LiveGuest? current) && current == guest;

    private void ThrowIfClosed(string? name)
    {
        if (_closed)
        {
            throw new GuestException(GuestErrorIds.GuestHostClosed, "Expected an open host of guests, found it closed.", name);
        }
    }

    private GuestException Missing(string name) => new(
        GuestErrorIds.GuestNotFound,
        $"Expected a guest named '{name}', found {(_guests.Count == 1 ? "1 guest" : $"{_guests.Count} guests")}, none of that name."
        + NearestName.Hint(name, _guests.Keys),
        name,
        "List the guests with Get-Guest.");
}
