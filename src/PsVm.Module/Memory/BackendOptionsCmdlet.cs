using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;

namespace PsVm.Module.Memory;

/// <summary>The base of cmdlets that take the options of a backend, as parameters or as one object.</summary>
/// <remarks>Reports and outcomes bind by property name, <see cref="MemoryBackendOptions"/> by value.</remarks>
public abstract class BackendOptionsCmdlet : PsVmCmdlet
{
    /// <summary>All options in one object.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "Options", ValueFromPipeline = true)]
    [ValidateNotNull]
    public MemoryBackendOptions? Options { get; set; }

    /// <summary>A file, or a directory in which a new, already unlinked file is made. Wildcards are taken literally.</summary>
    [Parameter(Position = 0, ParameterSetName = "Parameters", ValueFromPipelineByPropertyName = true)]
    [Alias("PSPath")]
    public string? Path { get; set; }

    /// <summary>Bytes; a multiple of the backing page size.</summary>
    [Parameter(Mandatory = true, Position = 1, ParameterSetName = "Parameters", ValueFromPipelineByPropertyName = true)]
    [Size]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public long Size { get; set; }

    /// <summary>Unique among live backends; generated when not given.</summary>
    [Parameter(ParameterSetName = "Parameters", ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public string? Id { get; set; }

    /// <summary>What backs the RAM; File when Path is given, else Anonymous.</summary>
    [Parameter(ParameterSetName = "Parameters", ValueFromPipelineByPropertyName = true)]
    [BlankIsNull]
    [ArgumentCompleter(typeof(EnumCompleter<BackendKind>))]
    public Arguments.BackendKind? Kind { get; set; }

    /// <summary>Bytes into the file; a multiple of the backing page size.</summary>
    [Parameter(ParameterSetName = "Parameters", ValueFromPipelineByPropertyName = true)]
    [Size]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public long Offset { get; set; }

    /// <summary>Stores go to the file and are seen by all who share it.</summary>
    [Parameter(ParameterSetName = "Parameters", ValueFromPipelineByPropertyName = true)]
    [SwitchCell]
    public SwitchParameter Share { get; set; }

    /// <summary>The memory is ROM: guest stores fault.</summary>
    [Parameter(ParameterSetName = "Parameters", ValueFromPipelineByPropertyName = true)]
    [SwitchCell]
    public SwitchParameter ReadOnly { get; set; }

    /// <summary>How the file itself is opened.</summary>
    [Parameter(ParameterSetName = "Parameters", ValueFromPipelineByPropertyName = true)]
    [Alias("RequestedMode")]
    [ValidateNotNull]
    [ArgumentCompleter(typeof(EnumCompleter<FileAccessMode>))]
    public Arguments.FileAccessMode? FileAccessMode { get; set; }

    /// <summary>What a discard does.</summary>
    [Parameter(ParameterSetName = "Parameters", ValueFromPipelineByPropertyName = true)]
    [Alias("RequestedDiscardPolicy")]
    [ValidateNotNull]
    [ArgumentCompleter(typeof(EnumCompleter<DiscardPolicy>))]
    public Arguments.DiscardPolicy? DiscardPolicy { get; set; }

    /// <summary>Faults every page in before the guest starts.</summary>
    [Parameter(ParameterSetName = "Parameters", ValueFromPipelineByPropertyName = true)]
    [SwitchCell]
    public SwitchParameter Prealloc { get; set; }

    /// <summary>Threads that preallocate; 0: the number of host CPUs.</summary>
    [Parameter(ParameterSetName = "Parameters", ValueFromPipelineByPropertyName = true)]
    [BlankIs(0)]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public int PreallocThreads { get; set; }

    /// <summary>Allows Prealloc to copy every page of a private file mapping.</summary>
    [Parameter(ParameterSetName = "Parameters")]
    public SwitchParameter Force { get; set; }

    /// <summary>Reserves swap space; -Reserve:$false is MAP_NORESERVE.</summary>
    [Parameter(ParameterSetName = "Parameters", ValueFromPipelineByPropertyName = true)]
    [SwitchCell(notGiven: true)]
    public SwitchParameter Reserve { get; set; } = true;

    /// <summary>Host alignment of the mapping in bytes, a power of two; 0: the page size.</summary>
    [Parameter(ParameterSetName = "Parameters", ValueFromPipelineByPropertyName = true)]
    [Size]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public long Align { get; set; }

    /// <summary>Lets the kernel merge equal pages (KSM).</summary>
    [Parameter(ParameterSetName = "Parameters", ValueFromPipelineByPropertyName = true)]
    [SwitchCell]
    public SwitchParameter Merge { get; set; }

    /// <summary>Keeps the memory in core dumps; -Dump:$false leaves it out.</summary>
    [Parameter(ParameterSetName = "Parameters", ValueFromPipelineByPropertyName = true)]
    [SwitchCell(notGiven: true)]
    public SwitchParameter Dump { get; set; } = true;

    /// <summary>Host NUMA nodes for NumaPolicy.</summary>
    [Parameter(ParameterSetName = "Parameters", ValueFromPipelineByPropertyName = true)]
    [Numbers]
    [ValidateNotNull]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public int[] HostNodes { get; set; } = [];

    /// <summary>NUMA placement, applied before preallocation.</summary>
    [Parameter(ParameterSetName = "Parameters", ValueFromPipelineByPropertyName = true)]
    [ValidateNotNull]
    [ArgumentCompleter(typeof(EnumCompleter<NumaPolicy>))]
    public Arguments.NumaPolicy? NumaPolicy { get; set; }

    /// <summary>The machine type whose defaults apply.</summary>
    [Parameter(ParameterSetName = "Parameters", ValueFromPipelineByPropertyName = true)]
    [BlankIs("virt")]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(MachineTypeCompleter))]
    public string MachineType { get; set; } = "virt";

