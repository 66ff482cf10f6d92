namespace PsVm.Module.Completion;

/// <summary>A value that an argument could have.</summary>
/// <param name="Value">As it would be typed, without quotes.</param>
/// <param name="Tooltip">What it is, or what it does, in a line.</param>
internal sealed record Choice(string Value, string Tooltip);
