namespace PsVm.Module.Arguments;

/// <summary>What a process does for a guest: <see cref="PsVm.VhostUserKind"/> as an argument.</summary>
/// <param name="value">The value.</param>
public sealed class VhostUserKind(PsVm.VhostUserKind value) : EnumArgument<PsVm.VhostUserKind>(value)
{
    /// <summary>Reads a name, for PowerShell.</summary>
    /// <param name="text">The name, in any case.</param>
    /// <exception cref="ArgumentException">It is none.</exception>
    public static VhostUserKind Parse(string text) => new(ValueOf(text));
}
