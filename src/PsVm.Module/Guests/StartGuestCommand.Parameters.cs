using System.Collections;
using System.Management.Automation;
using PsVm.Module.Completion;

namespace PsVm.Module.Guests;

/// <content>Its parameters, but for those of <see cref="GuestDevicesCmdlet"/>.</content>
public sealed partial class StartGuestCommand
{
    /// <summary>
    /// What to start from, one guest for each: a template or a path of one, a memory backend or its id, or an object with Name, Template,
    /// Count and so on as properties, such as a row of a CSV file.
    /// </summary>
    [Parameter(Mandatory = true, ParameterSetName = FromInput, ValueFromPipeline = true)]
    [ValidateNotNull]
    public PSObject? InputObject { get; set; }

    /// <summary>The backends that make up the RAM, in address order; ids do as well.</summary>
    [Parameter(Mandatory = true, ParameterSetName = Backends)]
    [Parameter(ParameterSetName = FromTemplate)]
    [Parameter(ParameterSetName = FromPool)]
    [ValidateNotNullOrEmpty]
    [BackendIdentity]
    [ArgumentCompleter(typeof(BackendIdCompleter))]
    public BackendReference[] MemoryBackend { get; set; } = [];

    /// <summary>The folder of the template that clones start from; a template object does as well.</summary>
    [Parameter(Mandatory = true, Position = 1, ParameterSetName = FromTemplate)]
    [Parameter(ParameterSetName = FromInput, ValueFromPipelineByPropertyName = true)]
    [AllowNull]
    [AllowEmptyString]
    [TemplateIdentity]
    [ArgumentCompleter(typeof(TemplatePathCompleter))]
    public string? Template { get; set; }

    /// <summary>The pool that clones are taken from, which runs them at once; a pool object does as well.</summary>
    [Parameter(Mandatory = true, ParameterSetName = FromPool)]
    [ValidateNotNullOrEmpty]
    [PoolIdentity]
    [ArgumentCompleter(typeof(PoolNameCompleter))]
    public string? Pool { get; set; }

    /// <summary>Number of clones.</summary>
    /// <remarks>
    /// It and what else is about clones binds without Template, too: Name may be the path of one, or the error is one that helps.
    /// </remarks>
    [Parameter(ParameterSetName = DefaultRam)]
    [Parameter(ParameterSetName = FromTemplate)]
    [Parameter(ParameterSetName = FromPool)]
    [Parameter(ParameterSetName = FromInput, ValueFromPipelineByPropertyName = true)]
    [BlankIsNull]
    [Within(1, 1_000_000)]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public int? Count { get; set; }

    /// <summary>The clones' names: a composite format in which {0} is the number of the clone, from 1 on.</summary>
    [Parameter(ParameterSetName = DefaultRam)]
    [Parameter(ParameterSetName = FromTemplate)]
    [Parameter(ParameterSetName = FromPool)]
    [Parameter(ParameterSetName = FromInput, ValueFromPipelineByPropertyName = true)]
    [AllowNull]
    [AllowEmptyString]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public string? NameFormat { get; set; }

    /// <summary>Compares the SHA-256 of the template's RAM files first, which reads all of them.</summary>
    [Parameter(ParameterSetName = DefaultRam)]
    [Parameter(ParameterSetName = FromTemplate)]
    [Parameter(ParameterSetName = FromInput)]
    public SwitchParameter Verify { get; set; }

    /// <summary>Starts at once on a copy of the template that is made while the guest runs: what it needs comes first.</summary>
    [Parameter(ParameterSetName = DefaultRam)]
    [Parameter(ParameterSetName = FromTemplate)]
    [Parameter(ParameterSetName = FromInput)]
    public SwitchParameter Lazy { get; set; }

    /// <summary>Where that copy becomes a template; without it the copy goes with the last guest that has it.</summary>
    [Parameter(ParameterSetName = DefaultRam)]
    [Parameter(ParameterSetName = FromTemplate)]
    [Parameter(ParameterSetName = FromInput)]
    [ValidateNotNullOrEmpty]
    public string? Destination { get; set; }

    /// <summary>Folders in which the templates that the template needs are looked for, too.</summary>
    [Parameter(ParameterSetName = DefaultRam)]
    [Parameter(ParameterSetName = FromTemplate)]
    [Parameter(ParameterSetName = FromInput)]
    [ValidateNotNullOrEmpty]
    public string[] SearchPath { get; set; } = [];

