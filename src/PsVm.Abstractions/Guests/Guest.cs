namespace PsVm;

/// <summary>A handle on a guest: its properties show the guest as it is when they are read.</summary>
/// <remarks>It outlives the guest: once the guest is removed, it goes on showing what was last seen.</remarks>
public sealed class Guest : IEquatable<Guest>
{
    private readonly IGuestHost _host;
    private GuestInfo _last;

    /// <summary>Makes a handle.</summary>
    /// <param name="host">Where the guest lives.</param>
    /// <param name="info">The guest as it is now.</param>
    public Guest(IGuestHost host, GuestInfo info)
    {
        ArgumentNullException.ThrowIfNull(host);
        ArgumentNullException.ThrowIfNull(info);
        _host = host;
        _last = info;
    }

    /// <inheritdoc cref="GuestInfo.Id"/>
    public Guid Id => _last.Id;

    /// <summary>The guest's name.</summary>
    public string Name => Refresh().Name;

    /// <inheritdoc cref="GuestInfo.State"/>
    public GuestState State => Refresh().State;

    /// <inheritdoc cref="GuestInfo.StopReason"/>
    public string? StopReason => Refresh().StopReason;

    /// <inheritdoc cref="GuestInfo.SuspendReason"/>
    public string? SuspendReason => Refresh().SuspendReason;

    /// <inheritdoc cref="GuestInfo.EndedAt"/>
    public DateTimeOffset? EndedAt => Refresh().EndedAt;

    /// <inheritdoc cref="GuestInfo.Failure"/>
    public PsVmError? Failure => Refresh().Failure;

    /// <inheritdoc cref="GuestInfo.MachineType"/>
    public string MachineType => _last.MachineType;

    /// <inheritdoc cref="GuestInfo.Harts"/>
    public int Harts => _last.Harts;

    /// <inheritdoc cref="GuestInfo.Memory"/>
    public long Memory => _last.Memory;

    /// <inheritdoc cref="GuestInfo.Backends"/>
    public IReadOnlyList<MappingOutcome> Backends => Refresh().Backends;

    /// <inheritdoc cref="GuestInfo.Instructions"/>
    public long Instructions => Refresh().Instructions;

    /// <inheritdoc cref="GuestInfo.CpuTime"/>
    public TimeSpan CpuTime => Refresh().CpuTime;

    /// <inheritdoc cref="GuestInfo.CpuWeight"/>
    public int CpuWeight => Refresh().CpuWeight;

    /// <inheritdoc cref="GuestInfo.CpuLimit"/>
    public double? CpuLimit => Refresh().CpuLimit;

    /// <inheritdoc cref="GuestInfo.OwnMemoryLimit"/>
    public long? OwnMemoryLimit => Refresh().OwnMemoryLimit;

    /// <inheritdoc cref="GuestInfo.OwnMemoryAction"/>
    public OwnMemoryAction OwnMemoryAction => Refresh().OwnMemoryAction;

    /// <inheritdoc cref="GuestInfo.StartedAt"/>
    public DateTimeOffset StartedAt => Refresh().StartedAt;

    /// <inheritdoc cref="GuestInfo.Uptime"/>
    public TimeSpan Uptime => Refresh().Uptime;

    /// <inheritdoc cref="GuestInfo.StartLatency"/>
    public TimeSpan StartLatency => Refresh().StartLatency;

    /// <inheritdoc cref="GuestInfo.Reboots"/>
    public int Reboots => Refresh().Reboots;

    /// <inheritdoc cref="GuestInfo.Resets"/>
    public int Resets => Refresh().Resets;

    /// <inheritdoc cref="GuestInfo.Notes"/>
    public string? Notes => Refresh().Notes;

    /// <inheritdoc cref="GuestInfo.Labels"/>
    public IReadOnlyDictionary<string, string> Labels => Refresh().Labels;

    /// <inheritdoc cref="GuestInfo.Agent"/>
    public GuestAgentState Agent => Refresh().Agent;

    /// <inheritdoc cref="GuestInfo.ClockBehind"/>
    public TimeSpan? ClockBehind => Refresh().ClockBehind;

    /// <inheritdoc cref="GuestInfo.IdentityState"/>
    public GuestIdentityState IdentityState => Refresh().IdentityState;

    /// <inheritdoc cref="GuestInfo.ClockSetAt"/>
    public DateTimeOffset? ClockSetAt => Refresh().ClockSetAt;

    /// <inheritdoc cref="GuestInfo.Boot"/>
    public string Boot => _last.Boot;

    /// <inheritdoc cref="GuestInfo.Uuid"/>
    public Guid Uuid => _last.Uuid;

    /// <inheritdoc cref="GuestInfo.Template"/>
    public string? Template => _last.Template;

    /// <inheritdoc cref="GuestInfo.Balloon"/>
    public GuestBalloon? Balloon => Refresh().Balloon;

    /// <inheritdoc cref="GuestInfo.VhostUser"/>
    public IReadOnlyList<GuestVhostUser> VhostUser => Refresh().VhostUser;

    /// <inheritdoc cref="GuestInfo.ConsolePorts"/>
    public IReadOnlyList<GuestConsolePort> ConsolePorts => Refresh().ConsolePorts;

    /// <inheritdoc cref="GuestInfo.Networks"/>
    public IReadOnlyList<GuestNetworkAdapter> Networks => Refresh().Networks;

    /// <inheritdoc cref="GuestBalloon.Available"/>
    public long? Available => Balloon?.Available;

    /// <inheritdoc cref="GuestInfo.Fill"/>
    public GuestFill? Fill => Refresh().Fill;

    /// <summary>All of it at one moment; the properties each ask anew.</summary>
    public GuestInfo GetInfo() => Refresh();

    /// <summary>Both are handles of one guest, whatever each has seen last.</summary>
    public bool Equals(Guest? other) => other is not null && Id == other.Id;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as Guest);

    /// <inheritdoc/>
    public override int GetHashCode() => Id.GetHashCode();

    /// <inheritdoc/>
    public override string ToString() => Name;

    // Only a guest that no longer runs can be removed.
    private GuestInfo Refresh() => _last = Find() ?? _last with
    {
        State = _last.State.IsFailure() ? _last.State : GuestState.Stopped,
    };

    private GuestInfo? Find()
    {
        try
        {
            return _host.Get(_last.Reference);
        }
        catch (GuestException)
        {
            return null;
        }
    }
}
