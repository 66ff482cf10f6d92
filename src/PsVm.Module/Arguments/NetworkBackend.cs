namespace PsVm.Module.Arguments;

/// <summary>Where a network adapter's frames go: <see cref="PsVm.NetworkBackend"/> as an argument.</summary>
/// <param name="value">The value.</param>
public sealed class NetworkBackend(PsVm.NetworkBackend value) : EnumArgument<PsVm.NetworkBackend>(value)
{
    /// <summary>Reads a name, for PowerShell.</summary>
    /// <param name="text">The name, in any case.</param>
    /// <exception cref="ArgumentException">It is none.</exception>
    public static NetworkBackend Parse(string text) => new(ValueOf(text));
}
