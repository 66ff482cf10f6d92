namespace PsVm.Module.Arguments;

/// <summary>What happens when guest memory is discarded: <see cref="PsVm.DiscardPolicy"/> as an argument.</summary>
/// <param name="value">The value.</param>
public sealed class DiscardPolicy(PsVm.DiscardPolicy value) : EnumArgument<PsVm.DiscardPolicy>(value)
{
    /// <summary>Reads a name, for PowerShell.</summary>
    /// <param name="text">The name, in any case.</param>
    /// <exception cref="ArgumentException">It is none.</exception>
    public static DiscardPolicy Parse(string text) => new(ValueOf(text));
}
