using System.Diagnostics;
using Microsoft.Win32.SafeHandles;
using PsVm.Memory.Discarding;
using PsVm.Memory.Files;
using PsVm.Memory.Mapping;
using PsVm.Memory.Native;
using PsVm.Memory.Options;

namespace PsVm.Memory;

/// <summary>Makes, foretells and knows the live backends of a process. Safe to use from several threads.</summary>
public sealed class MemoryBackends : IDisposable
{
    /// <summary>Id of every guest's default RAM (memory-backends rules, section 7); no other backend may take it.</summary>
    public const string DefaultRamId = "ram.default";

    private const long MostDefaultReserve = 512L << 20;
    private const int DefaultReservePart = 32;

    // Blocks that one call allocates.
    private const long AllocationStep = 256L << 20;

    private readonly Lock _lock = new();
    private readonly LiveBackends _live = new();
    private readonly SharedDescriptors _descriptors = new();
    private readonly MappingBudget _budget;
    private readonly bool _isLinux;
    private readonly string? _faultsEndProcess;
    private readonly Lazy<long> _memory = new(() => new AvailableMemory().Total());
    private MemoryBackendPolicy _policy;
    private long? _memoryReserve;

    /// <summary>Makes an empty manager.</summary>
    /// <param name="readVariable">Reads environment variables; null: the process's.</param>
    /// <exception cref="MemoryBackendException">That of the policy makes no sense (PolicyVariableInvalid).</exception>
    public MemoryBackends(Func<string, string?>? readVariable = null)
        : this(readVariable, MappingBudget.Process, OperatingSystem.IsLinux(), RamFaultTable.Unavailable)
    {
    }

    internal MemoryBackends(Func<string, string?>? readVariable, MappingBudget budget, bool isLinux, string? faultsEndProcess = null)
    {
        if (isLinux)
        {
            KernelCalls.KeepFirstErrno();
        }

        _budget = budget;
        _isLinux = isLinux;
        _faultsEndProcess = faultsEndProcess;
        _policy = MemoryBackendPolicy.FromVariable((readVariable ?? Environment.GetEnvironmentVariable)(MemoryBackendPolicy.Variable));
    }

    /// <summary>
    /// How often a page of guest RAM of this process could not be had. It only grows, and costs one read: when it has changed, look at
    /// <see cref="MemoryBackend.Fault"/>.
    /// </summary>
    public static long RamFaultCount => RamFaultTable.Count;

    /// <summary>The policy for backends that do not say themselves.</summary>
    public MemoryBackendPolicy Policy
    {
        get
        {
            lock (_lock)
            {
                return _policy with
                {
                    MemoryReserve = MemoryReserve,
                    MemoryReserveSource = _memoryReserve is null ? MemoryBackendPolicy.NotSet : MemoryBackendPolicy.SetByCmdlet,
                };
            }
        }
    }

    /// <inheritdoc cref="MemoryBackendPolicy.MemoryReserve"/>
    public long MemoryReserve
    {
        get
        {
            lock (_lock)
            {
                return _memoryReserve ?? Math.Min(_memory.Value / DefaultReservePart, MostDefaultReserve);
            }
        }
    }

    /// <summary>Opens files; tests let others come between.</summary>
    internal IFileOpener Opener { get; init; } = new FileOpener();

    /// <summary>Sets the policy for backends made from now on.</summary>
    /// <param name="denyPrivateDiscard">See <see cref="MemoryBackendPolicy.DenyPrivateDiscard"/>.</param>
    public void SetPolicy(bool denyPrivateDiscard)
    {
        lock (_lock)
        {
            _policy = new(denyPrivateDiscard, MemoryBackendPolicy.SetByCmdlet);
        }
    }

    /// <summary>Sets how much memory guests must leave, from now on.</summary>
    /// <param name="bytes">See <see cref="MemoryBackendPolicy.MemoryReserve"/>; null: the default.</param>
    /// <exception cref="MemoryBackendException">It is negative, or more than there is (MemoryReserveInvalid).</exception>
    public void SetMemoryReserve(long? bytes)
    {
        CheckMemoryReserve(bytes);
        lock (_lock)
        {
            _memoryReserve = bytes;
        }
    }

