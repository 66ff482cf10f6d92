using System.Globalization;

namespace PsVm;

/// <summary>
/// What a clone's agent changes of its identity after each of its starts and resets, in a template's clone that would else be any other
/// one.
/// </summary>
public sealed record CloneIdentity
{
    /// <summary>
    /// Its host name: letters, digits, <c>-._</c>; empty: the guest's name. Null: it stays. A pool's clones have it as a composite format,
    /// in which <c>{0}</c> is the number of the clone.
    /// </summary>
    public string? HostName { get; init; }

    /// <summary>Its <c>/etc/machine-id</c> is made of the guest's UUID, which no other guest has.</summary>
    public bool MachineId { get; init; }

    /// <summary>Its SSH server has new host keys, by <c>ssh-keygen -A</c> of the guest.</summary>
    public bool SshHostKeys { get; init; }

    /// <summary>The address of its first network adapter, with the length of its prefix, such as <c>10.0.0.7/24</c>, instead of those that
    /// it had; null: they stay. A pool's clones have it as a composite format, too.</summary>
    public string? Address { get; init; }

    /// <summary>Where what is for elsewhere goes, with an <see cref="Address"/>; null: that stays.</summary>
    public string? Gateway { get; init; }

    /// <summary>What the guest's shell runs at last, with the host name (or the guest's name) as <c>$1</c>; null: nothing.</summary>
    public string? Script { get; init; }

    /// <summary>That of one clone, whose number its host name and its address have.</summary>
    /// <param name="number">The number, from 1 on.</param>
    /// <exception cref="FormatException">One of them is no composite format.</exception>
    public CloneIdentity WithNumber(long number) => this with
    {
        HostName = HostName is null ? null : string.Format(CultureInfo.InvariantCulture, HostName, number),
        Address = Address is null ? null : string.Format(CultureInfo.InvariantCulture, Address, number),
    };
}

/// <summary>Whether a guest has the identity that it was started with.</summary>
public enum GuestIdentityState
{
    /// <summary>Nothing was asked for, and no network adapter has another address than in its template.</summary>
    None,

    /// <summary>Its agent has not done it yet.</summary>
    Pending,

    /// <summary>It has.</summary>
    Applied,

    /// <summary>It has not: a warning (<c>GuestIdentityFailed</c>) says why.</summary>
    Failed,
}
