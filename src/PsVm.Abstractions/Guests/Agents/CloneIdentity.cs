namespace PsVm;

/// <summary>What a clone's agent changes of its identity after each of its starts and resets, in a template's clone that would else be any other one.</summary>
public sealed record CloneIdentity
{
    /// <summary>Its host name: letters, digits, <c>-._</c>; empty: the guest's name. Null: it stays.</summary>
    public string? HostName { get; init; }

    /// <summary>Its <c>/etc/machine-id</c> is made of the guest's UUID, which no other guest has.</summary>
    public bool MachineId { get; init; }

    /// <summary>Its SSH server has new host keys, by <c>ssh-keygen -A</c> of the guest.</summary>
    public bool SshHostKeys { get; init; }

    /// <summary>What the guest's shell runs at last, with the host name (or the guest's name) as <c>$1</c>; null: nothing.</summary>
    public string? Script { get; init; }
}

/// <summary>Whether a guest has the identity that it was started with.</summary>
public enum GuestIdentityState
{
    /// <summary>None was asked for.</summary>
    None,

    /// <summary>Its agent has not done it yet.</summary>
    Pending,

    /// <summary>It has.</summary>
    Applied,

    /// <summary>It has not: a warning (<c>GuestIdentityFailed</c>) says why.</summary>
    Failed,
}
