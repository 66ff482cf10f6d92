using System.Globalization;
using PsVm.Memory.Options;

namespace PsVm.Memory;

/// <summary>The live backends of a process, and the ids that are taken. Safe to use from several threads.</summary>
internal sealed class LiveBackends
{
    // Names compare one way: so do those of guests and machine types.
    private static readonly StringComparer s_ids = StringComparer.OrdinalIgnoreCase;

    private readonly Lock _lock = new();
    // In the order they were made; and by id, of which the default RAM of every guest has the same.
    private readonly SortedDictionary<long, MemoryBackend> _live = [];
    private readonly Dictionary<string, SortedDictionary<long, MemoryBackend>> _byId = new(s_ids);
    private readonly Dictionary<Guid, MemoryBackend> _byInstance = [];
    private readonly HashSet<string> _reservedIds = new(s_ids) { MemoryBackends.DefaultRamId };
    private long _generated;
    private long _made;

    /// <summary>All, in the order they were made.</summary>
    public IReadOnlyList<MemoryBackend> List()
    {
        lock (_lock)
        {
            return [.. _live.Values];
        }
    }

    /// <inheritdoc cref="MemoryBackends.Get"/>
    public MemoryBackend Get(BackendReference wanted)
    {
        lock (_lock)
        {
            if (wanted.InstanceId is { } instance && _byInstance.TryGetValue(instance, out MemoryBackend? meant)
                && s_ids.Equals(meant.Id, wanted.Id))
            {
                return meant;
            }

            List<MemoryBackend> named = Named(wanted);
            List<MemoryBackend> found = wanted.InstanceId is null ? named : named.FindAll(b => b.InstanceId == wanted.InstanceId);
            return found.Count switch
            {
                1 => found[0],
                0 when named.Count > 0 => throw NotFound(wanted, named[0]),
                0 => throw new MemoryBackendException(
                    MemoryErrorIds.BackendNotFound,
                    $"No backend has id '{wanted.Id}'; there are {_live.Count} backends.{NearestName.Hint(wanted.Id, _byId.Keys)}",
                    wanted.Id,
                    "List them with Get-MemoryBackend."),
                _ => throw new MemoryBackendException(
                    MemoryErrorIds.AmbiguousId,
                    $"{found.Count} guests have a default RAM '{wanted.Id}': {Some(found)}.",
                    wanted.Id,
                    $"Say whose: '{found[0].Info.QualifiedId}', or give the object of one; Get-MemoryBackend lists them."),
            };
        }
    }

    /// <inheritdoc cref="MemoryBackends.TryGet"/>
    public MemoryBackend? TryGet(string id)
    {
        lock (_lock)
        {
            return Named(new(id)) is [var only] ? only : null;
        }
    }

    /// <summary>Takes an id for a backend that is being made.</summary>
    /// <param name="asked">The id that is asked for; null: one is made up.</param>
    /// <exception cref="MemoryBackendException">
    /// It cannot be had (<see cref="MemoryErrorIds.ReservedId"/>, <see cref="MemoryErrorIds.DuplicateId"/>).
    /// </exception>
    public string Reserve(string? asked)
    {
        lock (_lock)
        {
            if (asked is not null)
            {
                if (UnusableId(asked) is { } error)
                {
                    throw MemoryBackends.ToException(error, asked);
                }

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

    /// <summary>Gives an id back that was taken; by now a backend has it, or none will.</summary>
    public void Release(string id)
    {
        lock (_lock)
        {
            _reservedIds.Remove(id);
        }
    }

    /// <summary>Why a new backend cannot have an id; null: it can.</summary>
    public BackendError? WhyUnusable(string id)
    {
        lock (_lock)
        {
            return UnusableId(id);
        }
    }

    /// <summary>A backend has been made.</summary>
    public void Add(MemoryBackend backend)
    {
        lock (_lock)
        {
            backend.Sequence = ++_made;
            _live.Add(backend.Sequence, backend);
            _byInstance.Add(backend.InstanceId, backend);
            if (!_byId.TryGetValue(backend.Id, out var named))
            {
                _byId[backend.Id] = named = [];
            }

            named.Add(backend.Sequence, backend);
        }
    }

    /// <summary>A backend is removed.</summary>
    public void Forget(MemoryBackend backend)
    {
        lock (_lock)
        {
            _byInstance.Remove(backend.InstanceId);
            if (_live.Remove(backend.Sequence) && _byId.TryGetValue(backend.Id, out var named) && named.Remove(backend.Sequence)
                && named.Count == 0)
            {
                _byId.Remove(backend.Id);
            }
        }
    }

    /// <summary>A backend that was removed is asked for.</summary>
    /// <param name="wanted">Which one.</param>
    /// <param name="now">What is there by its id, or was it.</param>
    public static MemoryBackendException NotFound(BackendReference wanted, MemoryBackend now) => new(
        MemoryErrorIds.BackendNotFound,
        wanted.InstanceId is null || wanted.InstanceId == now.InstanceId
            ? $"Expected backend '{wanted.Id}' to be live, found that it was removed."
            : $"Expected the backend '{wanted.Id}' that was made first, found that it was removed and that another one has its id.",
        wanted.Id,
        "List the backends with Get-MemoryBackend.");

    /// <summary>Backends of an id, or of a guest's id as in <c>web/ram.default</c>. Under the lock.</summary>
    private List<MemoryBackend> Named(BackendReference wanted)
    {
        if (_byId.TryGetValue(wanted.Id, out var named))
        {
            return [.. named.Values];
        }

        return wanted.Id.Split(BackendReference.GuestSeparator, 2) is [var guest, var id] && _byId.TryGetValue(id, out var owned)
            ? [.. owned.Values.Where(backend => s_ids.Equals(backend.Info.Guest, guest))]
            : [];
    }

    private static string Some(List<MemoryBackend> backends) =>
        string.Join(", ", backends.Take(3).Select(backend => backend.Info.QualifiedId))
            + (backends.Count > 3 ? " and others" : string.Empty);

    private BackendError? UnusableId(string id) =>
        s_ids.Equals(id, MemoryBackends.DefaultRamId) ? new(
            MemoryErrorIds.ReservedId, $"Id '{id}' belongs to the default RAM of guests.", "Use another id.")
        : _reservedIds.Contains(id) || _byId.ContainsKey(id)
            ? new(MemoryErrorIds.DuplicateId, $"Another live backend has id '{id}'.", "Use another id, or remove that backend first.")
        : null;
}
