using System.Diagnostics;
using System.Globalization;
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

    // Names compare one way: so do those of guests and machine types.
    private static readonly StringComparer Ids = StringComparer.OrdinalIgnoreCase;

    private readonly Lock _lock = new();
    private readonly List<MemoryBackend> _live = [];
    private readonly HashSet<string> _reservedIds = new(Ids) { DefaultRamId };
    private readonly MappingBudget _budget;
    private readonly bool _isLinux;
    private readonly string? _faultsEndProcess;
    private MemoryBackendPolicy _policy;
    private long _generated;

    /// <summary>Makes an empty manager.</summary>
    /// <param name="readVariable">Reads environment variables; null: the process's.</param>
    /// <exception cref="MemoryBackendException">That of the policy makes no sense (PolicyVariableInvalid).</exception>
    public MemoryBackends(Func<string, string?>? readVariable = null)
        : this(readVariable, MappingBudget.Process, OperatingSystem.IsLinux(), RamFaultTable.Unavailable)
    {
    }

    internal MemoryBackends(Func<string, string?>? readVariable, MappingBudget budget, bool isLinux, string? faultsEndProcess = null)
    {
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
                return _policy;
            }
        }
    }

    /// <summary>Sets the policy for backends made from now on.</summary>
    /// <param name="denyPrivateDiscard">See <see cref="MemoryBackendPolicy.DenyPrivateDiscard"/>.</param>
    public void SetPolicy(bool denyPrivateDiscard)
    {
        lock (_lock)
        {
            _policy = new(denyPrivateDiscard, MemoryBackendPolicy.SetByCmdlet);
        }
    }

    /// <summary>Opens, creates and maps what the options ask for.</summary>
    /// <param name="options">What is asked for.</param>
    /// <param name="cancellation">Stops preallocation and what has not begun.</param>
    /// <exception cref="MemoryBackendException">It cannot be had; nothing is left behind.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; nothing is left behind.</exception>
    public MemoryBackend Create(MemoryBackendOptions options, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        cancellation.ThrowIfCancellationRequested();
        var id = ReserveId(options.Id);
        try
        {
            return Build(id, options, cancellation);
        }
        finally
        {
            lock (_lock)
            {
                _reservedIds.Remove(id);
            }
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
        return Build(DefaultRamId, options, cancellation);
    }

    /// <summary>Which regular file is at a path now.</summary>
    /// <param name="path">The path.</param>
    /// <returns>Null: there is none, or it cannot be looked at.</returns>
    public static FileIdentity? Identify(string path) => FileFacts.Of(path) is { Kind: FileKind.Regular, Error: 0 } facts ? facts.Identity : null;

    /// <summary>Which regular file is open.</summary>
    /// <param name="file">An open file.</param>
    /// <returns>Null: it is no regular file, or cannot be looked at.</returns>
    public static FileIdentity? Identify(SafeFileHandle file)
    {
        ArgumentNullException.ThrowIfNull(file);
        return FileFacts.Of((int)file.DangerousGetHandle()) is { Kind: FileKind.Regular, Error: 0 } facts ? facts.Identity : null;
    }

    /// <summary>Whether a path is on hugetlbfs, whose files cannot be written to, only mapped.</summary>
    /// <param name="path">The path.</param>
    public static bool IsHugetlbfs(string path) => FileFacts.Of(path).FileSystem?.IsHugeTlb ?? false;

    /// <summary>Foretells what <see cref="Create"/> would do. Opens nothing for writing, creates and maps nothing.</summary>
    /// <param name="options">What would be asked for.</param>
    public BackendReport Test(MemoryBackendOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var errors = new List<BackendError>();
        lock (_lock)
        {
            if (options.Id is { } id && UnusableId(id) is { } unusable)
            {
                errors.Add(unusable);
            }
        }

        if (!_isLinux)
        {
            errors.Add(RequiresLinux());
            errors.AddRange(OptionChecks.Contradictions(options));
            return new OpenedBackend(BackendDecision.Undecided(options, Denies(options))).ToReport(errors);
        }

        var plan = new BackendOpening(new ForetellingOpener(), _faultsEndProcess, List).Open(options, Denies(options));
        errors.AddRange(plan.Errors);
        if (plan.Errors.Count == 0 && HostMemory.Foretell(plan) is { } shortage)
        {
            errors.Add(shortage);
        }

        return plan.ToReport(errors);
    }

    /// <summary>The live backends, in the order they were made.</summary>
    public IReadOnlyList<MemoryBackend> List()
    {
        lock (_lock)
        {
            return [.. _live];
        }
    }

    /// <summary>A live backend.</summary>
    /// <param name="wanted">Which one.</param>
    /// <exception cref="MemoryBackendException">
    /// There is none (<see cref="MemoryErrorIds.BackendNotFound"/>), or several guests have a default RAM
    /// (<see cref="MemoryErrorIds.AmbiguousId"/>).
    /// </exception>
    public MemoryBackend Get(BackendReference wanted)
    {
        lock (_lock)
        {
            var named = _live.FindAll(b => Ids.Equals(b.Id, wanted.Id));
            var found = wanted.InstanceId is null ? named : named.FindAll(b => b.InstanceId == wanted.InstanceId);
            return found.Count switch
            {
                1 => found[0],
                0 when named.Count > 0 => throw NotFound(wanted, named[0]),
                0 => throw new MemoryBackendException(
                    MemoryErrorIds.BackendNotFound,
                    $"No backend has id '{wanted.Id}'; there are {_live.Count} backends.",
                    wanted.Id,
                    "List them with Get-MemoryBackend."),
                _ => throw new MemoryBackendException(
                    MemoryErrorIds.AmbiguousId,
                    $"{found.Count} guests have a default RAM '{wanted.Id}'.",
                    wanted.Id,
                    "Give the object of one: Get-MemoryBackend lists them."),
            };
        }
    }

    /// <summary>The live backend with an id.</summary>
    /// <param name="id">The id.</param>
    /// <returns>Null when there is none, or not just one.</returns>
    public MemoryBackend? TryGet(string id)
    {
        lock (_lock)
        {
            return _live.FindAll(b => Ids.Equals(b.Id, id)) is [var only] ? only : null;
        }
    }

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

    internal static MemoryBackendException NotFound(BackendReference wanted, MemoryBackend now) => new(
        MemoryErrorIds.BackendNotFound,
        wanted.InstanceId is null || wanted.InstanceId == now.InstanceId
            ? $"Expected backend '{wanted.Id}' to be live, found that it was removed."
            : $"Expected the backend '{wanted.Id}' that was made first, found that it was removed and that another one has its id.",
        wanted.Id,
        "List the backends with Get-MemoryBackend.");

    internal void Forget(MemoryBackend backend)
    {
        lock (_lock)
        {
            _live.Remove(backend);
        }
    }

    internal static MemoryBackendException ToException(BackendError error, string? target) =>
        new(error.Id, error.Message, target, error.RecommendedAction);

    private MemoryBackend Build(string id, MemoryBackendOptions options, CancellationToken cancellation)
    {
        if (!_isLinux)
        {
            throw ToException(RequiresLinux(), id);
        }

        var clock = Stopwatch.StartNew();
        var plan = new BackendOpening(new FileOpener(), _faultsEndProcess, List).Open(options, Denies(options));
        RamMapping? mapping = null;
        try
        {
            var target = plan.Path ?? id;
            ThrowIfAny(plan.Errors is [var first, ..] ? first : null, target);
            (plan, var unprepared) = PrepareFile(id, plan);
            ThrowIfAny(unprepared, target);
            cancellation.ThrowIfCancellationRequested();
            (mapping, var failure) = RamMapping.Map(plan);
            ThrowIfAny(failure, target);
            ThrowIfAny(mapping!.ApplyAdvice(0, mapping.Size), target);
            ThrowIfAny(Preallocate(plan, mapping, cancellation), target);

            var discarder = new Discarder(id, plan, mapping, _budget);
            var backend = new MemoryBackend(this, plan, mapping, discarder, plan.ToOutcome(id, mapping, clock.Elapsed));
            lock (_lock)
            {
                _live.Add(backend);
            }

            return backend;
        }
        catch
        {
            mapping?.Dispose();
            plan.File?.Abandon();
            throw;
        }
    }

    /// <summary>Makes the memfd and grows what is empty.</summary>
    private static (OpenedBackend Opened, BackendError? Error) PrepareFile(string id, OpenedBackend plan)
    {
        if (plan.Kind == BackendKind.Memfd)
        {
            var (file, refusal) = RamFile.Memfd(id);
            if (refusal != 0)
            {
                return (plan, new(MemoryErrorIds.OpenFailed, $"memfd_create: {Errors.Describe(refusal)}.", null));
            }

            plan = plan with { File = file };
        }

        if (!plan.MustGrow)
        {
            return (plan, null);
        }

        var length = plan.Options.Offset + plan.Options.Size;
        var error = plan.File!.Grow(length);
        return error != 0
            ? (plan, FileErrors.ForGrow(error, plan.Path ?? id, length))
            : (plan with { Facts = FileFacts.Of(plan.File.Fd) }, null);
    }

    private static BackendError? Preallocate(OpenedBackend plan, RamMapping mapping, CancellationToken cancellation)
    {
        var options = plan.Options;
        if (plan.Prealloc == PreallocMode.None)
        {
            return null;
        }

        if (plan.MappingKind == MappingKind.Shared && plan.Prealloc == PreallocMode.Write && !plan.HugeTlb)
        {
            // Blocks first: a full file system is then an error here and not a signal later.
            var blocks = plan.File!.Allocate(options.Offset, options.Size);
            if (blocks is not (0 or Mono.Unix.Native.Errno.EOPNOTSUPP))
            {
                return FileErrors.ForAllocate(blocks, plan.Path ?? "memfd", options.Size);
            }
        }

        var (error, offset) = new Preallocator(plan, mapping, mapping.Advise).Run(cancellation);
        return error == 0 ? null : new(
            MemoryErrorIds.PreallocFailed,
            $"Of {options.Size} bytes, those from offset {offset} cannot be faulted in: {Errors.Describe(error)}.",
            null);
    }

    private string ReserveId(string? asked)
    {
        lock (_lock)
        {
            if (asked is not null)
            {
                ThrowIfAny(UnusableId(asked), asked);
                _reservedIds.Add(asked);
                return asked;
            }

            string id;
            do
            {
                id = string.Create(CultureInfo.InvariantCulture, $"ram{_generated++}");
            }
            while (UnusableId(id) is not null || !_reservedIds.Add(id));
            return id;
        }
    }

    private BackendError? UnusableId(string id) =>
        Ids.Equals(id, DefaultRamId) ? new(MemoryErrorIds.ReservedId, $"Id '{id}' belongs to the default RAM of guests.", "Use another id.")
        : _reservedIds.Contains(id) || _live.Exists(b => Ids.Equals(b.Id, id))
            ? new(MemoryErrorIds.DuplicateId, $"Another live backend has id '{id}'.", "Use another id, or remove that backend first.")
        : null;

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
