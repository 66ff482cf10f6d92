using PsVm.Memory.Files;
using PsVm.Memory.Mapping;

namespace PsVm.Memory;

/// <summary>How pages are faulted in before the guest starts.</summary>
internal enum PreallocMode
{
    None,
    Read,
    Write,
}

/// <summary>Everything that was decided about one backend: what the report foretells and the outcome repeats.</summary>
internal sealed class BackendPlan(MemoryBackendOptions options, bool denyPrivateDiscard)
{
    public MemoryBackendOptions Options { get; } = options;

    public bool DenyPrivateDiscard { get; } = denyPrivateDiscard;

    public BackendKind Kind { get; } = OptionChecks.KindOf(options);

    public MappingKind MappingKind => DiscardPolicyResolver.KindOf(Kind, Options.Share);

    public string? Path { get; init; }

    public string? MachineType { get; } = MachineTypes.Resolve(options.MachineType);

    public FileAccessMode? Mode { get; set; }

    public string? Reason { get; set; }

    public FileSystemFacts? FileSystem { get; set; }

    public long PageSize { get; set; } = Environment.SystemPageSize;

    public bool HugeTlb => FileSystem?.IsHugeTlb ?? false;

    /// <summary>The path names a directory, so that the file has no name.</summary>
    public bool IsDirectory { get; set; }

    public bool Created { get; set; }

    public bool FellBack { get; set; }

    /// <summary>The file has to be grown before it can be mapped.</summary>
    public bool MustGrow { get; set; }

    /// <summary>The file as it was opened, or as it was seen; default without one.</summary>
    public FileFacts? Facts { get; set; }

    public DiscardPolicy? DiscardPolicy { get; set; }

    public List<BackendWarning> Warnings { get; } = [];

    public List<BackendError> Errors { get; } = [];

    /// <summary>The open file; null without one and when opening was only foretold.</summary>
    public RamFile? File { get; set; }

    /// <summary>hugetlbfs keeps its reservation: a lack of huge pages must fail the map, not a later touch.</summary>
    public bool NoReserve => !Options.Reserve && !HugeTlb;

    public long Align => Math.Max(Options.Align, PageSize);

    public PreallocMode Prealloc => !Options.Prealloc ? PreallocMode.None
        : Options.ReadOnly || (MappingKind == MappingKind.PrivateFile && !Options.ForcePrealloc) ? PreallocMode.Read
        : PreallocMode.Write;

    public string OpenFlags => Kind switch
    {
        BackendKind.Anonymous => string.Empty,
        BackendKind.Memfd => "MFD_CLOEXEC",
        _ when Created => "O_RDWR, O_CREAT, O_EXCL, O_CLOEXEC",
        _ => Mode == FileAccessMode.ReadWrite ? "O_RDWR, O_CLOEXEC" : "O_RDONLY, O_CLOEXEC",
    };

    public string Protection => Options.ReadOnly ? "PROT_READ" : "PROT_READ, PROT_WRITE";

    public string MapFlags => (Options.Share ? "MAP_SHARED, MAP_FIXED" : "MAP_PRIVATE, MAP_FIXED")
        + (Kind == BackendKind.Anonymous ? ", MAP_ANONYMOUS" : string.Empty)
        + (NoReserve ? ", MAP_NORESERVE" : string.Empty);

    public BackendReport ToReport(IReadOnlyList<BackendError> errors) => new()
    {
        Id = Options.Id,
        Path = Path,
        Kind = Kind,
        Size = Options.Size,
        Offset = Options.Offset,
        Share = Options.Share,
        ReadOnly = Options.ReadOnly,
        RequestedMode = Options.FileAccessMode,
        EffectiveMode = Mode,
        Reason = Reason,
        MachineType = MachineType,
        FileSystem = FileSystem?.Name,
        PageSize = PageSize,
        HugeTlb = HugeTlb,
        WouldCreate = Created,
        WouldFallBack = FellBack,
        OpenFlags = OpenFlags,
        Protection = Protection,
        MapFlags = MapFlags,
        RequestedDiscardPolicy = Options.DiscardPolicy,
        EffectiveDiscardPolicy = DiscardPolicy,
        Prealloc = Options.Prealloc,
        Warnings = Warnings,
        Errors = errors,
    };

    public MappingOutcome ToOutcome(string id, RamMapping mapping, TimeSpan elapsed) => new()
    {
        Id = id,
        Path = Path,
        Kind = Kind,
        Size = Options.Size,
        Offset = Options.Offset,
        Share = Options.Share,
        ReadOnly = Options.ReadOnly,
        RequestedMode = Options.FileAccessMode,
        EffectiveMode = Mode!.Value,
        Reason = Reason!,
        MachineType = MachineType!,
        FileSystem = FileSystem?.Name,
        PageSize = PageSize,
        HugeTlb = HugeTlb,
        Created = Created,
        FellBack = FellBack,
        OpenFlags = OpenFlags,
        Protection = Protection,
        MapFlags = MapFlags,
        Address = (ulong)mapping.Address,
        RequestedDiscardPolicy = Options.DiscardPolicy,
        EffectiveDiscardPolicy = DiscardPolicy!.Value,
        Prealloc = Options.Prealloc,
        Warnings = Warnings,
        Elapsed = elapsed,
    };
}
