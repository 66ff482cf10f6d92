namespace PsVm.Module.Arguments;

/// <summary>Where a guest's writes to a disk go: <see cref="PsVm.DiskOverlay"/> as an argument.</summary>
/// <param name="value">The value.</param>
public sealed class DiskOverlay(PsVm.DiskOverlay value) : EnumArgument<PsVm.DiskOverlay>(value)
{
    /// <summary>Reads a name, for PowerShell.</summary>
    /// <param name="text">The name, in any case.</param>
    /// <exception cref="ArgumentException">It is none.</exception>
    public static DiskOverlay Parse(string text) => new(ValueOf(text));
}
