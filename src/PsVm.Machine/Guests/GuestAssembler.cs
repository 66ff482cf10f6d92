using PsVm.Machine.Agents;
using PsVm.Machine.Board;
using PsVm.Machine.Board.Slots;
using PsVm.Machine.Boot;
using PsVm.Machine.Devices;
using PsVm.Machine.Scheduling;
using PsVm.Machine.Templates;
using PsVm.Machine.Templates.Lazy;
using PsVm.Memory;
using PsVm.Memory.Options;
using PsVm.Riscv;

namespace PsVm.Machine.Guests;

/// <summary>Puts guests together.</summary>
/// <param name="backends">Where their RAM comes from.</param>
/// <param name="scheduler">Where their harts are to run.</param>
/// <param name="code">Where all guests keep decoded and translated code.</param>
/// <param name="sharing">Who may share it.</param>
/// <param name="watch">Who watches the host's memory.</param>
/// <param name="lazy">The copies of templates that some run on.</param>
/// <param name="kinds">What there is that guests can be given into slots.</param>
/// <param name="events">Who is told of their ends.</param>
internal sealed class GuestAssembler(
    MemoryBackends backends,
    HartScheduler scheduler,
    CodeCache code,
    CodeSharing sharing,
    MemoryWatch watch,
    LazyStarts lazy,
    Func<IReadOnlyList<IGuestDeviceKind>> kinds,
    LifeEvents events)
{
    private readonly GuestDeviceHost _host = new(watch.HasRoom);

    /// <summary>Checks what is asked for, and opens the template that it names.</summary>
    /// <exception cref="GuestException">It cannot be had.</exception>
    public GuestAssembly Open(GuestOptions options)
    {
        if (options.Harts is < 1 or > MemoryMap.MaxHarts)
        {
            throw new GuestException(
                GuestErrorIds.HartCountInvalid, $"Expected 1 to {MemoryMap.MaxHarts} harts, found {options.Harts}.", options.Name);
        }

        CpuAccount.Check(options.CpuWeight, options.CpuLimit, options.Name);
        OwnMemoryAccount.Check(options.OwnMemoryLimit, options.Name);
        AgentIdentity.Check(options.Identity, options.Name);
        PortSockets.Check(options.ConsolePorts, options.Name);

        LazyStarts.CheckOptions(options);
        options = LazyStarts.Resolve(options);

        // Looked up before the files are opened: what is replaced from then on shows.
        TemplateGeneration generation = options.Template is null ? default : TemplateGeneration.At(options.Template);
        TemplateSource? template = options.Template is null ? null : TemplateOptions.Open(options, generation);
        IReadOnlyList<GuestDevicePlan> slots = SlotPlan.Of(kinds(), options, template?.Template);
        string usual = slots.Count > 0 || options.ConsolePorts.Count > 0 ? MachineTypes.WithSlots : MachineTypes.Alias;
        string machineType = ResolveMachineType(options.MachineType ?? template?.Template.MachineType ?? usual);
        template?.CheckNeeds(machineType);
        SlotPlan.CheckRoom(slots, MachineType.Get(machineType), options.Name);
        CheckPorts(options, machineType);
        return new GuestAssembly(this, options, machineType, template, slots, generation);
    }

    /// <summary>Checks whether a guest that boots again could have other disks, shared folders or network adapters.</summary>
    /// <param name="options">What the guest is made of then.</param>
    /// <returns>That, on a machine type that has slots where the one that guests usually have has none, and all that would be in its
    /// slots.</returns>
    /// <exception cref="GuestException">It could not.</exception>
    public (GuestOptions Options, IReadOnlyList<GuestDevicePlan> Slots) OpenWith(GuestOptions options)
    {
        string? machineType = options.MachineType == MachineTypes.Resolve(MachineTypes.Alias) ? null : options.MachineType;
        bool hasDevices = options.Disks.Count + options.SharedFolders.Count + options.Networks.Count + options.ConsolePorts.Count > 0;
        GuestAssembly assembly = Open(options with { MachineType = hasDevices ? machineType : options.MachineType });
        return (assembly.Options, assembly.Slots);
    }

    private static void CheckPorts(GuestOptions options, string machineType)
    {
        if (options.ConsolePorts is [var first, ..]
            && !PortSockets.AreOf(MachineType.Get(machineType).Devices.Select(device => device.Kind)))
        {
            throw new GuestException(
                GuestErrorIds.ConsolePortUnavailable,
                $"Expected a machine type with a device for port '{first.Name}', found {machineType}, which has none.",
                options.Name,
                $"Leave out MachineType, or give {MachineTypes.WithSlots}.");
        }
    }

    private static void CheckPorts(GuestOptions options, TemplateSource? template)
    {
        if (options.ConsolePorts.Count > 0)
        {
            IReadOnlyList<string> has = template is null
                ? [.. options.ConsolePorts.Select(port => port.Name)]
                : GuestTemplates.PortsOf(template);
            PortSockets.CheckMake(options.ConsolePorts, has, options.Name);
        }
    }

    /// <summary>What opens folders.</summary>
    public FolderKind Folders => kinds().OfType<FolderKind>().First();

    /// <summary>Makes a device that a guest is given while it is off.</summary>
    /// <param name="plan">What it is.</param>
    /// <param name="onlyLooks">It is found out whether it could be made.</param>
    public IGuestDevice Make(GuestDevicePlan plan, bool onlyLooks) => plan.Open(_host with { OnlyLooks = onlyLooks });

    /// <summary>Finds out what would be wrong, as far as that can be known without mapping RAM.</summary>
    /// <param name="options">What is asked for.</param>
    /// <param name="template">The template that it begins from; null: it boots.</param>
    /// <param name="slots">What is to be in its slots.</param>
    /// <param name="life">What it has already, of the life that comes before.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="GuestException">The guest could not be put together.</exception>
    /// <exception cref="MemoryBackendException">Its RAM could not be had.</exception>
    public void Check(
        GuestOptions options, TemplateSource? template, IReadOnlyList<GuestDevicePlan> slots,
        LifeBefore life, CancellationToken cancellation)
    {
        if (life == LifeBefore.None)
        {
            GuestDevices.Check(slots, HostOf(options, template, cancellation) with { OnlyLooks = true });
            CheckPorts(options, template);
        }

        CheckConsumers(options, template, slots);
        if (template is not null && options.Lazy)
        {
            lazy.Check(options, template.Template, backends);
            return;
        }

        if (template is not null)
        {
            TemplateReport report = GuestTemplates.Test(
                template.Template.Path, options.Verify && options.MemoryPath is null, options.SearchPath, cancellation);
            if (report.Errors is [TemplateError first, ..] && options.MemoryPath is null)
            {
                throw new GuestException(first.Id, first.Message, report.Path, first.RecommendedAction);
            }

            return;
        }

        using BootFiles files = BootFiles.Open(options);
        GuestRam.Check(backends, options, options.Name ?? "a guest", life == LifeBefore.Runs);
    }

    /// <summary>Finds out whether the RAM would be what the devices need.</summary>
    private void CheckConsumers(GuestOptions options, TemplateSource? template, IReadOnlyList<GuestDevicePlan> slots)
    {
        if (template is not null)
        {
            foreach (TemplateRamBlock block in template.Template.RamBlocks)
            {
                RamConsumers.Check(
                    slots, backends, block.BackendId, TemplateRam.OptionsOf(options, block, options.MemoryPath ?? block.File));
            }

            return;
        }

        RamConsumers.Check(slots, options.BackendIds.Select(backends.Get));
        if (options.BackendIds.Count == 0)
        {
            RamConsumers.Check(slots, backends, MemoryBackends.DefaultRamId, GuestRam.DefaultRam(options));
        }
    }

    /// <summary>
    /// Finds out whether the host has, for several clones at once, what the RAM of each takes from the start: huge pages.
    /// </summary>
    /// <exception cref="GuestException">What the template needs is not there.</exception>
    /// <exception cref="MemoryBackendException">The host has not.</exception>
    public static void CheckRoom(GuestOptions options, TemplateSource template, int count)
    {
        // Differential templates lie over the RAM of the one that stands alone.
        TemplateChain chain = template.OpenChain(options.SearchPath);
        MemoryBackends.CheckPrivateMappings(
            [.. chain.Base.RamBlocks.Where(block => !block.ReadOnly).Select(block => (options.MemoryPath ?? block.File, block.Size))],
            count);
    }

    /// <summary>A guest that boots.</summary>
    public LiveGuest Boot(
        GuestOptions options, IReadOnlyList<GuestDevicePlan> slots, LiveGuest? previous, StartClock clock, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        using BootFiles files = BootFiles.Open(options);
        clock.Opened();
        GuestRam ram = GuestRam.Take(backends, options, options.Name!, cancellation);
        try
        {
            clock.Mapped();
            GuestInfo description = Describe(options, previous, ram, files.Name);
            MachineType machine = MachineType.Get(description.MachineType);
            long loaded = 0;
            BootEntry entry = ram.Whole(
                () => BootLoader.Load(ram.Memory, files, machine, description.Harts, options.CommandLine ?? "", Loaded));
            return Assemble(
                options, slots, previous, null, description, ram, files.Firmware is not null, board => board.PowerOn(entry), clock);

            void Loaded(int bytes)
            {
                cancellation.ThrowIfCancellationRequested();
                clock.Loaded(loaded += bytes, files.Size);
            }
        }
        catch
        {
            ram.Abandon();
            throw;
        }
    }

    /// <summary>A guest that begins where a template ends.</summary>
    public LiveGuest Continue(
        GuestOptions options,
        TemplateSource source,
        IReadOnlyList<GuestDevicePlan> slots,
        LiveGuest? previous,
        ResetRequest? reset,
        StartClock clock,
        CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        MachineState.Identity machine = source.State.ReadIdentity();
        clock.Opened();
        (GuestRam ram, LazyRam? filled) = options.Lazy
            ? MapLazily(options, source.Template, cancellation)
            : (TemplateRam.Map(backends, options, source, cancellation), null);
        try
        {
            clock.Mapped();
            GuestInfo description = Describe(options, previous, ram, source.Template.Boot) with
            {
                Harts = machine.Harts,
                Template = filled?.Info.Destination ?? source.Template.Path,
            };
            description = options.KeepIdentity ? description with { Uuid = machine.Uuid } : description;
            if (filled is null)
            {
                WorkingSet.Of(source.Template)?.ReadAhead(ram);
            }

            return Assemble(
                options, slots, previous, source, description, ram, machine.Firmware,
                Restore, clock, filled, HostOf(options, source, cancellation));
        }
        catch
        {
            filled?.Dispose();
            ram.Dispose();
            throw;
        }

        void Restore(GuestBoard board)
        {
            if (reset is not null)
            {
                previous!.Console.Cut(); // all else has succeeded; what the template's guest had been typed comes next
            }

            ram.BeginWithFamily(board.Harts[0]);
            source.State.Restore(board, source.Template.Devices, reset?.KeepIdentity ?? options.KeepIdentity);
        }
    }

    private (GuestRam Ram, LazyRam? Filled) MapLazily(GuestOptions options, GuestTemplate template, CancellationToken cancellation)
    {
        lazy.Check(options, template, backends);
        TemplateFill fill = lazy.Open(options, template, out IDisposable held, cancellation);
        try
        {
            GuestRam ram = TemplateRam.Map(backends, options, fill, cancellation);
            return (ram, new LazyRam(fill, held, ram));
        }
        catch
        {
            held.Dispose();
            throw;
        }
    }

    private LiveGuest Assemble(
        GuestOptions options,
        IReadOnlyList<GuestDevicePlan> slots,
        LiveGuest? previous,
        TemplateSource? template,
        GuestInfo description,
        GuestRam ram,
        bool firmware,
        Action<GuestBoard> begin,
        StartClock clock,
        LazyRam? filled = null,
        GuestDeviceHost? host = null)
    {
        // By which backends it can be made again, whoever has their ids then.
        GuestOptions again = options.BackendIds.Count == 0
            ? options
            : options with { BackendIds = [.. ram.Backends.Select(backend => backend.Info.Reference)] };
        CpuAccount account = previous?.CpuAccount ?? new CpuAccount(options.CpuWeight, options.CpuLimit);
        OwnMemoryAccount memory = previous?.OwnMemory ?? new OwnMemoryAccount(options.OwnMemoryLimit, options.OwnMemoryAction);
        RamConsumers.Check(slots, ram.Backends);
        GuestDevices devices = previous?.Devices.Share() ?? GuestDevices.Open(slots, host ?? _host);
        PortSockets sockets = previous?.Sockets.Share() ?? new PortSockets(options.ConsolePorts);
        try
        {
            LiveGuest guest = new(
                scheduler, account, memory, watch, code, Family(template), description, ram, filled, firmware, template, begin, again,
                previous?.Console, devices, sockets, events);
            clock.Restored();
            return guest;
        }
        catch
        {
            devices.Dispose();
            sockets.Dispose();
            throw;
        }
    }

    /// <summary>What the host has for the devices of a guest, with what they go on from.</summary>
    private GuestDeviceHost HostOf(GuestOptions options, TemplateSource? template, CancellationToken cancellation) => template is null
        ? _host
        : _host with { DiskLayers = disk => template.DiskLayers.Hold(disk, options.Verify, cancellation) };

    /// <summary>Who a guest may share code with; null: nobody.</summary>
    /// <param name="template">The template that it starts from; null: it boots.</param>
    private string? Family(TemplateSource? template) =>
        sharing == CodeSharing.Host ? nameof(CodeSharing.Host) : template is null ? null : LiveGuest.FamilyOf(template.Template);

    private static GuestInfo Describe(GuestOptions options, LiveGuest? previous, GuestRam ram, string boot) => new()
    {
        Id = previous?.Description.Id ?? Guid.NewGuid(),
        Uuid = previous?.Description.Uuid ?? Guid.NewGuid(),
        Name = options.Name!,
        Notes = previous is null ? options.Notes : previous.Description.Notes,
        Labels = previous?.Description.Labels ?? options.Labels,
        MachineType = options.MachineType!,
        Harts = options.Harts ?? 1,
        Memory = ram.Size,
        Backends = ram.Outcomes,
        StartedAt = DateTimeOffset.UtcNow,
        Boot = boot,
        Kernel = options.Kernel,
        Initrd = options.Initrd,
        Firmware = options.Firmware,
        CommandLine = options.CommandLine,
    };

    private static string ResolveMachineType(string machineType) => MachineTypes.Resolve(machineType) ?? throw new GuestException(
        GuestErrorIds.UnknownMachineType,
        $"Expected the machine type {MachineTypes.Alias} or one of {string.Join(", ", MachineTypes.Versions)}, found '{machineType}'."
        + NearestName.Hint(machineType, MachineTypes.Versions),
        machineType);
}

