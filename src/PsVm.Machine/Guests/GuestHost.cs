using System.Diagnostics;
using PsVm.Machine.Board;
using PsVm.Machine.Board.Slots;
using PsVm.Machine.Devices.Disks;
using PsVm.Machine.Scheduling;
using PsVm.Machine.Templates;
using PsVm.Machine.Templates.Lazy;
using PsVm.Memory;
using PsVm.Memory.Mapping;
using PsVm.Memory.Options;
using PsVm.Riscv;

namespace PsVm.Machine.Guests;

/// <summary>The guests of this process.</summary>
public sealed partial class GuestHost : IGuestHost, IDisposable
{
    /// <summary>Environment variable that says who may share decoded and translated code: a name of <see cref="CodeSharing"/>.</summary>
    public const string CodeSharingVariable = "PSVM_CODE_SHARING";

    /// <summary>Environment variable with the bytes that translated code may take; whole pages.</summary>
    public const string CodeBytesVariable = "PSVM_CODE_BYTES";

    private readonly MemoryBackends _backends;
    private readonly GuestAssembler _assembler;
    private readonly GuestSuccession _succession;
    private readonly GuestTable _guests = new();
    private readonly WarmPools _pools;
    private readonly HiddenTemplates _hidden;
    private readonly LazyStarts _lazy;
    private readonly HostEventLog _events = new();
    private readonly HartScheduler _scheduler = new(Environment.ProcessorCount);
    private readonly CodeCache _code;
    private readonly CodeSharing _sharing;
    private bool _warnedOfInterpreter;

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
        LifeEvents events = new(
            _events.NoteEnd,
            guest => _ = Task.Run(() => _succession!.RebootAsync(guest)),
            _events.WarnOfExcess,
            _events.WarnOfDevice,
            _events.WarnOfIdentity);
        AvailableMemory memory = new();
        ReadMemory = memory.Read;
        MemoryWatch watch = new(enough => ReadMemory(enough), () => backends.MemoryReserve, _events.WarnOfShortage);
        _lazy = new LazyStarts(path => OpenLazySource(path), () => FolderCalls, _events.NoteFill);
        _assembler = new GuestAssembler(backends, _scheduler, _code, _sharing, watch, _lazy, () => DeviceKinds, events);
        _succession = new GuestSuccession(_guests, _assembler, _events);
        _pools = new WarmPools(_assembler, _events);
        _hidden = new HiddenTemplates(_guests);
    }

    /// <inheritdoc/>
    string IGuestHost.DescribeMachineType(string machineType) => MachineType.Find(machineType)?.Describe(machineType) ?? string.Empty;

    /// <inheritdoc/>
    IReadOnlyList<string> IGuestHost.MachineTypes => [MachineTypes.Alias, .. MachineTypes.Versions];

    /// <inheritdoc/>
    public IGuestPools Pools => _pools;

    /// <inheritdoc/>
    public IGuestDisks Disks => field ??= new GuestDisks(_guests, _assembler);

    /// <inheritdoc/>
    public IGuestSharedFolders SharedFolders => field ??= new GuestSharedFolders(_guests, _assembler);

    /// <inheritdoc/>
    public IGuestNetworks Networks => field ??= new GuestNetworks(_guests, _assembler);

    /// <inheritdoc/>
    public IGuestAgents Agents => field ??= new GuestAgents(Find);

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
    public GuestInfo Start(GuestOptions options, CancellationToken cancellation) => Start(options, null, cancellation);

    /// <inheritdoc/>
    public GuestInfo Start(GuestOptions options, IProgress<StepProgress>? progress, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(options);
        var clock = new StartClock(progress);
        if (options.Pool is not null)
        {
            return Start(
                options.Name, name => _pools.Take(options, name, cancellation), $"taken from pool {options.Pool}", clock, cancellation);
        }

        GuestAssembly assembly = _assembler.Open(options);
        return Start(
            options.Name, name => assembly.Build(name, previous: null, reset: null, clock, cancellation), "started", clock, cancellation);
    }

    private GuestInfo Start(string? wanted, Func<string, LiveGuest> make, string how, StartClock clock, CancellationToken cancellation)
    {
        string name = _guests.Claim(wanted);
        try
        {
            LiveGuest guest = make(name);
            try
            {
                _guests.Add(guest);
                WarnOfInterpreter();
                _events.NoteStart(guest.Description, how); // before it runs: it may be over at once, and that is told later
                guest.Start(clock, cancellation);
            }
            catch
            {
                _guests.Remove(guest);
                guest.Dispose();
                throw;
            }

            return guest.Info;
        }
        finally
        {
            _guests.GiveUp(name);
        }
    }

    /// <inheritdoc/>
    public GuestInfo StartAgain(GuestReference guest, CancellationToken cancellation) => StartAgain(guest, null, cancellation);

    /// <inheritdoc/>
    public GuestInfo StartAgain(GuestReference guest, IProgress<StepProgress>? progress, CancellationToken cancellation)
    {
        LiveGuest ended = _guests.FindStopped(guest);
        var clock = new StartClock(progress);
        LiveGuest next = _succession.Succeed(ended, clock, cancellation)
            ?? throw GuestTable.NotStopped(_guests.Find(ended.Description.Reference));
        ended.Dispose();
        _events.NoteStart(next.Info, "started again");
        next.Start(clock, cancellation);
        return next.Info;
    }

    /// <inheritdoc/>
    public GuestInfo Change(GuestReference guest, GuestChange change, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(change);
        CpuAccount.Check(change.CpuWeight, change.CpuLimit, Find(guest).Name);
        OwnMemoryAccount.Check(change.OwnMemoryLimit, Find(guest).Name);
        (LiveGuest found, string before) = _guests.Change(guest, change.Name, info => info with
        {
            Notes = change.Notes is null ? info.Notes : change.Notes.Length == 0 ? null : change.Notes,
            Labels = change.Labels ?? info.Labels,
        });
        if (found.Name != before)
        {
            found.RenameLeases();
            _events.NoteRename(found.Description, before);
        }

        if (change.CpuWeight is not null || change.CpuLimit is not null)
        {
            found.ChangeCpu(change.CpuWeight, change.CpuLimit);
        }

        if (change.OwnMemoryLimit is not null || change.OwnMemoryAction is not null)
        {
            found.ChangeOwnMemory(change.OwnMemoryLimit, change.OwnMemoryAction);
        }

        return found.Info;
    }

    /// <inheritdoc/>
    public IReadOnlyList<GuestInfo> List(CancellationToken cancellation = default) => [.. _guests.All.Select(guest => guest.Info)];

    /// <inheritdoc/>
    public GuestInfo Get(GuestReference guest, CancellationToken cancellation = default) => Find(guest).Info;

    /// <inheritdoc/>
    public IReadOnlyList<GuestDisk> GetDisks(GuestReference guest, CancellationToken cancellation = default)
    {
        LiveGuest found = Find(guest);
        return [.. found.Devices.All.OfType<DiskInSlot>().Select(disk => disk.Show(found.Name))];
    }

    /// <summary>The disks of a guest, for tests that do what a driver does.</summary>
    internal IReadOnlyList<Disk> DisksOf(GuestReference guest) =>
        [.. Find(guest).Devices.All.OfType<DiskInSlot>().Select(disk => disk.Disk)];

    /// <inheritdoc/>
    public GuestMeasurement Measure(GuestReference guest, bool detailed, CancellationToken cancellation = default) =>
        Measure([guest], detailed, cancellation)[0];

    /// <inheritdoc/>
    public IReadOnlyList<GuestMeasurement> Measure(
        IReadOnlyList<GuestReference> guests, bool detailed, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(guests);
        LiveGuest[] found = [.. guests.Select(Find)];
        AskForStatistics(found, cancellation);
        ProcessMappings? mappings = detailed ? ProcessMappings.Read(cancellation) : null;
        TranslationUsage translation = MeasureTranslation();
        List<GuestMeasurement> measurements = [];
        foreach (LiveGuest guest in found)
        {
            cancellation.ThrowIfCancellationRequested();
            measurements.Add(guest.Measure(mappings, cancellation) with { Translation = translation });
        }

        return measurements;
    }

    /// <inheritdoc/>
    public IReadOnlyList<RamMap> Map(GuestReference guest, long cellSize, CancellationToken cancellation = default) =>
        Find(guest).Map(cellSize, cancellation);

    /// <inheritdoc/>
    /// <exception cref="GuestException">It has stopped (<see cref="GuestErrorIds.GuestStopped"/>).</exception>
    public void Suspend(GuestReference guest, CancellationToken cancellation = default) => Find(guest).Suspend(cancellation);

    /// <inheritdoc/>
    /// <exception cref="GuestException">It has stopped (<see cref="GuestErrorIds.GuestStopped"/>).</exception>
    public void Resume(GuestReference guest, CancellationToken cancellation = default) => Find(guest).Resume(cancellation);

    /// <inheritdoc/>
    public void CheckResume(GuestReference guest) => Find(guest).CheckResume();

    /// <inheritdoc/>
    public void CheckNotStopped(GuestReference guest) => Find(guest).ThrowIfEnded();

    /// <inheritdoc/>
    public void Stop(GuestReference guest, CancellationToken cancellation = default)
    {
        GuestReference same = Find(guest).Description.Reference;
        Stop(() => Find(same), cancellation);
    }

    /// <summary>
    /// Stops the present life of a guest: one that reboots just now may have another when the one that was found is stopped.
    /// </summary>
    internal static void Stop(Func<LiveGuest> find, CancellationToken cancellation)
    {
        LiveGuest life;
        do
        {
            life = find();
            life.Stop(cancellation);
        }
        while (life.IsHandedOver);
    }

    /// <inheritdoc/>
    public async Task<bool> ShutDownAsync(GuestReference guest, TimeSpan timeout, CancellationToken cancellation = default)
    {
        GuestReference same = Find(guest).Description.Reference;
        return await new ShutdownRequest(() => Find(same), timeout).RunAsync(cancellation).ConfigureAwait(false);
    }

    /// <summary>A guest's kernel has suspended the machine (SBI SUSP), and no hart has run since.</summary>
    internal bool IsAsleep(GuestReference guest) => Find(guest).IsAsleep;

    /// <summary>The present life of a guest, for tests that look at what operators cannot see.</summary>
    internal LiveGuest LifeOf(GuestReference guest) => Find(guest);

    /// <summary>What memory there is; tests have others. Called by one at a time, and told how much would be enough.</summary>
    internal Func<long, MemoryRoom> ReadMemory { get; init; }

    /// <summary>Opens what lazy starts copy, by its path; tests have it slow, or wrong.</summary>
    internal Func<string, ILazySource> OpenLazySource { get; set; } = LocalSource.Open;

    /// <summary>What guests can be given into slots; tests have others.</summary>
    internal IReadOnlyList<IGuestDeviceKind> DeviceKinds { get; set; } = SlotPlan.Kinds;

    /// <summary>How templates come to their places; tests let it fail.</summary>
    internal FolderCalls FolderCalls { get; init; } = FolderCalls.Kernel;

    /// <inheritdoc/>
    public GuestTemplate Checkpoint(
        GuestReference guest, CheckpointOptions options, IProgress<StepProgress>? progress, CancellationToken cancellation) =>
        Noted(guest, found => new Checkpoint(_backends, found, options, FolderCalls).Run(progress, cancellation), progress, cancellation);

    /// <inheritdoc/>
    public GuestTemplate CheckpointHidden(GuestReference guest, IProgress<StepProgress>? progress, CancellationToken cancellation) => Noted(
        guest,
        found => _hidden.Keep(
            new Checkpoint(_backends, found, new CheckpointOptions { Path = found.Name }, FolderCalls).RunHidden(progress, cancellation)),
        progress,
        cancellation);

    /// <inheritdoc/>
    public void ReleaseHidden(string path) => _hidden.Release(path);

    private GuestTemplate Noted(
        GuestReference guest, Func<LiveGuest, GuestTemplate> make, IProgress<StepProgress>? progress, CancellationToken cancellation)
    {
        LiveGuest found = Find(guest);
        found.AwaitFilled(progress, cancellation);
        GuestTemplate template = make(found);
        found.LeaveCodeTo(template);
        _events.NoteCheckpoint(found.Description, template);
        return template;
    }

    /// <inheritdoc/>
    /// <exception cref="GuestException">It has not stopped (<see cref="GuestErrorIds.GuestNotStopped"/>).</exception>
    public void Remove(GuestReference guest, CancellationToken cancellation = default)
    {
        LiveGuest found = _guests.FindStopped(guest);
        if (_guests.Remove(found))
        {
            found.Dispose();
            _hidden.Sweep();
            _events.NoteRemoval(found.Description);
        }
        else if (_guests.All.FirstOrDefault(life => life.Description.Id == found.Description.Id) is { } next)
        {
            throw GuestTable.NotStopped(next); // somebody has started it again meanwhile
        }
    }

    /// <inheritdoc/>
    public bool WaitForText(GuestReference guest, string text, TimeSpan timeout, CancellationToken cancellation)
    {
        ArgumentException.ThrowIfNullOrEmpty(text);
        return WaitForOutput(guest, new ConsoleExpectation { Pattern = text }, timeout, cancellation) is not null;
    }

    /// <inheritdoc/>
    public ConsoleMatch? WaitForOutput(
        GuestReference guest, ConsoleExpectation expected, TimeSpan timeout, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(expected);
        ArgumentException.ThrowIfNullOrEmpty(expected.Pattern);
        LiveGuest found = Find(guest);
        return ConsoleSearch.Wait(found.Console, found.Name, expected, timeout, cancellation);
    }

    /// <inheritdoc/>
    public bool WaitForState(GuestReference guest, GuestState state, TimeSpan timeout, CancellationToken cancellation)
    {
        long began = Stopwatch.GetTimestamp();
        LiveGuest found = Find(guest);
        GuestReference same = found.Description.Reference;
        while (true)
        {
            TimeSpan left = timeout == Timeout.InfiniteTimeSpan ? timeout : timeout - Stopwatch.GetElapsedTime(began);
            bool reached = found.WaitForState(state, left, cancellation);
            LiveGuest current = Find(same);
            if (current == found)
            {
                return reached;
            }

            // It has rebooted: that was no end.
            found = current;
        }
    }

    /// <inheritdoc/>
    public ConsoleText ReadConsole(GuestReference guest, long position, CancellationToken cancellation = default) =>
        Find(guest).Console.Read(position);

    /// <inheritdoc/>
    public ConsoleText ReadConsole(GuestReference guest, long position, int limit, CancellationToken cancellation = default) =>
        Find(guest).Console.Read(position, limit);

    /// <inheritdoc/>
    /// <exception cref="GuestException">
    /// It has stopped (<see cref="GuestErrorIds.GuestStopped"/>), or it does not read (<see cref="GuestErrorIds.ConsoleInputFull"/>).
    /// </exception>
    public long WriteConsole(GuestReference guest, string text, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Find(guest).Type(text);
    }

    /// <inheritdoc/>
    public HostEvents ReadEvents(long position, CancellationToken cancellation = default) => _events.Read(position);

    /// <summary>Stops and removes all guests.</summary>
    public void Dispose()
    {
        if (_guests.Close() is { } guests)
        {
            _pools.Dispose();
            Array.ForEach([.. guests], guest => guest.Dispose());
            _hidden.Dispose();
            _lazy.Dispose();
            _scheduler.Dispose();
            _code.Dispose();
        }
    }

    private LiveGuest Find(GuestReference guest) => _guests.Find(guest);

    /// <summary>Warns when guests are not translated though that was wanted: once, when the first is started.</summary>
    private void WarnOfInterpreter()
    {
        if (_code.Usage.Unavailable is { } refusal && !Interlocked.Exchange(ref _warnedOfInterpreter, true))
        {
            _events.WarnOfInterpreter(refusal);
        }
    }
}
