namespace PsVm.Module.Arguments;

/// <summary>What is done to a guest that takes too much memory: <see cref="PsVm.OwnMemoryAction"/> as an argument.</summary>
/// <param name="value">The value.</param>
public sealed class OwnMemoryAction(PsVm.OwnMemoryAction value) : EnumArgument<PsVm.OwnMemoryAction>(value)
{
    /// <summary>Reads a name, for PowerShell.</summary>
    /// <param name="text">The name, in any case.</param>
    /// <exception cref="ArgumentException">It is none.</exception>
    public static OwnMemoryAction Parse(string text) => new(ValueOf(text));
}
