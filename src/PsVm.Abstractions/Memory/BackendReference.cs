namespace PsVm;

/// <summary>Says which backend is meant: the one that has an id, or a certain one, however often the id was given since.</summary>
/// <param name="Id">The id, or a guest's name and the id of one of its backends: <c>web/ram.default</c>. Case does not count.</param>
/// <param name="InstanceId">The backend's <see cref="MemoryBackendInfo.InstanceId"/>; null: the backend that has the id.</param>
public readonly record struct BackendReference(string Id, Guid? InstanceId = null)
{
    /// <summary>Stands between a guest's name and the id of one of its backends: <c>web/ram.default</c>.</summary>
    public const char GuestSeparator = '/';

    /// <summary>The backend that has an id now.</summary>
    public static implicit operator BackendReference(string id) => new(id);

    /// <inheritdoc/>
    public override string ToString() => Id;
}
