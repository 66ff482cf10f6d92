using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;
using PsVm.Module.Templates;

namespace PsVm.Module.Guests;

/// <summary>Starts a guest, or clones of a template, and returns at once.</summary>
[Cmdlet(VerbsLifecycle.Start, "Guest", SupportsShouldProcess = true, DefaultParameterSetName = DefaultRam)]
[OutputType(typeof(Guest), typeof(GuestJob))]
public sealed partial class StartGuestCommand : GuestDevicesCmdlet
{
    private static readonly HashSet<string> s_common = [.. PSCmdlet.CommonParameters, .. PSCmdlet.OptionalCommonParameters];

    private const long DefaultMemory = 128L << 20;
    private const string DefaultRam = "DefaultRam", Backends = "MemoryBackend", FromTemplate = "Template", FromPool = "Pool",
        FromInput = "InputObject";

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
            GuestReference piped = InputObject.BaseObject is Guest guest
                ? new(guest.Name, guest.Id)
                : ((GuestInfo)InputObject.BaseObject).Reference;
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
        (BackendReference[] backends, string? template, bool isRow) = StartInput.Read(
            input, MemoryBackend, Template, IsOnCommandLine(nameof(Template)));
        string? pool = (InputObject?.BaseObject as GuestPool)?.Name ?? Pool;
        bool Counts(string parameter) => IsOnCommandLine(parameter) || (isRow && IsGiven(parameter));
        string? Text(string parameter, string? value) => !Counts(parameter) ? null : NotEmpty(parameter, value);
        string[] given = !Counts(nameof(Name))
            ? []
            : [.. (Name ?? new string?[1]).Select(name => NotEmpty(nameof(Name), name)).OfType<string>()];
        if (template is null && pool is null && backends.Length == 0 && given is [{ } only] && StartInput.IsPath(only))
        {
            (given, template) = ([], only);
        }

        GuestOptions options = new()
        {
            Name = given.Length == 1 ? given[0] : null,
            BackendIds = backends,
            MemoryPath = ResolvePath(MemPath),
            Memory =
                (Counts(nameof(Memory)) ? Memory : null) ?? (template is null && pool is null && backends.Length == 0 ? DefaultMemory : 0),
            Kernel = ResolvePath(Text(nameof(Kernel), Kernel)),
            Initrd = ResolvePath(Text(nameof(Initrd), Initrd)),
            Firmware = ResolvePath(Text(nameof(Firmware), Firmware)),
            CommandLine = Counts(nameof(CommandLine)) && (CommandLine is not "" || IsOnCommandLine(nameof(CommandLine)))
                ? CommandLine
                : null,
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
            VhostUser = Array.ConvertAll(
                VhostUser, device => device with { Socket = ResolvePath(device.Socket), Path = ResolvePath(device.Path) }),
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
            : throw NamesConflict(
                given, $"beside -{(format is null ? nameof(Count) : nameof(NameFormat))}", "Give only names, or only a format.");
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
    internal static void StartAgain(
        GuestReference guest, IGuestHost host, ICmdletOutput output, bool isPart, CancellationToken cancellation)
    {
        LatestStep step = new();
        using ProgressTicker progress = new(output, elapsed => step.At($"Starting guest '{guest}'", elapsed) with { IsPart = isPart });
        host.StartAgain(guest, step, cancellation);
    }

    // A column of a row may be empty; on the command line it is a variable that was not set.
    private string? NotEmpty(string parameter, string? value) => !string.IsNullOrEmpty(value) ? value
        : !IsOnCommandLine(parameter) ? null
        : throw new CmdletException(
            ModuleErrorIds.ArgumentMissing,
            $"Expected a value for -{parameter}, found an empty one.",
            null,
            $"Leave out -{parameter}, or set its variable.");

    private static CmdletException NamesConflict(string[] names, string where, string action) => new(
        ModuleErrorIds.GuestNamesConflict,
        $"Expected one name at most {where}, found {names.Length}: {string.Join(", ", names.Select(name => $"'{name}'"))}.",
        names[1],
        action);

    private bool IsGivenAlone(string parameter) =>
        MyInvocation.BoundParameters.Keys.All(key => key == parameter || key is nameof(AsJob) or nameof(LogPath) || s_common.Contains(key));

    /// <summary>The path of the template that has the name in the session's location; null: there is none.</summary>
    private string? TemplateHere(string? name) =>
        name is not null && !StartInput.IsPath(name) && ResolvePath($"./{name}") is { } path && ModuleServices.Templates.Exists(path)
            ? path
            : null;

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
