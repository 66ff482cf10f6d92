using PsVm.Memory.Files;
using PsVm.Memory.Mapping;
using PsVm.Memory.Options;

namespace PsVm.Memory;

/// <summary>How pages are faulted in before the guest starts.</summary>
internal enum PreallocMode
{
    None,
    Read,
    Write,
}

/// <summary>
/// The first of a backend's three stages: what follows from its options, the policy and what the file looks like. Pure, and never changed;
/// <see cref="OpenedBackend"/> holds it, and <see cref="RamMapping"/> that.
/// </summary>
internal sealed record BackendDecision
{
    private BackendDecision(MemoryBackendOptions options, bool denyPrivateDiscard, string? path, FileFacts? seen)
    {
        Options = options;
        DenyPrivateDiscard = denyPrivateDiscard;
        Path = path;
        Kind = OptionChecks.KindOf(options);
        MachineType = MachineTypes.Resolve(options.MachineType);
        Seen = seen;
        PageSize = seen?.FileSystem?.PageSize ?? Environment.SystemPageSize;
    }

    public MemoryBackendOptions Options { get; }

    public bool DenyPrivateDiscard { get; }

    public BackendKind Kind { get; }

    /// <summary>The full path; null without one.</summary>
    public string? Path { get; }

    public string? MachineType { get; }

    /// <summary>The file as it was seen before it was opened; null without one.</summary>
    public FileFacts? Seen { get; }

    public long PageSize { get; }

    public FileAccessMode? Mode { get; private init; }

    public string? Reason { get; private init; }

    public DiscardPolicy? DiscardPolicy { get; private init; }

    public IReadOnlyList<BackendWarning> Warnings { get; private init; } = [];

    public IReadOnlyList<BackendError> Errors { get; private init; } = [];

    public MappingKind MappingKind => DiscardPolicyResolver.KindOf(Kind, Options.Share);

    public FileSystemFacts? FileSystem => Seen?.FileSystem;

    public bool HugeTlb => FileSystem?.IsHugeTlb ?? false;

    /// <summary>The path names a directory, so that the file has no name.</summary>
    public bool IsDirectory => Seen?.Kind == FileKind.Directory;

    /// <summary>hugetlbfs keeps its reservation: a lack of huge pages must fail the map, not a later touch.</summary>
    public bool NoReserve => !Options.Reserve && !HugeTlb;

    public long Align => Math.Max(Options.Align, PageSize);

    public PreallocMode Prealloc => !Options.Prealloc ? PreallocMode.None
        : Options.ReadOnly || (MappingKind == MappingKind.PrivateFile && !Options.ForcePrealloc) ? PreallocMode.Read
        : PreallocMode.Write;

    public string Protection => Options.ReadOnly ? "PROT_READ" : "PROT_READ, PROT_WRITE";

    public string MapFlags => (Options.Share ? "MAP_SHARED, MAP_FIXED" : "MAP_PRIVATE, MAP_FIXED")
        + (Kind == BackendKind.Anonymous ? ", MAP_ANONYMOUS" : string.Empty)
        + (NoReserve ? ", MAP_NORESERVE" : string.Empty);

    /// <summary>What the options say themselves, where nothing can be decided.</summary>
    public static BackendDecision Undecided(MemoryBackendOptions options, bool denyPrivateDiscard) =>
        new(options, denyPrivateDiscard, options.Path, seen: null);

