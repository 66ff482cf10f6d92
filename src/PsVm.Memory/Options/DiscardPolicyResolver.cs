namespace PsVm.Memory.Options;

/// <summary>What a mapping is to a discard.</summary>
internal enum MappingKind
{
    Shared,
    PrivateFile,
    Anonymous,
}

/// <summary>The discard policy in force, or why the one asked for is impossible.</summary>
/// <param name="Policy">The policy (Auto: pages of anonymous memory are dropped); null when <paramref name="Error"/> is set.</param>
/// <param name="Warning">What the operator should know; null for nothing.</param>
/// <param name="Error">Why the policy is impossible; null when it is not.</param>
internal sealed record DiscardPolicyResolution(DiscardPolicy? Policy, BackendWarning? Warning, BackendError? Error);

/// <summary>Decides what a discard does on a mapping (memory-backends rules, section 5). Pure.</summary>
internal static class DiscardPolicyResolver
{
    public static MappingKind KindOf(BackendKind kind, bool share) =>
        kind == BackendKind.Anonymous ? MappingKind.Anonymous : share ? MappingKind.Shared : MappingKind.PrivateFile;

    public static DiscardPolicyResolution Resolve(
        DiscardPolicy requested, MappingKind mapping, FileAccessMode fileMode, bool denyPrivateDiscard)
    {
        if (requested == DiscardPolicy.Deny)
        {
            return new(DiscardPolicy.Deny, null, null);
        }

        return mapping switch
        {
            MappingKind.Anonymous => Anonymous(requested),
            MappingKind.Shared => Shared(requested, fileMode),
            _ => PrivateFile(requested, fileMode, denyPrivateDiscard),
        };
    }

    private static DiscardPolicyResolution Anonymous(DiscardPolicy requested) => requested == DiscardPolicy.RestoreTemplate
        ? Refused(
            MemoryErrorIds.RestoreTemplateNeedsFile,
            "DiscardPolicy RestoreTemplate on anonymous memory: there is no file whose content could show again.",
            "Use Auto, or give a Path.")
        : new(DiscardPolicy.Auto, null, null);

    private static DiscardPolicyResolution Shared(DiscardPolicy requested, FileAccessMode fileMode) => requested switch
    {
        DiscardPolicy.ZeroOverlay or DiscardPolicy.RestoreTemplate => Refused(
            MemoryErrorIds.DiscardPolicyNeedsPrivateMapping,
            $"DiscardPolicy {requested} on a shared mapping: it needs a private one.",
            "Use Auto or PunchHole, or leave out Share."),
        DiscardPolicy.PunchHole when fileMode == FileAccessMode.ReadOnly => PunchHoleOnReadOnlyFile(),
        // Shared read-only memory holds nothing but the file's own pages.
        DiscardPolicy.Auto when fileMode == FileAccessMode.ReadOnly => new(DiscardPolicy.Deny, null, null),
        _ => new(DiscardPolicy.PunchHole, null, null),
    };

    private static DiscardPolicyResolution PrivateFile(DiscardPolicy requested, FileAccessMode fileMode, bool denyPrivateDiscard)
    {
        if (requested == DiscardPolicy.PunchHole && fileMode == FileAccessMode.ReadOnly)
        {
            return PunchHoleOnReadOnlyFile();
        }

        if (denyPrivateDiscard)
        {
            var overridden = requested == DiscardPolicy.Auto ? null : new BackendWarning(
                MemoryWarningIds.DiscardPolicyOverridden,
                $"DiscardPolicy {requested} is not in force: DenyPrivateDiscard refuses every discard of private file memory.");
            return new(DiscardPolicy.Deny, overridden, null);
        }

        return requested switch
        {
            DiscardPolicy.PunchHole => new(DiscardPolicy.PunchHole, PunchHoleChangesFile, null),
            DiscardPolicy.RestoreTemplate => new(DiscardPolicy.RestoreTemplate, null, null),
            _ => new(DiscardPolicy.ZeroOverlay, null, null),
        };
    }

    public static BackendWarning PunchHoleChangesFile { get; } = new(
        MemoryWarningIds.PunchHoleChangesFile,
        "PunchHole on a private mapping: every other user of the file loses the discarded ranges too.");

    private static DiscardPolicyResolution PunchHoleOnReadOnlyFile() => Refused(
        MemoryErrorIds.PunchHoleNeedsWritableFile,
        "DiscardPolicy PunchHole needs a file that is open ReadWrite; the file is open ReadOnly.",
        "Use Auto, or FileAccessMode ReadWrite.");

    private static DiscardPolicyResolution Refused(string id, string message, string action) => new(null, null, new(id, message, action));
}