    /// <summary>Maps a file although another backend has a lock that forbids it.</summary>
    [Parameter(ParameterSetName = "Parameters")]
    [NotUnset]
    public SwitchParameter AllowSharedWriters { get; set; }

    /// <summary>Denies discards of private file memory for this backend; else the policy decides.</summary>
    [Parameter(ParameterSetName = "Parameters")]
    public SwitchParameter DenyPrivateDiscard { get; set; }

    /// <summary>Lifts the policy for this backend.</summary>
    [Parameter(ParameterSetName = "Parameters")]
    [NotUnset]
    public SwitchParameter AllowPrivateDiscard { get; set; }

    /// <summary>The options of this input item, with the path as the operating system knows it.</summary>
    private protected MemoryBackendOptions BindOptions()
    {
        MemoryBackendOptions options = Options ?? new MemoryBackendOptions
        {
            Id = NullIfEmpty(Id),
            Kind = Kind?.Value,
            Path = GivenPath(),
            Size = Size,
            Offset = Offset,
            Share = Share,
            ReadOnly = ReadOnly,
            FileAccessMode = FileAccessMode?.Value ?? default,
            DiscardPolicy = DiscardPolicy?.Value ?? default,
            Prealloc = Prealloc,
            PreallocThreads = PreallocThreads,
            ForcePrealloc = Force,
            Reserve = Reserve,
            Align = Align,
            Merge = Merge,
            Dump = Dump,
            HostNodes = HostNodes,
            NumaPolicy = NumaPolicy?.Value ?? default,
            MachineType = MachineType,
            AllowSharedWriters = AllowSharedWriters,
            DenyPrivateDiscard = DenyPrivateDiscard,
            AllowPrivateDiscard = AllowPrivateDiscard,
        };
        return string.IsNullOrEmpty(options.Path) ? options : options with { Path = ResolvePath(options.Path) };
    }

    // An empty path is an unset variable, and no wish for memory without a file. What has no file says so: an outcome's Kind.
    private string? GivenPath() =>
        MyInvocation.BoundParameters.ContainsKey(nameof(Path)) && Kind?.Value is null or BackendKind.File
            ? Path ?? string.Empty
            : NullIfEmpty(Path);

    private static string? NullIfEmpty(string? text) => string.IsNullOrEmpty(text) ? null : text;
}
