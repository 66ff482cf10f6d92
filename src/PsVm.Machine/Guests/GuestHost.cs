using PsVm.Machine.Board;
using PsVm.Machine.Boot;
using PsVm.Machine.Scheduling;
using PsVm.Machine.Templates;
using PsVm.Memory;
using PsVm.Memory.Mapping;
using PsVm.Memory.Options;
using PsVm.Riscv;

namespace PsVm.Machine.Guests;

/// <summary>The guests of this process.</summary>
public sealed class GuestHost : IGuestHost, IDisposable
{
    /// <summary>Environment variable that says who may share decoded and translated code: a name of <see cref="CodeSharing"/>.</summary>
    public const string CodeSharingVariable = "PSVM_CODE_SHARING";

    /// <summary>Environment variable with the bytes that translated code may take; whole pages.</summary>
    public const string CodeBytesVariable = "PSVM_CODE_BYTES";

    private readonly MemoryBackends _backends;
    private readonly HostEventLog _events = new();
    private readonly HartScheduler _scheduler = new(Environment.ProcessorCount);
    private readonly CodeCache _code;
    private readonly CodeSharing _sharing;
    private readonly Lock _gate = new();
    private readonly OrderedDictionary<string, LiveGuest> _guests = new(StringComparer.OrdinalIgnoreCase);

    // Names of guests that are being put together.
    private readonly HashSet<string> _claimed = new(StringComparer.OrdinalIgnoreCase);
    private int _lastNumber;
    private bool _closed;

    /// <summary>Makes a host without guests.</summary>
    /// <param name="backends">The backends that guests may name.</param>
    /// <param name="translation">How guest code is translated, and how much memory that may take; null: as measured best, or as
    /// <see cref="CodeBytesVariable"/> says.</param>
    /// <param name="sharing">Who may share decoded and translated code; null: as <see cref="CodeSharingVariable"/> says, or clones of one
    /// template.</param>
    /// <exception cref="GuestException">A variable says nothing that is possible.</exception>
    public GuestHost(MemoryBackends backends, TranslatorOptions? translation = null, CodeSharing? sharing = null)
    {
        ArgumentNullException.ThrowIfNull(backends);
        _backends = backends;
        _sharing = sharing ?? HostEnvironment.Sharing();
        _code = new CodeCache(translation ?? HostEnvironment.Translation());
        if (_code.Usage.Unavailable is { } refusal)
        {
            _events.Add(
                HostEventLevel.Warning,
                HostEventIds.TranslationUnavailable,
                guest: null,
                $"Guests run on the interpreter alone, several times slower: this host gives no memory for translated code ({refusal}).");
        }
    }

    /// <inheritdoc/>
    IReadOnlyList<string> IGuestHost.MachineTypes => [MachineTypes.Alias, .. MachineTypes.Versions];

    /// <summary>The code that its guests share.</summary>
    public TranslationUsage MeasureTranslation()
    {
        CodeCacheUsage usage = _code.Usage;
        return new TranslationUsage
        {
            CodeBytes = usage.CodeBytes,
            CodeLimit = _code.Options.CodeBytes,
            DecodedBytes = usage.DecodedBytes,
            Blocks = usage.TranslatedBlocks,
            Loops = usage.TranslatedLoops,
            Waiting = usage.Waiting,
            Time = usage.TranslationTime,
            PagesShared = usage.SharedPages,
            PagesEvicted = usage.EvictedPages,
            Sharing = _sharing,
            Failures = usage.Failures,
            LastFailure = usage.LastFailure,
            Unavailable = usage.Unavailable,
        };
    }

