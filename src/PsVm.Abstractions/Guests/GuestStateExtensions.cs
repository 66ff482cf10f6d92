namespace PsVm;

/// <summary>What the states of guests have in common.</summary>
public static class GuestStateExtensions
{
    /// <summary>Whether its life has ended, <see cref="GuestState.Stopped"/> or <see cref="GuestState.Failed"/>: nothing of it runs any more.</summary>
    /// <param name="state">The state.</param>
    public static bool IsOver(this GuestState state) => state is GuestState.Stopped or GuestState.Failed;
}