    /// <summary>Finds out whether guests could be made to leave that much.</summary>
    /// <exception cref="MemoryBackendException">They could not.</exception>
    public void CheckMemoryReserve(long? bytes)
    {
        if (bytes is { } wanted && (wanted < 0 || wanted > _memory.Value))
        {
            throw new MemoryBackendException(
                MemoryErrorIds.MemoryReserveInvalid,
                $"Expected a memory reserve of 0 to {ByteSize.ToText(_memory.Value)}, which is all that there is, found "
                    + $"{ByteSize.ToExactText(wanted)}.",
                null,
                "Give a part of that, such as a 32nd, or 0 so that guests may take all of it.");
        }
    }

    /// <inheritdoc cref="Create(MemoryBackendOptions, IProgress{StepProgress}?, CancellationToken)"/>
    public MemoryBackend Create(MemoryBackendOptions options, CancellationToken cancellation = default) =>
        Create(options, null, cancellation);

    /// <summary>Opens, creates and maps what the options ask for.</summary>
    /// <param name="options">What is asked for.</param>
    /// <param name="progress">Told of preallocation; null: no one asks. Called on any thread, by one at a time.</param>
    /// <param name="cancellation">Stops preallocation and what has not begun.</param>
    /// <exception cref="MemoryBackendException">It cannot be had; nothing is left behind.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; nothing is left behind.</exception>
    public MemoryBackend Create(MemoryBackendOptions options, IProgress<StepProgress>? progress, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(options);
        cancellation.ThrowIfCancellationRequested();
        var id = _live.Reserve(options.Id);
        try
        {
            return Build(id, options, progress, cancellation);
        }
        finally
        {
            _live.Release(id);
        }
    }

    /// <summary>Makes the default RAM of one guest, with the reserved id. Several guests may each have one.</summary>
    /// <param name="options">What is asked for; its id does not count.</param>
    /// <param name="cancellation">Stops what has not begun.</param>
    /// <exception cref="MemoryBackendException">It cannot be had; nothing is left behind.</exception>
    public MemoryBackend CreateDefaultRam(MemoryBackendOptions options, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        cancellation.ThrowIfCancellationRequested();
        return Build(DefaultRamId, options, null, cancellation);
    }

    /// <summary>Which regular file is at a path now.</summary>
    /// <param name="path">The path.</param>
    /// <param name="follow">It may be a symbolic link to the file.</param>
    /// <returns>Null: there is none, or it cannot be looked at.</returns>
    public static FileIdentity? Identify(string path, bool follow = true) => FileFacts.Identify(path, follow);

    /// <summary>What is at a path now, be it a folder or what else.</summary>
    /// <param name="path">The path.</param>
    /// <returns>Null: there is nothing, or it cannot be looked at.</returns>
    public static FileIdentity? IdentifyAny(string path) => FileFacts.IdentifyAny(path);

    /// <summary>Which regular file is open.</summary>
    /// <param name="file">An open file.</param>
    /// <returns>Null: it is no regular file, or cannot be looked at.</returns>
    public static FileIdentity? Identify(SafeFileHandle file)
    {
        ArgumentNullException.ThrowIfNull(file);
        return FileFacts.Identify((int)file.DangerousGetHandle());
    }

    /// <summary>Whether a path is on hugetlbfs, whose files cannot be written to, only mapped.</summary>
    /// <param name="path">The path.</param>
    public static bool IsHugetlbfs(string path) => FileFacts.Of(path).FileSystem?.IsHugeTlb ?? false;

    /// <summary>The name of the file system of a path; null: there is nothing at the path, nor a folder that it would be in.</summary>
    /// <param name="path">The path.</param>
    public static string? FileSystemOf(string path) => FileFacts.Of(path).FileSystem?.Name;

    /// <summary>
    /// Finds out whether files could be mapped privately so many times at once, as far as the kernel reserves something for that: huge
    /// pages.
    /// </summary>
    /// <param name="files">The files, and bytes of each that are mapped.</param>
    /// <param name="count">How many times.</param>
    /// <exception cref="MemoryBackendException">They could not (<see cref="MemoryErrorIds.NotEnoughHugePages"/>).</exception>
    public static void CheckPrivateMappings(IReadOnlyList<(string Path, long Size)> files, int count)
    {
        ArgumentNullException.ThrowIfNull(files);
        if (HostMemory.ForetellPrivate(files, count) is { } error)
        {
            throw ToException(error, files[0].Path);
        }
    }