    /// <inheritdoc/>
    public GuestInfo Start(GuestOptions options, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(options);
        var clock = new StartClock();
        Check(options);
        TemplateSource? template = options.Template is null ? null : TemplateOptions.Open(options);
        string machineType = ResolveMachineType(options.MachineType ?? template?.Template.MachineType ?? MachineTypes.Alias);
        if (template is not null)
        {
            TemplateNeeds.Check(template.Template, machineType);
        }

        string name = ClaimName(options.Name);
        try
        {
            options = options with { Name = name, MachineType = machineType };
            LiveGuest guest = template is null ? Boot(options, clock, cancellation) : Continue(options, template, clock, cancellation);
            try
            {
                Add(guest);
                GuestInfo info = guest.Info; // before it runs: it may be over at once, and that is told later
                Note(HostEventIds.GuestStarted, info, $"Guest {name} started: {info.Boot}, {info.Memory} bytes, {info.Harts} harts");
                guest.Start(clock, cancellation);
            }
            catch
            {
                lock (_gate)
                {
                    _guests.Remove(name);
                }

                guest.Dispose();
                throw;
            }

            return guest.Info;
        }
        finally
        {
            lock (_gate)
            {
                _claimed.Remove(name);
            }
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<GuestInfo> List(CancellationToken cancellation = default)
    {
        LiveGuest[] guests;
        lock (_gate)
        {
            guests = [.. _guests.Values];
        }

        return [.. guests.Select(guest => guest.Info)];
    }

    /// <inheritdoc/>
    public GuestInfo Get(GuestReference guest, CancellationToken cancellation = default) => Find(guest).Info;

    /// <inheritdoc/>
    public GuestMeasurement Measure(GuestReference guest, bool detailed, CancellationToken cancellation = default) =>
        Measure([guest], detailed, cancellation)[0];

    /// <inheritdoc/>
    public IReadOnlyList<GuestMeasurement> Measure(
        IReadOnlyList<GuestReference> guests, bool detailed, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(guests);
        LiveGuest[] found = [.. guests.Select(Find)];
        ProcessMappings? mappings = detailed ? ProcessMappings.Read() : null;
        TranslationUsage translation = MeasureTranslation();
        List<GuestMeasurement> measurements = [];
        foreach (LiveGuest guest in found)
        {
            cancellation.ThrowIfCancellationRequested();
            measurements.Add(guest.Measure(mappings) with { Translation = translation });
        }

        return measurements;
    }

    /// <inheritdoc/>
    /// <exception cref="GuestException">It has stopped (<see cref="GuestErrorIds.GuestStopped"/>).</exception>
    public void Suspend(GuestReference guest, CancellationToken cancellation = default) => Find(guest).Suspend(cancellation);

    /// <inheritdoc/>
    /// <exception cref="GuestException">It has stopped (<see cref="GuestErrorIds.GuestStopped"/>).</exception>
    public void Resume(GuestReference guest, CancellationToken cancellation = default) => Find(guest).Resume(cancellation);

    /// <inheritdoc/>
    public void Stop(GuestReference guest, CancellationToken cancellation = default) => Find(guest).Stop(cancellation);

    /// <summary>How templates come to their places; tests let it fail.</summary>
    internal FolderCalls FolderCalls { get; init; } = FolderCalls.Kernel;

    /// <inheritdoc/>
    public GuestTemplate Checkpoint(
        GuestReference guest, CheckpointOptions options, IProgress<double>? progress, CancellationToken cancellation) =>
        new Checkpoint(_backends, Find(guest), options, FolderCalls).Run(progress, cancellation);

    /// <inheritdoc/>
    /// <exception cref="GuestException">It has not stopped (<see cref="GuestErrorIds.GuestNotStopped"/>).</exception>
    public void Remove(GuestReference guest, CancellationToken cancellation = default)
    {
        LiveGuest found = Find(guest);
        if (found.Info.State is GuestState.Running or GuestState.Suspended)
        {
            throw new GuestException(
                GuestErrorIds.GuestNotStopped,
                $"Expected guest '{found.Name}' to have stopped, found it {(found.Info.State == GuestState.Running ? "running" : "suspended")}.",
                found.Name,
                "Stop it first.");
        }

        bool removed;
        lock (_gate)
        {
            removed = _guests.TryGetValue(found.Name, out LiveGuest? current) && current == found && _guests.Remove(found.Name);
        }

        if (removed)
        {
            found.Dispose();
            Note(HostEventIds.GuestRemoved, found.Description, $"Guest {found.Name} removed");
        }
    }

    /// <inheritdoc/>
    public bool WaitForText(GuestReference guest, string text, TimeSpan timeout, CancellationToken cancellation)
    {
        ArgumentException.ThrowIfNullOrEmpty(text);
        return Find(guest).Console.WaitForText(text, timeout, cancellation);
    }

    /// <inheritdoc/>
    public bool WaitForState(GuestReference guest, GuestState state, TimeSpan timeout, CancellationToken cancellation) =>
        Find(guest).WaitForState(state, timeout, cancellation);

    /// <inheritdoc/>
    public ConsoleText ReadConsole(GuestReference guest, long position, CancellationToken cancellation = default) =>
        Find(guest).Console.Read(position);

    /// <inheritdoc/>
    /// <exception cref="GuestException">
    /// It has stopped (<see cref="GuestErrorIds.GuestStopped"/>), or it does not read (<see cref="GuestErrorIds.ConsoleInputFull"/>).
    /// </exception>
    public void WriteConsole(GuestReference guest, string text, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(text);
        Find(guest).Type(text);
    }

    /// <inheritdoc/>
    public HostEvents ReadEvents(long position, CancellationToken cancellation = default) => _events.Read(position);

    /// <summary>Stops and removes all guests.</summary>
    public void Dispose()
    {
        LiveGuest[] guests;
        lock (_gate)
        {
            if (_closed)
            {
                return;
            }

            _closed = true;
            guests = [.. _guests.Values];
            _guests.Clear();
        }

        Array.ForEach(guests, guest => guest.Dispose());
        _scheduler.Dispose();
        _code.Dispose();
    }

    /// <summary>Checks what can be checked without opening anything.</summary>
    private static void Check(GuestOptions options)
    {
        if (options.Harts is < 1 or > MemoryMap.MaxHarts)
        {
            throw new GuestException(
                GuestErrorIds.HartCountInvalid, $"Expected 1 to {MemoryMap.MaxHarts} harts, found {options.Harts}.", options.Name);
        }

    }

    private static string ResolveMachineType(string machineType) => MachineTypes.Resolve(machineType) ?? throw new GuestException(
        GuestErrorIds.UnknownMachineType,
        $"Expected the machine type {MachineTypes.Alias} or one of {string.Join(", ", MachineTypes.Versions)}, found '{machineType}'.",
        machineType);

    /// <summary>A guest that begins where a template ends.</summary>
    private LiveGuest Continue(GuestOptions options, TemplateSource source, StartClock clock, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        MachineState.Identity machine = source.State.ReadIdentity();
        clock.Opened();
        GuestRam ram = TemplateRam.Map(_backends, options, source, cancellation);
        try
        {
            clock.Mapped();
            GuestInfo description = Describe(options, ram, source.Template.Boot) with
            {
                Uuid = options.KeepIdentity ? machine.Uuid : Guid.NewGuid(),
                Harts = machine.Harts,
                Template = source.Template.Path,
            };
            LiveGuest guest = new(
                _scheduler, _code, Family(source.Template.Id), description, ram, machine.Firmware, board => Restore(board, source.State, options.KeepIdentity), LogEnd);
            clock.Restored();
            return guest;
        }
        catch
        {
            ram.Dispose();
            throw;
        }
    }

    /// <summary>Who a guest may share code with; null: nobody.</summary>
    /// <param name="template">The template that it starts from; null: it boots.</param>
    private string? Family(Guid? template) => _sharing == CodeSharing.Host ? nameof(CodeSharing.Host) : template?.ToString();

    private static void Restore(GuestBoard board, MachineState state, bool keepIdentity)
    {
        state.Restore(board);
        if (!keepIdentity)
        {
            board.RenewGeneration();
        }
    }

    private static GuestInfo Describe(GuestOptions options, GuestRam ram, string boot) => new()
    {
        Id = Guid.NewGuid(),
        Uuid = Guid.NewGuid(),
        Name = options.Name!,
        MachineType = options.MachineType!,
        Harts = options.Harts ?? 1,
        Memory = ram.Outcomes.Sum(outcome => outcome.Size),
        Backends = ram.Outcomes,
        StartedAt = DateTimeOffset.UtcNow,
        Boot = boot,
    };

    private LiveGuest Boot(GuestOptions options, StartClock clock, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        using BootFiles files = BootFiles.Open(options);
        clock.Opened();
        GuestRam ram = GuestRam.Take(_backends, options, options.Name!, cancellation);
        try
        {
            clock.Mapped();
            GuestInfo description = Describe(options, ram, files.Name);
            MachineType machine = MachineType.Get(description.MachineType);
            BootEntry entry = ram.Whole(
                () => BootLoader.Load(ram.Memory, files, machine, description.Harts, options.CommandLine ?? ""));
            LiveGuest guest = new(
                _scheduler,
                _code,
                Family(null),
                description,
                ram,
                files.Firmware is not null,
                board => board.PowerOn(entry),
                LogEnd);
            clock.Restored();
            return guest;
        }
        catch
        {
            ram.Abandon();
            throw;
        }
    }

    private string ClaimName(string? wanted)
    {
        lock (_gate)
        {
            ThrowIfClosed(wanted);
            string name = wanted ?? NextName();
            if (string.IsNullOrWhiteSpace(name))
            {
                throw new GuestException(GuestErrorIds.GuestNameInvalid, "Expected a guest name, found a blank one.", name);
            }

            if (IsTaken(name))
            {
                throw new GuestException(
                    GuestErrorIds.GuestNameInUse,
                    $"Expected a name that no guest has, found that there is a guest '{name}'.",
                    name,
                    "Choose another name, or remove the guest.");
            }

            _claimed.Add(name);
            return name;
        }
    }

    private string NextName()
    {
        string name;
        do
        {
            name = $"guest{++_lastNumber}";
        }
        while (IsTaken(name));
        return name;
    }

    private bool IsTaken(string name) => _guests.ContainsKey(name) || _claimed.Contains(name);

    private void Add(LiveGuest guest)
    {
        lock (_gate)
        {
            ThrowIfClosed(guest.Name);
            _guests.Add(guest.Name, guest);
        }
    }

    private void ThrowIfClosed(string? name)
    {
        if (_closed)
        {
            throw new GuestException(GuestErrorIds.GuestHostClosed, "Expected an open host of guests, found it closed.", name);
        }
    }

    private LiveGuest Find(GuestReference wanted)
    {
        ArgumentNullException.ThrowIfNull(wanted.Name, nameof(wanted));
        lock (_gate)
        {
            if (!_guests.TryGetValue(wanted.Name, out LiveGuest? guest))
            {
                throw new GuestException(
                    GuestErrorIds.GuestNotFound,
                    $"Expected a guest named '{wanted.Name}', found {(_guests.Count == 0 ? "no guests" : string.Join(", ", _guests.Keys))}.",
                    wanted.Name);
            }

            return wanted.Id is null || wanted.Id == guest.Description.Id
                ? guest
                : throw new GuestException(
                    GuestErrorIds.GuestNotFound,
                    $"Expected the guest '{wanted.Name}' that has the id {wanted.Id}, found that it was removed and that another one has its name.",
                    wanted.Name,
                    $"Get the guest that has the name now: Get-Guest '{wanted.Name}'.");
        }
    }

    private void LogEnd(GuestInfo guest)
    {
        if (guest.State == GuestState.Failed)
        {
            _events.Add(HostEventLevel.Error, HostEventIds.GuestFailed, guest, $"Guest {guest.Name} failed: {guest.StopReason}");
        }
        else
        {
            Note(HostEventIds.GuestStopped, guest, $"Guest {guest.Name} stopped: {guest.StopReason}");
        }
    }

    private void Note(string id, GuestInfo guest, string message) => _events.Add(HostEventLevel.Information, id, guest, message);
}