/// <summary>A guest that can be put together.</summary>
/// <param name="assembler">Who does it.</param>
/// <param name="options">What is asked for.</param>
/// <param name="machineType">The machine type that it gets.</param>
/// <param name="template">The template that it begins from; null: it boots.</param>
/// <param name="slots">What is to be in its slots.</param>
/// <param name="generation">Which one of the templates of that path it is.</param>
internal sealed class GuestAssembly(
    GuestAssembler assembler,
    GuestOptions options,
    string machineType,
    TemplateSource? template,
    IReadOnlyList<GuestDevicePlan> slots,
    TemplateGeneration generation)
{
    private readonly GuestOptions _resolved = options with { MachineType = machineType };

    /// <summary>What is asked for, with the machine type.</summary>
    public GuestOptions Options => _resolved;

    /// <summary>What is to be in its slots.</summary>
    public IReadOnlyList<GuestDevicePlan> Slots => slots;

    /// <inheritdoc cref="GuestAssembler.Check"/>
    public void Check(CancellationToken cancellation, LifeBefore life = LifeBefore.None) =>
        assembler.Check(_resolved, template, slots, life, cancellation);

    /// <inheritdoc cref="GuestAssembler.CheckRoom"/>
    public void CheckRoom(int count)
    {
        OfOneGuest.Check(_resolved, count);
        if (template is not null)
        {
            GuestAssembler.CheckRoom(_resolved, template, count);
        }
    }

    /// <summary>Puts it together; it does not run yet.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="previous">The life that it goes on from, whose names and console it has; null: it is a new guest.</param>
    /// <param name="reset">The life before is to be as if it had not been; null: its console goes on.</param>
    /// <param name="clock">Is told of the steps.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="GuestException">It cannot be put together; nothing is left behind.</exception>
    /// <exception cref="MemoryBackendException">Its RAM cannot be had.</exception>
    public LiveGuest Build(string name, LiveGuest? previous, ResetRequest? reset, StartClock clock, CancellationToken cancellation)
    {
        if (template is null)
        {
            return assembler.Boot(_resolved with { Name = name }, slots, previous, clock, cancellation);
        }

        string path = template.Template.Path;
        try
        {
            return Continue(name, previous, reset, clock, cancellation);
        }
        catch (PsVmException) when (generation.IsReplaced(path))
        {
            // The open files belong to a template that is gone: from the new one on, with all its files opened anew.
            return TemplateGeneration.Settled(path, () => assembler.Open(options).Continue(name, previous, reset, clock, cancellation));
        }
    }

    private LiveGuest Continue(string name, LiveGuest? previous, ResetRequest? reset, StartClock clock, CancellationToken cancellation) =>
        assembler.Continue(_resolved with { Name = name }, template!, slots, previous, reset, clock, cancellation);
}

/// <summary>What a guest has already when it is put together.</summary>
internal enum LifeBefore
{
    /// <summary>Nothing: it is a new one.</summary>
    None,

    /// <summary>What is in its slots, of a life that has ended.</summary>
    Ended,

    /// <summary>That, and its backends: it runs still.</summary>
    Runs,
}

/// <summary>What is asked of a reset.</summary>
/// <param name="KeepIdentity">The guest has the generation id of its template; else a new one.</param>
internal readonly record struct ResetRequest(bool KeepIdentity);