    /// <summary>The clone has the UUID and generation id of the guest that was checkpointed, and its random seeds.</summary>
    [Parameter(ParameterSetName = DefaultRam)]
    [Parameter(ParameterSetName = FromTemplate)]
    [Parameter(ParameterSetName = FromInput)]
    public SwitchParameter KeepIdentity { get; set; }

    /// <summary>
    /// Who each clone is, as its agent sees to it: a dictionary with HostName (in which {0} is the clone's number; $true: its name),
    /// MachineId, SshHostKeys and Script, or a script that the guest's shell runs.
    /// </summary>
    [Parameter(ParameterSetName = DefaultRam)]
    [Parameter(ParameterSetName = FromTemplate)]
    [Parameter(ParameterSetName = FromPool)]
    [Parameter(ParameterSetName = FromInput)]
    [ValidateNotNull]
    [IdentityOptions]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public CloneIdentity? Identity { get; set; }

    /// <summary>How the template's RAM files are opened.</summary>
    [Parameter(ParameterSetName = DefaultRam)]
    [Parameter(ParameterSetName = FromTemplate)]
    [Parameter(ParameterSetName = FromInput)]
    [ValidateNotNull]
    [ArgumentCompleter(typeof(EnumCompleter<FileAccessMode>))]
    public Arguments.FileAccessMode? FileAccessMode { get; set; }

    /// <summary>What discards of the clones' RAM do.</summary>
    [Parameter(ParameterSetName = DefaultRam)]
    [Parameter(ParameterSetName = FromTemplate)]
    [Parameter(ParameterSetName = FromInput)]
    [ValidateNotNull]
    [ArgumentCompleter(typeof(EnumCompleter<DiscardPolicy>))]
    public Arguments.DiscardPolicy? DiscardPolicy { get; set; }

    /// <summary>
    /// The file behind the default RAM, mapped privately; without it the default RAM is anonymous memory. With a template: another copy of
    /// its RAM file, which needs Verify.
    /// </summary>
    /// <remarks>Binds beside MemoryBackend too, so that the host can say what is wrong with that.</remarks>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? MemPath { get; set; }

    /// <summary>Size of the default RAM, 128 MiB when not given; with a template it must be the template's.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [Size]
    [Within(1, long.MaxValue)]
    [ArgumentCompleter(typeof(NothingCompleter))]
    [Alias("MemoryStartupBytes")]
    public long? Memory { get; set; }

    /// <summary>For the default RAM and clones: files of private mappings are opened ReadOnly, discarding refused.</summary>
    [Parameter(ParameterSetName = DefaultRam)]
    [Parameter(ParameterSetName = FromTemplate)]
    [Parameter(ParameterSetName = FromInput)]
    public SwitchParameter DenyPrivateDiscard { get; set; }

    /// <summary>Lifts the policy DenyPrivateDiscard for the default RAM and clones.</summary>
    [Parameter(ParameterSetName = DefaultRam)]
    [Parameter(ParameterSetName = FromTemplate)]
    [Parameter(ParameterSetName = FromInput)]
    [NotUnset]
    public SwitchParameter AllowPrivateDiscard { get; set; }

    /// <summary>
    /// The guest's name, unique among guests, or several for a guest each; generated when not given. With a slash it is the path of a
    /// template.
    /// </summary>
    [Parameter(Position = 0, ValueFromPipelineByPropertyName = true)]
    [AllowNull]
    [AllowEmptyString]
    [ArgumentCompleter(typeof(StoppedGuestNameCompleter))]
    public string?[]? Name { get; set; }

    /// <summary>A flat Linux Image or an ELF; without kernel and firmware the embedded guest boots.</summary>
    /// <remarks>It and what else boots bind beside Template and Pool, too, so that the host can say what is wrong with that.</remarks>
    [Parameter(ParameterSetName = DefaultRam)]
    [Parameter(ParameterSetName = Backends)]
    [Parameter(ParameterSetName = FromTemplate)]
    [Parameter(ParameterSetName = FromPool)]
    [Parameter(ParameterSetName = FromInput, ValueFromPipelineByPropertyName = true)]
    [AllowNull]
    [AllowEmptyString]
    public string? Kernel { get; set; }

