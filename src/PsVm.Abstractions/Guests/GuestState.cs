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
}
