namespace PsVm.Memory.Options;

/// <summary>The versioned machine types whose defaults apply to backends.</summary>
/// <remarks>Source: memory-backends rules, section 2.</remarks>
public static class MachineTypes
{
    /// <summary>The alias of the version that is used when none is named, <see cref="Virt11"/>.</summary>
    public const string Alias = "virt";

    /// <summary>Behaves as before FileAccessMode existed: private writable memory opens its file ReadWrite.</summary>
    public const string Virt10 = "virt-1.0";

    /// <summary>Uses the decision table of FileAccessMode.</summary>
    public const string Virt11 = "virt-1.1";

    /// <summary>For memory as <see cref="Virt11"/>.</summary>
    public const string Virt12 = "virt-1.2";

    /// <summary>The versioned names, oldest first.</summary>
    public static IReadOnlyList<string> Versions { get; } = [Virt10, Virt11, Virt12];

    /// <summary>The versioned name that a name or the alias stands for; null when there is none.</summary>
    /// <remarks>Case does not count.</remarks>
    public static string? Resolve(string name) =>
        Alias.Equals(name, StringComparison.OrdinalIgnoreCase)
            ? Virt11
            : Versions.FirstOrDefault(version => version.Equals(name, StringComparison.OrdinalIgnoreCase));

    internal static BackendError Unknown(string name) => new(
        MemoryErrorIds.UnknownMachineType,
        $"Machine type '{name}' is not known; expected {Alias}, {string.Join(", ", Versions.SkipLast(1))} or {Versions[^1]}.",
        $"Use {Alias} for {Virt11}.");
}
