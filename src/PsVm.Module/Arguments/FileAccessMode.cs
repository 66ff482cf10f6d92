namespace PsVm.Module.Arguments;

/// <summary>How the file behind a backend is opened: <see cref="PsVm.FileAccessMode"/> as an argument.</summary>
/// <param name="value">The value.</param>
public sealed class FileAccessMode(PsVm.FileAccessMode value) : EnumArgument<PsVm.FileAccessMode>(value)
{
    /// <summary>Reads a name, for PowerShell.</summary>
    /// <param name="text">The name, in any case.</param>
    /// <exception cref="ArgumentException">It is none.</exception>
    public static FileAccessMode Parse(string text) => new(ValueOf(text));
}
