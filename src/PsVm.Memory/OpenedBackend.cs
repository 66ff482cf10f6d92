using PsVm.Memory.Files;
using PsVm.Memory.Mapping;
using PsVm.Memory.Options;

namespace PsVm.Memory;

/// <summary>
/// The second of a backend's three stages: a decision, and the file that was opened by it, or of which that was foretold. Never changed;
/// what the report foretells and the outcome repeats both come from here.
/// </summary>
/// <param name="Decision">What was decided.</param>
internal sealed record OpenedBackend(BackendDecision Decision)
{
    /// <summary>The open file; null without one and when opening was only foretold.</summary>
    public RamFile? File { get; init; }

    /// <summary>The file as it was opened, or as it was seen; null without one.</summary>
    public FileFacts? Facts { get; init; }

    public bool Created { get; init; }

    public bool FellBack { get; init; }

    /// <summary>The file has to be grown before it can be mapped.</summary>
    public bool MustGrow { get; init; }

    /// <summary>Its path is another file's by now; an error says so.</summary>
    public bool WasReplaced { get; init; }

    public IReadOnlyList<BackendWarning> Warnings { get; init; } = Decision.Warnings;

    public IReadOnlyList<BackendError> Errors { get; init; } = Decision.Errors;

    public MemoryBackendOptions Options => Decision.Options;

    public BackendReport ToReport(IReadOnlyList<BackendError> errors) => new(Describe())
    {
        Id = Options.Id,
        EffectiveMode = Decision.Mode,
        Reason = Decision.Reason,
        MachineType = Decision.MachineType,
        WouldCreate = Created,
        WouldFallBack = FellBack,
        EffectiveDiscardPolicy = Decision.DiscardPolicy,
        Errors = errors,
    };

    public MappingOutcome ToOutcome(string id, RamMapping mapping, TimeSpan elapsed) => new(Describe())
    {
        Id = id,
        EffectiveMode = Decision.Mode!.Value,
        Reason = Decision.Reason!,
        MachineType = Decision.MachineType!,
        Created = Created,
        FellBack = FellBack,
        Address = (ulong)mapping.Address,
        EffectiveDiscardPolicy = Decision.DiscardPolicy!.Value,
        Elapsed = elapsed,
    };

    /// <summary>What the report and the outcome say alike.</summary>
    private BackendDescription Describe() => new()
    {
        Path = Decision.Path,
        Kind = Decision.Kind,
        Size = Options.Size,
        Offset = Options.Offset,
        Share = Options.Share,
        ReadOnly = Options.ReadOnly,
        RequestedMode = Options.FileAccessMode,
        FileSystem = Decision.FileSystem?.Name,
        PageSize = Decision.PageSize,
        HugeTlb = Decision.HugeTlb,
        OpenFlags = OpenFlags,
        Protection = Decision.Protection,
        MapFlags = Decision.MapFlags,
        RequestedDiscardPolicy = Options.DiscardPolicy,
        Prealloc = Options.Prealloc,
        Warnings = Warnings,
    };

    private string OpenFlags => Decision.Kind switch
    {
        BackendKind.Anonymous => string.Empty,
        BackendKind.Memfd => "MFD_CLOEXEC",
        _ when Created => "O_RDWR, O_CREAT, O_EXCL, O_CLOEXEC",
        _ => Decision.Mode == FileAccessMode.ReadWrite ? "O_RDWR, O_CLOEXEC" : "O_RDONLY, O_CLOEXEC",
    };
}
