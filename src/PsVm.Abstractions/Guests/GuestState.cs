namespace PsVm;

/// <summary>Where a guest is in its life.</summary>
public enum GuestState
{
    /// <summary>Its harts run, or wait for an interrupt.</summary>
    Running,

    /// <summary>Held by the operator; goes on with Resume-Guest.</summary>
    Suspended,

    /// <summary>Powered off by itself or by Stop-Guest.</summary>
    Stopped,

    /// <summary>Stopped by an error of the guest or the host; see <see cref="GuestInfo.StopReason"/>.</summary>
    Failed,

    /// <summary>
    /// Its kernel gave up and said so (pvpanic); nothing of it runs any more. <see cref="GuestInfo.StopReason"/> has its last lines, and it
    /// can be started again, reset or removed as one that has stopped.
    /// </summary>
    Panicked,
}