    /// <summary>
    /// Foretells what <see cref="Create(MemoryBackendOptions, CancellationToken)"/> would do. Opens nothing for writing, creates and maps
    /// nothing.
    /// </summary>
    /// <param name="options">What would be asked for.</param>
    public BackendReport Test(MemoryBackendOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var errors = new List<BackendError>();
        if (options.Id is { } id && _live.WhyUnusable(id) is { } unusable)
        {
            errors.Add(unusable);
        }

        if (!_isLinux)
        {
            errors.Add(RequiresLinux());
            errors.AddRange(OptionChecks.Contradictions(options));
            return new OpenedBackend(BackendDecision.Undecided(options, Denies(options))).ToReport(errors);
        }

        var opened = new BackendOpening(new ForetellingOpener(), _faultsEndProcess, List).Open(options, Denies(options));
        errors.AddRange(opened.Errors);
        if (opened.Errors.Count == 0 && HostMemory.Foretell(opened) is { } shortage)
        {
            errors.Add(shortage);
        }

        return opened.ToReport(errors);
    }

    /// <summary>Checks, before anything is made, that a consumer could use a backend (memory-backends rules, section 6).</summary>
    /// <param name="options">What would be asked for. What is wrong with that is not found out.</param>
    /// <param name="id">What the backend is called in the error.</param>
    /// <param name="consumer">Who wants to use it.</param>
    /// <exception cref="MemoryBackendException">It could not; the error names backend, option and consumer.</exception>
    public void CheckConsumer(MemoryBackendOptions options, string id, MemoryConsumer consumer)
    {
        ArgumentNullException.ThrowIfNull(options);
        string? path = string.IsNullOrEmpty(options.Path) ? null : Path.GetFullPath(options.Path);
        BackendDecision decision = BackendDecision.Make(options, Denies(options), path, FileFacts.Of);
        if (decision.Errors.Count == 0 && ConsumerRules.Check(id, consumer, decision) is { } error)
        {
            throw ToException(error, id);
        }
    }

    /// <summary>The live backends, in the order they were made.</summary>
    public IReadOnlyList<MemoryBackend> List() => _live.List();

    /// <summary>A live backend.</summary>
    /// <param name="wanted">Which one.</param>
    /// <exception cref="MemoryBackendException">
    /// There is none (<see cref="MemoryErrorIds.BackendNotFound"/>), or several guests have a default RAM
    /// (<see cref="MemoryErrorIds.AmbiguousId"/>).
    /// </exception>
    public MemoryBackend Get(BackendReference wanted) => _live.Get(wanted);

    /// <summary>The live backend with an id.</summary>
    /// <param name="id">The id.</param>
    /// <returns>Null when there is none, or not just one.</returns>
    public MemoryBackend? TryGet(string id) => _live.TryGet(id);

    /// <summary>Unmaps and forgets a backend; its file stays.</summary>
    /// <param name="wanted">Which one.</param>
    /// <exception cref="MemoryBackendException">
    /// There is no such backend, or a guest uses it (<see cref="MemoryErrorIds.BackendInUse"/>).
    /// </exception>
    public void Remove(BackendReference wanted) => Get(wanted).Remove();

    /// <summary>Disposes every backend; memory that a guest is attached to stays mapped until its lease is disposed.</summary>
    public void Dispose()
    {
        foreach (var backend in List())
        {
            backend.Dispose();
        }
    }

    internal void Forget(MemoryBackend backend) => _live.Forget(backend);

    internal static MemoryBackendException ToException(BackendError error, string? target) =>
        new(error.Id, error.Message, target, error.RecommendedAction);

