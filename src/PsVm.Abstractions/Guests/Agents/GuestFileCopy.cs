namespace PsVm;

/// <summary>A file that was copied between host and guest.</summary>
/// <param name="Guest">The guest's name.</param>
/// <param name="GuestPath">The guest's file.</param>
/// <param name="HostPath">The host's file.</param>
/// <param name="Bytes">Its size.</param>
/// <param name="Duration">How long it took.</param>
public sealed record GuestFileCopy(string Guest, string GuestPath, string HostPath, long Bytes, TimeSpan Duration);