    /// <summary>Decides.</summary>
    /// <param name="options">What was asked for.</param>
    /// <param name="denyPrivateDiscard">DenyPrivateDiscard is in force for this backend.</param>
    /// <param name="path">The full path; null without one.</param>
    /// <param name="look">Looks at the file, once and only when the options make sense and there is one.</param>
    public static BackendDecision Make(MemoryBackendOptions options, bool denyPrivateDiscard, string? path, Func<string, FileFacts> look)
    {
        List<BackendError> errors = [.. OptionChecks.Contradictions(options)];
        if (errors.Count > 0)
        {
            return new BackendDecision(options, denyPrivateDiscard, path, seen: null) { Errors = errors };
        }

        bool isFile = OptionChecks.KindOf(options) == BackendKind.File;
        BackendDecision decision = new(options, denyPrivateDiscard, path, isFile ? look(path!) : null);
        AccessModeResolution resolution = decision.Kind switch
        {
            BackendKind.File => AccessModeResolver.Resolve(options, decision.HugeTlb, denyPrivateDiscard),
            BackendKind.Memfd => new(FileAccessMode.ReadWrite, "a memfd is made by the backend itself and always writable", null),
            _ => new(FileAccessMode.ReadWrite, "anonymous memory has no file", null),
        };
        decision = decision with { Mode = resolution.Mode, Reason = resolution.Reason };
        AddIfAny(errors, resolution.Error);
        errors.AddRange(OptionChecks.Geometry(options, decision.PageSize));
        if (resolution.Error is null)
        {
            decision = decision.WithPolicies(errors);
        }

        if (errors.Count == 0 && isFile)
        {
            AddIfAny(errors, decision.Unusable());
        }

        return decision with { Errors = errors };
    }

    /// <summary>The decision where the file cannot be written: it is opened for reading, and all that follows is decided anew.</summary>
    /// <param name="errno">What opening it for writing gave, described.</param>
    public BackendDecision FallBack(string errno)
    {
        List<BackendError> errors = [.. Errors];
        BackendDecision decision = (this with
        {
            Mode = FileAccessMode.ReadOnly,
            Reason = $"{Reason}; it cannot be opened for writing, so it is opened ReadOnly",
        }).WithPolicies(errors);
        BackendWarning fellBack = new(
            MemoryWarningIds.FellBackToReadOnly,
            $"'{Path}' cannot be opened for writing ({errno}) and is opened ReadOnly: it cannot be truncated, grown or punched.");
        return decision with { Warnings = [fellBack, .. decision.Warnings], Errors = errors };
    }

    /// <summary>What follows from the options and the mode the file is, or will be, open with.</summary>
    private BackendDecision WithPolicies(List<BackendError> errors)
    {
        List<BackendWarning> warnings = [];
        DiscardPolicyResolution discard = DiscardPolicyResolver.Resolve(
            Options.DiscardPolicy, MappingKind, Mode!.Value, DenyPrivateDiscard);
        AddIfAny(errors, discard.Error);
        AddIfAny(errors, OptionChecks.Prealloc(Options, MappingKind));
        AddIfAny(warnings, discard.Warning);
        if (Prealloc == PreallocMode.Read && !Options.ReadOnly)
        {
            warnings.Add(new(
                MemoryWarningIds.PreallocReadsOnly,
                "Prealloc reads the pages of a private file mapping in and copies none; the first store to each page still copies it."));
        }

        if (HugeTlb && !Options.Reserve)
        {
            warnings.Add(new(
                MemoryWarningIds.ReservationKept,
                "Reserve is off, but huge pages stay reserved, so that a lack of them fails the mapping and not a later touch."));
        }

        return this with { DiscardPolicy = discard.Policy, Warnings = warnings };
    }

    private BackendError? Unusable() => Seen! switch
    {
        { Error: not 0 } => FileErrors.ForLook(Seen!.Error, Path!),
        { Kind: FileKind.Missing, IsLink: true } when Mode == FileAccessMode.ReadOnly => FileErrors.DanglingLink(Path!),
        { Kind: FileKind.Missing, FileSystem: null } => FileErrors.DirectoryNotFound(Path!),
        { Kind: FileKind.Directory } when Mode == FileAccessMode.ReadOnly => FileErrors.DirectoryNeedsReadWrite(Path!, Reason!),
        { Kind: FileKind.Missing or FileKind.Regular or FileKind.Directory } => null,
        _ => FileErrors.NotRegular(Path!, Seen!.Kind),
    };

    private static void AddIfAny<T>(List<T> list, T? item)
        where T : class
    {
        if (item is not null)
        {
            list.Add(item);
        }
    }
}
