using System.Management.Automation;

namespace PsVm.Module.Output;

/// <summary>What tables show that is no property of an object as it stands: columns of PsVm.Types.ps1xml, which asks here.</summary>
/// <remarks>PowerShell wants such methods public, and compiles them sooner than a script: it reads them at import.</remarks>
public static class Columns
{
    private const string HiddenEnd = ".partial";
    private const int HiddenRest = 33 + 8; // .RANDOM and that end

    /// <summary>Where a backend's bytes come from: its path, or its kind.</summary>
    /// <param name="backend">A <see cref="MemoryBackendInfo"/>.</param>
    public static string? Backing(PSObject backend) =>
        Of(backend) is MemoryBackendInfo info ? string.IsNullOrEmpty(info.Path) ? $"{info.Kind}" : info.Path : null;

    /// <summary>Why a backend would be as it would be, or the ids of what is wrong.</summary>
    /// <param name="report">A <see cref="BackendReport"/>.</param>
    public static string? ReasonOrError(PSObject report) =>
        Of(report) is BackendReport found ? found.IsValid ? found.Reason : string.Join(", ", found.Errors.Select(error => error.Id)) : null;

    /// <summary>What a guest runs, or why it stopped or the host suspended it.</summary>
    /// <param name="guest">A <see cref="Guest"/> or its state.</param>
    public static string? Detail(PSObject guest) => Info(guest) is { } info
        ? !string.IsNullOrEmpty(info.StopReason) ? info.StopReason
            : !string.IsNullOrEmpty(info.SuspendReason) ? info.SuspendReason
            : info.Template is { Length: > 0 } path ? Origin(Path.GetFileName(path)) : info.Boot
        : null;

    /// <summary>CPU time in seconds.</summary>
    /// <param name="guest">A guest, its state or its measurement.</param>
    public static double? CpuSeconds(PSObject guest) =>
        (Of(guest) as GuestMeasurement)?.CpuTime.TotalSeconds ?? Info(guest)?.CpuTime.TotalSeconds;

    /// <summary>Instructions retired, in millions.</summary>
    /// <param name="guest">A guest, its state or its measurement.</param>
    public static double? MegaInstructions(PSObject guest) =>
        ((Of(guest) as GuestMeasurement)?.Instructions ?? Info(guest)?.Instructions) / 1e6;

    /// <summary>Millions of instructions per second.</summary>
    /// <param name="measurement">A <see cref="GuestMeasurement"/>.</param>
    public static double? MegaInstructionsPerSecond(PSObject measurement) =>
        (Of(measurement) as GuestMeasurement)?.InstructionsPerSecond / 1e6;

    /// <summary>How often harts waited for an interrupt.</summary>
    /// <param name="measurement">A <see cref="GuestMeasurement"/>.</param>
    public static long? WaitsForInterrupt(PSObject measurement) => (Of(measurement) as GuestMeasurement)?.Exits.WaitForInterrupt;

    /// <summary>How often devices were accessed.</summary>
    /// <param name="measurement">A <see cref="GuestMeasurement"/>.</param>
    public static long? DeviceAccesses(PSObject measurement) => (Of(measurement) as GuestMeasurement)?.Exits.DeviceAccesses;

    /// <summary>How often the firmware was called.</summary>
    /// <param name="measurement">A <see cref="GuestMeasurement"/>.</param>
    public static long? SbiCalls(PSObject measurement) => (Of(measurement) as GuestMeasurement)?.Exits.SbiCalls;

    // The template of copies, which Copy-Guest hides, is in a folder .NAME.RANDOM.partial.
    private static string Origin(string template) =>
        template.StartsWith('.') && template.EndsWith(HiddenEnd, StringComparison.Ordinal) && template.Length > HiddenRest + 1
            ? $"copy of {template[1..^HiddenRest]}"
            : $"template {template}";

    private static object? Of(PSObject? value) => value?.BaseObject;

    internal static GuestInfo? Info(PSObject? value) => Of(value) switch
    {
        Guest guest => guest.GetInfo(),
        var other => other as GuestInfo,
    };
}
