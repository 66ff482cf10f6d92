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

    /// <summary>For memory as <see cref="Virt11"/>.</summary>
    public const string Virt13 = "virt-1.3";

    /// <summary>For memory as <see cref="Virt11"/>.</summary>
    public const string Virt14 = "virt-1.4";

    /// <summary>The version of a guest that boots with devices in slots, where none is named.</summary>
    public const string WithSlots = Virt14;

    private static readonly string[] s_versions = [Virt10, Virt11, Virt12, Virt13, Virt14];

    /// <summary>The versioned names, oldest first.</summary>
    public static IReadOnlyList<string> Versions { get; } = s_versions.AsReadOnly();

    /// <summary>The versioned name that a name or the alias stands for; null when there is none.</summary>
    /// <remarks>Case does not count.</remarks>
    public static string? Resolve(string name)
    {
        if (Alias.Equals(name, StringComparison.OrdinalIgnoreCase))
        {
            return Virt11;
        }

        foreach (string version in s_versions)
        {
            if (version.Equals(name, StringComparison.OrdinalIgnoreCase))
            {
                return version;
            }
        }

        return null;
    }

    internal static BackendError Unknown(string name) => new(
        MemoryErrorIds.UnknownMachineType,
        $"Machine type '{name}' is not known; expected {Alias}, {string.Join(", ", Versions.SkipLast(1))} or "
            + $"{Versions[^1]}.{NearestName.Hint(name, Versions)}",
        $"Use {Alias} for {Virt11}.");
}
