namespace PsVm.Module.Arguments;

/// <summary>NUMA placement of a backend's pages: <see cref="PsVm.NumaPolicy"/> as an argument.</summary>
/// <param name="value">The value.</param>
public sealed class NumaPolicy(PsVm.NumaPolicy value) : EnumArgument<PsVm.NumaPolicy>(value)
{
    /// <summary>Reads a name, for PowerShell.</summary>
    /// <param name="text">The name, in any case.</param>
    /// <exception cref="ArgumentException">It is none.</exception>
    public static NumaPolicy Parse(string text) => new(ValueOf(text));
}
