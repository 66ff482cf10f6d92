namespace PsVm.Module.Arguments;

/// <summary>What a backend's bytes are: <see cref="PsVm.BackendKind"/> as an argument.</summary>
/// <param name="value">The value.</param>
public sealed class BackendKind(PsVm.BackendKind value) : EnumArgument<PsVm.BackendKind>(value)
{
    /// <summary>Reads a name, for PowerShell.</summary>
    /// <param name="text">The name, in any case.</param>
    /// <exception cref="ArgumentException">It is none.</exception>
    public static BackendKind Parse(string text) => new(ValueOf(text));
}
