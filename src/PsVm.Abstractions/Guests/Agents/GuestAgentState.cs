namespace PsVm;

/// <summary>Whether an agent in a guest answers.</summary>
public enum GuestAgentState
{
    /// <summary>The guest's machine type has no port for one.</summary>
    NoPort,

    /// <summary>No program of the guest has opened the port.</summary>
    Absent,

    /// <summary>A program has opened the port, and was not asked yet.</summary>
    Unknown,

    /// <summary>It has answered.</summary>
    Answers,

    /// <summary>It has not answered when it was asked last, or nothing that makes sense.</summary>
    Silent,
}
