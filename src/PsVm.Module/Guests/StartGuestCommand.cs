using System.Collections;
using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;
using PsVm.Module.Templates;

namespace PsVm.Module.Guests;

/// <summary>Starts a guest, or clones of a template, and returns at once.</summary>
[Cmdlet(VerbsLifecycle.Start, "Guest", SupportsShouldProcess = true, DefaultParameterSetName = DefaultRam)]
[OutputType(typeof(Guest), typeof(GuestJob))]
public sealed class StartGuestCommand : PsVmCmdlet
{
    private static readonly HashSet<string> s_common = [.. PSCmdlet.CommonParameters, .. PSCmdlet.OptionalCommonParameters];

    private const long DefaultMemory = 128L << 20;
    private const string DefaultRam = "DefaultRam", Backends = "MemoryBackend", FromTemplate = "Template", FromPool = "Pool", FromInput = "InputObject";

    /// <summary>
    /// What to start from, one guest for each: a template or a path of one, a memory backend or its id, or an object with Name, Template, Count
    /// and so on as properties, such as a row of a CSV file.
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
    /// <remarks>It and what else is about clones binds without Template, too: Name may be the path of one, or the error is one that helps.</remarks>
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
    /// Who each clone is, as its agent sees to it: a dictionary with HostName (in which {0} is the clone's number; $true: its name), MachineId, SshHostKeys
    /// and Script, or a script that the guest's shell runs.
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
    /// The guest's name, unique among guests, or several for a guest each; generated when not given. With a slash it is the path of a template.
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
    /// Disks: paths of raw images, or dictionaries with Path, Name, ReadOnly, FileAccessMode and Overlay. A template's clones need those that it was
    /// made with.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [Disks]
    public GuestDiskOptions[] Disk { get; set; } = [];

    /// <summary>
    /// Folders of the host's that the guest shares: paths, with <c>:TAG</c> and <c>:ro</c> behind them where wanted, or dictionaries with Path, Tag and
    /// ReadOnly. A clone has those of its template's guest, by their tags.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [SharedFolders]
    public GuestSharedFolderOptions[] SharedFolder { get; set; } = [];

    /// <summary>
    /// Devices whose work other processes do (vhost-user): <c>fs:</c> or <c>block:</c> and the socket of a daemon, or dictionaries with Kind, Tag,
    /// Socket, Path, Format, ReadOnly, Daemon and Arguments; with Path the daemon is started.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [VhostUser]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public GuestVhostUserOptions[] VhostUser { get; set; } = [];

    /// <summary>
    /// Named ports of the guest's console device (<c>/dev/virtio-ports/NAME</c>), which programs of the host reach by a Unix socket: names, or dictionaries
    /// with Name and Path. A template's clones have those that it was made with.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ConsolePorts]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public GuestConsolePortOptions[] ConsolePort { get; set; } = [];

    /// <summary>
    /// Network adapters: <c>Hub</c>, <c>Hub:NAME</c>, <c>Passt</c> or <c>Tap:DEVICE</c>, or dictionaries with Backend, Name, Hub, Device, Mac, Mtu and
    /// Forward. A template's clones have those that it was made with, and this says what they lead to.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [Networks]
    [ArgumentCompleter(typeof(NetworkCompleter))]
    public GuestNetworkOptions[] Network { get; set; } = [];

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

    internal static void Run(GuestOptions options, IGuestHost host, ICmdletOutput output, CancellationToken cancellation)
    {
        GuestInfo guest;
        try
        {
            if (!output.ShouldProcess(() => Describe(options), () => host.CheckStart(options, cancellation)))
            {
                return;
            }

            LatestStep step = new();
            string activity = options.Name is null ? "Starting a guest" : $"Starting guest '{options.Name}'";
            using ProgressTicker progress = new(output, elapsed => step.At(activity, elapsed));
            guest = host.Start(options, step, cancellation);
        }
        catch (MemoryBackendException error) when (options.BackendIds.Count == 0)
        {
            throw DefaultRamErrors.Told(error);
        }

        if (options.BackendIds.Count == 0)
        {
            // New-MemoryBackend has written those of other backends.
            output.WriteWarnings(guest.Backends.SelectMany(backend => backend.Warnings));
        }

        output.WriteObject(new Guest(host, guest));
    }

    private protected override bool IsAsJob => AsJob;

    private protected override bool LogsLives => true;

