using PsVm.Machine.Devices.Virtio;
using PsVm.Machine.Devices.Virtio.Balloon;

namespace PsVm.Machine.Board.Slots;

/// <summary>Balloons: a guest has one where it is asked for, and a clone where its template's guest had one.</summary>
internal sealed class BalloonKind : IGuestDeviceKind
{
    public const string Role = "balloon";

    private static readonly MemoryConsumer[] s_consumers = [MemoryConsumer.Balloon, MemoryConsumer.FreePageReporting];

    public IEnumerable<GuestDevicePlan> Plan(GuestOptions options, GuestTemplate? template) =>
        options.Balloon ?? template?.Slots.Contains(Role) ?? false
            ? [new GuestDevicePlan(Role, _ => new BalloonDevice()) { Consumers = s_consumers }]
            : [];

    public Func<VirtioPort, IVirtioDevice>? Show(string role, GuestTemplate template) =>
        role == Role ? port => new VirtioBalloon(port, null) : null;
}

/// <summary>A guest's balloon, over its lives.</summary>
internal sealed class BalloonDevice : IGuestDevice
{
    private volatile VirtioBalloon? _device;

    public string Role => BalloonKind.Role;

    public IVirtioDevice Create(VirtioPort port, GuestRam ram)
    {
        // What an operator wants of a guest is wanted of its next life, too; a template's state says what was wanted then.
        VirtioBalloon made = new(port, new BalloonRam(ram), _device?.Wanted ?? 0);
        _device = made;
        return made;
    }

    /// <summary>Has the guest give up pages, or take them back, until it has so much RAM for itself.</summary>
    /// <param name="target">Bytes, at most <paramref name="memory"/>.</param>
    /// <param name="memory">Bytes of RAM that it has.</param>
    public void SetTarget(long target, long memory) => _device?.Want((uint)((memory - target) / GuestBalloon.PageSize));

    /// <summary>Has the guest say how its memory is, soon.</summary>
    public void AskForStatistics() => _device?.AskForStatistics();

    /// <summary>Bytes of RAM that the guest used, and could not free for the balloon, when it said so last; 0: it has not.</summary>
    /// <param name="memory">Bytes of RAM that the guest has.</param>
    public long Needs(long memory) => _device?.Statistics is { } told && told.Get(BalloonTag.Available, memory) is { } available
        ? Math.Max(0, memory - (told.Pages * GuestBalloon.PageSize) - available)
        : 0;

    /// <summary>The balloon as it is now.</summary>
    /// <param name="memory">Bytes of RAM that the guest has.</param>
    public GuestBalloon Show(long memory)
    {
        if (_device is not { } device)
        {
            return new GuestBalloon { Target = memory };
        }

        BalloonStatistics? told = device.Statistics;
        return new GuestBalloon
        {
            HasDriver = device.HasDriver,
            Size = device.Pages * GuestBalloon.PageSize,
            Target = Math.Max(0, memory - ((long)device.Wanted * GuestBalloon.PageSize)),
            GivenBack = device.Freed,
            Refused = device.Refused,
            Total = told?.Get(BalloonTag.Total, memory),
            Free = told?.Get(BalloonTag.Free, memory),
            Available = told?.Get(BalloonTag.Available, memory),
            Caches = told?.Get(BalloonTag.Caches, memory),
            SwappedIn = told?.Get(BalloonTag.SwappedIn),
            SwappedOut = told?.Get(BalloonTag.SwappedOut),
            MajorFaults = told?.Get(BalloonTag.MajorFaults),
            MinorFaults = told?.Get(BalloonTag.MinorFaults),
            ToldAt = told?.ToldAt,
        };
    }

    public void Dispose()
    {
    }
}
