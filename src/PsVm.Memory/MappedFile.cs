namespace PsVm.Memory;

/// <summary>A file that guest RAM is mapped from.</summary>
/// <param name="Path">The path that it was opened by; null: it has none.</param>
/// <param name="Identity">Which file it is, and in what state; null: there is none, or it cannot be looked at.</param>
public readonly record struct MappedFile(string? Path, FileIdentity? Identity);