    private protected override CmdletWork Bind()
    {
        if (InputObject?.BaseObject is Guest or GuestInfo)
        {
            GuestReference piped = InputObject.BaseObject is Guest guest ? new(guest.Name, guest.Id) : ((GuestInfo)InputObject.BaseObject).Reference;
            return Selection.OnGuests([piped], StartAgain);
        }

        // A name alone may be that of a guest that has stopped.
        string[] alone = IsOnCommandLine(nameof(Name)) && IsGivenAlone(nameof(Name)) ? [.. (Name ?? []).OfType<string>()] : [];
        if (alone.Any(IsStartAgain))
        {
            return Selection.OnGuests([.. alone.Select(name => new GuestReference(name))], StartAgain);
        }

        if (alone.FirstOrDefault(name => TemplateHere(name) is not null) is { } both)
        {
            throw NameOfTemplate(both, TemplateHere(both)!);
        }

        PSObject? input = InputObject;
        if (InputObject?.BaseObject is string text && !StartInput.IsPath(text) && !StartInput.IsBackend(text, ModuleServices.Memory))
        {
            if (IsGivenAlone(nameof(InputObject)) && IsStartAgain(text))
            {
                return Selection.OnGuests([new GuestReference(text)], StartAgain);
            }

            input = TemplateHere(text) is { } folder ? folder : input;
        }

        // Objects of ours have properties such as Name and Memory of their own, which say nothing of the guest that is to start.
        (BackendReference[] backends, string? template, bool isRow) = StartInput.Read(input, MemoryBackend, Template, IsOnCommandLine(nameof(Template)));
        string? pool = (InputObject?.BaseObject as GuestPool)?.Name ?? Pool;
        bool Counts(string parameter) => IsOnCommandLine(parameter) || (isRow && IsGiven(parameter));
        string? Text(string parameter, string? value) => !Counts(parameter) ? null : NotEmpty(parameter, value);
        string[] given = !Counts(nameof(Name)) ? [] : [.. (Name ?? new string?[1]).Select(name => NotEmpty(nameof(Name), name)).OfType<string>()];
        if (template is null && pool is null && backends.Length == 0 && given is [{ } only] && StartInput.IsPath(only))
        {
            (given, template) = ([], only);
        }

        GuestOptions options = new()
        {
            Name = given.Length == 1 ? given[0] : null,
            BackendIds = backends,
            MemoryPath = ResolvePath(MemPath),
            Memory = (Counts(nameof(Memory)) ? Memory : null) ?? (template is null && pool is null && backends.Length == 0 ? DefaultMemory : 0),
            Kernel = ResolvePath(Text(nameof(Kernel), Kernel)),
            Initrd = ResolvePath(Text(nameof(Initrd), Initrd)),
            Firmware = ResolvePath(Text(nameof(Firmware), Firmware)),
            CommandLine = Counts(nameof(CommandLine)) && (CommandLine is not "" || IsOnCommandLine(nameof(CommandLine))) ? CommandLine : null,
            Harts = Counts(nameof(Harts)) ? Harts : null,
            MachineType = Text(nameof(MachineType), MachineType),
            DenyPrivateDiscard = DenyPrivateDiscard,
            AllowPrivateDiscard = AllowPrivateDiscard,
            Template = ResolvePath(IsOnCommandLine(nameof(Template)) ? NotEmpty(nameof(Template), template) : template),
            Pool = pool,
            Verify = Verify,
            Lazy = Lazy,
            Destination = Destination is null ? null : ResolvePath(Destination) + (Destination.EndsWith('/') ? "/" : string.Empty),
            SearchPath = [.. SearchPath.Select(folder => ResolvePath(folder)!)],
            KeepIdentity = KeepIdentity,
            Identity = Identity,
            FileAccessMode = FileAccessMode?.Value ?? default,
            DiscardPolicy = DiscardPolicy?.Value ?? default,
            Balloon = IsGiven(nameof(Balloon)) ? Balloon.IsPresent : null,
            Disks = ResolvePaths(Disk),
            SharedFolders = ResolvePaths(SharedFolder),
            VhostUser = Array.ConvertAll(VhostUser, device => device with { Socket = ResolvePath(device.Socket), Path = ResolvePath(device.Path) }),
            ConsolePorts = Array.ConvertAll(ConsolePort, port => port with { Path = ResolvePath(port.Path) }),
            Networks = Network,
            NoReboot = NoReboot,
            CpuWeight = Counts(nameof(CpuWeight)) ? CpuWeight : null,
            CpuLimit = Counts(nameof(CpuLimit)) ? CpuLimit : null,
            OwnMemoryLimit = Counts(nameof(OwnMemoryLimit)) ? OwnMemoryLimit : null,
            OwnMemoryAction = OwnMemoryAction?.Value,
            Notes = Notes,
            Labels = Label is null ? GuestLabels.None : LabelsAttribute.ToDictionary(Label),
        };
        int count = (Counts(nameof(Count)) ? Count : null) ?? 1;
        string? format = Text(nameof(NameFormat), NameFormat);
        if (options.Template is null && pool is null)
        {
            CheckTemplateNotNeeded(options, count, format, TemplateHere(options.Name));
            if (given.Length > 1 && backends.Length > 0)
            {
                throw NamesConflict(given, "for a guest on memory backends", "Give each guest backends of its own.");
            }

            string?[] each = given.Length == 0 ? new string?[1] : given;
            return (output, cancellation) => CmdletWorks.ForEach(
                each, output, name => Run(options with { Name = name }, ModuleServices.Guests, output, cancellation), cancellation);
        }

        IReadOnlyList<string?> names = given.Length <= 1 ? Fleet.Names(options.Name, format, count)
            : format is null && count == 1 ? given
            : throw NamesConflict(given, $"beside -{(format is null ? nameof(Count) : nameof(NameFormat))}", "Give only names, or only a format.");
        return (output, cancellation) => Fleet.Start(
            options,
            names,
            (path, verify) => ModuleServices.Templates.Test(path, verify, options.SearchPath, cancellation),
            ModuleServices.Guests,
            output,
            cancellation);
    }

