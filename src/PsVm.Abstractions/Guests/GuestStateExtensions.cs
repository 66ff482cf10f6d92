namespace PsVm;

/// <summary>What the states of guests have in common.</summary>
public static class GuestStateExtensions
{
    /// <summary>Whether its life has ended, and nothing of it runs any more.</summary>
    /// <param name="state">The state.</param>
    public static bool IsOver(this GuestState state) => state is GuestState.Stopped || state.IsFailure();

    /// <summary>
    /// Whether its life has ended as nobody wanted it to: <see cref="GuestState.Failed"/> or <see cref="GuestState.Panicked"/>.
    /// </summary>
    /// <param name="state">The state.</param>
    public static bool IsFailure(this GuestState state) => state is GuestState.Failed or GuestState.Panicked;
}
