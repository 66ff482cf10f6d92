namespace PsVm.Machine.Guests;

/// <summary>Who is told of the end of a guest's life. Called once, on any thread.</summary>
/// <param name="Ended">It has stopped or failed.</param>
/// <param name="WantsReboot">Its harts have ended and its RAM is given back, for it to begin again.</param>
/// <param name="Exceeded">It is suspended or stopped because of its memory.</param>
/// <param name="Warned">Something of what it was given goes wrong, as a clause says.</param>
/// <param name="IdentityFailed">It has not become who it is to be, as a clause says.</param>
internal sealed record LifeEvents(
    Action<GuestInfo> Ended, Action<LiveGuest> WantsReboot, Action<GuestInfo, MemoryExcess> Exceeded, Action<GuestInfo, string> Warned,
    Action<GuestInfo, string> IdentityFailed);