    /// <summary>Starts guests that have stopped, with what they were made of; those of a pattern that run are left alone.</summary>
    internal static void StartAgain(
        IReadOnlyList<GuestReference> guests, IGuestHost host, ICmdletOutput output, CancellationToken cancellation) =>
        GuestCmdlet.Change(
            "Start",
            guests,
            (guest, stop) => StartAgain(guest, host, output, isPart: false, stop),
            host,
            output,
            cancellation,
            guest => host.CheckStartAgain(guest, cancellation));

    /// <summary>Starts a guest that has stopped, and shows how far that is.</summary>
    /// <param name="guest">The guest.</param>
    /// <param name="host">Where it lives.</param>
    /// <param name="output">The output.</param>
    /// <param name="isPart">It is part of what is shown already.</param>
    /// <param name="cancellation">Gives up.</param>
    internal static void StartAgain(GuestReference guest, IGuestHost host, ICmdletOutput output, bool isPart, CancellationToken cancellation)
    {
        LatestStep step = new();
        using ProgressTicker progress = new(output, elapsed => step.At($"Starting guest '{guest}'", elapsed) with { IsPart = isPart });
        host.StartAgain(guest, step, cancellation);
    }

    // A column of a row may be empty; on the command line it is a variable that was not set.
    private string? NotEmpty(string parameter, string? value) => !string.IsNullOrEmpty(value) ? value
        : !IsOnCommandLine(parameter) ? null
        : throw new CmdletException(
            ModuleErrorIds.ArgumentMissing, $"Expected a value for -{parameter}, found an empty one.", null, $"Leave out -{parameter}, or set its variable.");

    private static CmdletException NamesConflict(string[] names, string where, string action) => new(
        ModuleErrorIds.GuestNamesConflict,
        $"Expected one name at most {where}, found {names.Length}: {string.Join(", ", names.Select(name => $"'{name}'"))}.",
        names[1],
        action);

    private bool IsGivenAlone(string parameter) =>
        MyInvocation.BoundParameters.Keys.All(key => key == parameter || key is nameof(AsJob) or nameof(LogPath) || s_common.Contains(key));

    /// <summary>The path of the template that has the name in the session's location; null: there is none.</summary>
    private string? TemplateHere(string? name) =>
        name is not null && !StartInput.IsPath(name) && ResolvePath($"./{name}") is { } path && ModuleServices.Templates.Exists(path) ? path : null;

    private static CmdletException NameOfTemplate(string name, string path) => new(
        ModuleErrorIds.NameOfTemplate,
        $"Expected the name of a guest or the path of a template, found '{name}', which could be either: '{path}' is a template.",
        name,
        $"Start from the template: Start-Guest ./{name}; or boot a new guest of that name: Start-Guest {name} -Memory 128MB.");

    private static bool IsStartAgain(string name) => NamePattern.IsPattern(name)
        || ModuleServices.Guests.List().Any(guest =>
            guest.Name.Equals(name, StringComparison.OrdinalIgnoreCase) && guest.State.IsOver());

    private static void CheckTemplateNotNeeded(GuestOptions options, int count, string? format, string? templateHere)
    {
        string? parameter = count > 1 ? nameof(Count)
            : format is not null ? nameof(NameFormat)
            : options.Verify ? nameof(Verify)
            : options.Lazy ? nameof(Lazy)
            : options.Destination is not null ? nameof(Destination)
            : options.SearchPath.Count > 0 ? nameof(SearchPath)
            : options.KeepIdentity ? nameof(KeepIdentity)
            : options.Identity is not null ? nameof(Identity)
            : options.FileAccessMode != default ? nameof(FileAccessMode)
            : options.DiscardPolicy != default ? nameof(DiscardPolicy)
            : null;
        if (parameter is not null)
        {
            throw new CmdletException(
                ModuleErrorIds.TemplateNotGiven,
                $"Expected a template with -{parameter}, found {(options.BackendIds.Count > 0 ? "memory backends" : "none")}.",
                options.Name,
                templateHere is null
                    ? "Give -Template, or make a template first with Checkpoint-Guest."
                    : $"Start from the template '{templateHere}' by its path: Start-Guest ./{options.Name} -{parameter}.");
        }
    }

    private static string Describe(GuestOptions options)
    {
        string boot = options.Kernel ?? options.Firmware ?? "the embedded guest";
        string ram = (options.BackendIds, options.MemoryPath) switch
        {
            ({ Count: > 0 } ids, _) => $"memory backend {string.Join(", ", ids)}",
            (_, { } path) => $"{ByteSize.ToText(options.Memory)} of '{path}', mapped privately",
            _ => $"{ByteSize.ToText(options.Memory)} of anonymous memory",
        };
        return $"Start {(options.Name is null ? "a guest" : $"guest '{options.Name}'")}: {boot} on {ram}";
    }
}