    private MemoryBackend Build(
        string id, MemoryBackendOptions options, IProgress<StepProgress>? progress, CancellationToken cancellation)
    {
        if (!_isLinux)
        {
            throw ToException(RequiresLinux(), id);
        }

        var clock = Stopwatch.StartNew();
        bool denies = Denies(options);
        var opened = _descriptors.Find(options, denies, out BackendDecision? decided)
            ?? new BackendOpening(Opener, _faultsEndProcess, List).Open(options, denies, decided);
        RamMapping? mapping = null;
        try
        {
            var target = opened.Decision.Path ?? id;
            ThrowIfAny(opened.Errors is [var first, ..] ? first : null, target);
            (opened, var unprepared) = PrepareFile(id, opened);
            ThrowIfAny(unprepared, target);
            cancellation.ThrowIfCancellationRequested();
            opened = _descriptors.Adopt(opened);
            (mapping, var failure) = RamMapping.Map(opened);
            ThrowIfAny(failure, target);
            ThrowIfAny(mapping!.ApplyAdvice(0, mapping.Size), target);
            ThrowIfAny(Preallocate(opened, mapping, progress, cancellation), target);

            var discarder = new Discarder(id, opened, mapping, _budget);
            var backend = new MemoryBackend(this, opened, mapping, discarder, opened.ToOutcome(id, mapping, clock.Elapsed));
            _live.Add(backend);
            return backend;
        }
        catch
        {
            mapping?.Dispose();
            opened.File?.Abandon();
            throw;
        }
    }

    /// <summary>Makes the memfd and grows what is empty.</summary>
    private static (OpenedBackend Opened, BackendError? Error) PrepareFile(string id, OpenedBackend opened)
    {
        if (opened.Decision.Kind == BackendKind.Memfd)
        {
            var (file, refusal) = RamFile.Memfd(id);
            if (refusal != 0)
            {
                return (opened, new(MemoryErrorIds.OpenFailed, $"memfd_create: {Errors.Describe(refusal)}.", null));
            }

            opened = opened with { File = file };
        }

        if (!opened.MustGrow)
        {
            return (opened, null);
        }

        var length = opened.Options.Offset + opened.Options.Size;
        var error = opened.File!.Grow(length);
        return error != 0
            ? (opened, FileErrors.ForGrow(error, opened.Decision.Path ?? id, length))
            : (opened with { Facts = FileFacts.Of(opened.File.Fd) }, null);
    }

    private static BackendError? Preallocate(
        OpenedBackend opened, RamMapping mapping, IProgress<StepProgress>? progress, CancellationToken cancellation)
    {
        var options = opened.Options;
        if (opened.Decision.Prealloc == PreallocMode.None)
        {
            return null;
        }

        if (opened.Decision.MappingKind == MappingKind.Shared && opened.Decision.Prealloc == PreallocMode.Write && !opened.Decision.HugeTlb)
        {
            // Blocks first: a full file system is then an error here and not a signal later.
            // In steps: on tmpfs it fills pages with zeros, and no one call can be given up.
            var blocks = (Mono.Unix.Native.Errno)0;
            for (long done = 0, length; done < options.Size && blocks == 0; done += length)
            {
                cancellation.ThrowIfCancellationRequested();
                length = Math.Min(AllocationStep, options.Size - done);
                blocks = opened.File!.Allocate(options.Offset + done, length);
                progress?.Report(new StepProgress(HostStep.Allocating, done + length, options.Size));
            }

            if (blocks is not (0 or Mono.Unix.Native.Errno.EOPNOTSUPP))
            {
                return FileErrors.ForAllocate(blocks, opened.Decision.Path ?? "memfd", options.Size);
            }
        }

        var (error, offset) = new Preallocator(opened.Decision, mapping, mapping.Advise).Run(progress, cancellation);
        return error == 0 ? null : new(
            MemoryErrorIds.PreallocFailed,
            $"Of {ByteSize.ToExactText(options.Size)}, those from offset {offset} cannot be faulted in: {Errors.Describe(error)}.",
            null);
    }

    private bool Denies(MemoryBackendOptions options) =>
        options.DenyPrivateDiscard || (Policy.DenyPrivateDiscard && !options.AllowPrivateDiscard);

    private static BackendError RequiresLinux() => new(
        MemoryErrorIds.RequiresLinux, $"Guest RAM is mapped on Linux only; this is {Environment.OSVersion.Platform}.", null);

    private static void ThrowIfAny(BackendError? error, string target)
    {
        if (error is not null)
        {
            throw ToException(error, target);
        }
    }
}