    /// <summary>The initial RAM disk.</summary>
    [Parameter(ParameterSetName = DefaultRam)]
    [Parameter(ParameterSetName = Backends)]
    [Parameter(ParameterSetName = FromTemplate)]
    [Parameter(ParameterSetName = FromPool)]
    [Parameter(ParameterSetName = FromInput, ValueFromPipelineByPropertyName = true)]
    [AllowNull]
    [AllowEmptyString]
    public string? Initrd { get; set; }

    /// <summary>ELF or flat machine-mode firmware, instead of the built-in SBI.</summary>
    [Parameter(ParameterSetName = DefaultRam)]
    [Parameter(ParameterSetName = Backends)]
    [Parameter(ParameterSetName = FromTemplate)]
    [Parameter(ParameterSetName = FromPool)]
    [Parameter(ParameterSetName = FromInput, ValueFromPipelineByPropertyName = true)]
    [AllowNull]
    [AllowEmptyString]
    public string? Firmware { get; set; }

    /// <summary>The kernel's command line.</summary>
    [Parameter(ParameterSetName = DefaultRam)]
    [Parameter(ParameterSetName = Backends)]
    [Parameter(ParameterSetName = FromTemplate)]
    [Parameter(ParameterSetName = FromPool)]
    [Parameter(ParameterSetName = FromInput, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public string? CommandLine { get; set; }

    /// <summary>The guest has a balloon, by which it gives RAM back to the host; a clone has what its template's guest had.</summary>
    [Parameter(ParameterSetName = DefaultRam)]
    [Parameter(ParameterSetName = Backends)]
    [Parameter(ParameterSetName = FromTemplate)]
    [Parameter(ParameterSetName = FromInput)]
    public SwitchParameter Balloon { get; set; }

    /// <summary>
    /// Devices whose work other processes do (vhost-user): <c>fs:</c> or <c>block:</c> and the socket of a daemon, or dictionaries with
    /// Kind, Tag, Socket, Path, Format, ReadOnly, Daemon and Arguments; with Path the daemon is started.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [VhostUser]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public GuestVhostUserOptions[] VhostUser { get; set; } = [];

    /// <summary>
    /// Named ports of the guest's console device (<c>/dev/virtio-ports/NAME</c>), which programs of the host reach by a Unix socket: names,
    /// or dictionaries with Name and Path. A template's clones have those that it was made with.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ConsolePorts]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public GuestConsolePortOptions[] ConsolePort { get; set; } = [];

    /// <summary>A guest that reboots stops instead.</summary>
    [Parameter]
    public SwitchParameter NoReboot { get; set; }

    /// <summary>Share of a busy host's CPUs, 1 to 10000; 100 when not given.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [BlankIsNull]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public int? CpuWeight { get; set; }

    /// <summary>Most host CPUs that its harts use together, such as 0.5 or 2; 0, null or not given: all.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [CpuCount]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public double? CpuLimit { get; set; }

    /// <summary>Most memory that it may have for itself, such as 64MB; 0, null or not given: any amount.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [BlankIsNull]
    [Size]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public long? OwnMemoryLimit { get; set; }

    /// <summary>What is done when it takes more than that, or more than the host can spare: it is suspended when not given.</summary>
    [Parameter]
    [ValidateNotNull]
    [ArgumentCompleter(typeof(EnumCompleter<OwnMemoryAction>))]
    public Arguments.OwnMemoryAction? OwnMemoryAction { get; set; }

    /// <summary>What to remember about the guest.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public string? Notes { get; set; }

    /// <summary>Labels to select the guest by, as in <c>@{ role = 'web' }</c> or <c>role=web</c>.</summary>
    [Parameter]
    [ValidateNotNull]
    [Labels]
    [ArgumentCompleter(typeof(LabelCompleter))]
    public Hashtable? Label { get; set; }

    /// <summary>Number of harts: one when not given; with a template it must be the template's.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [BlankIsNull]
    [Within(1, int.MaxValue)]
    [ArgumentCompleter(typeof(NothingCompleter))]
    [Alias("ProcessorCount")]
    public int? Harts { get; set; }

    /// <summary>The board's version, whose defaults apply: virt, or the template's, when not given.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [AllowNull]
    [AllowEmptyString]
    [ArgumentCompleter(typeof(MachineTypeCompleter))]
    public string? MachineType { get; set; }

    /// <summary>Does it in the background, by a job: Receive-Job gives what it found, Stop-Job gives it up.</summary>
    [Parameter]
    [NotUnset]
    public SwitchParameter AsJob { get; set; }
}
