namespace PsVm;

/// <summary>What is done to a guest that takes more memory for itself than it may, or than the host can spare.</summary>
public enum OwnMemoryAction
{
    /// <summary>It is held, and says why (<see cref="GuestInfo.SuspendReason"/>); Resume-Guest lets it go on once there is room.</summary>
    Suspend,

    /// <summary>It is powered off at once, which frees its memory.</summary>
    Stop,
}
