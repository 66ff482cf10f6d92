namespace PsVm.Module.Tests.Guests;

/// <summary>Pools of values; each is filled as soon as it is made.</summary>
internal sealed class FakeGuestPools : IGuestPools
{
    private readonly Dictionary<string, GuestPool> _pools = [];

    public GuestPool Create(GuestPoolOptions options, IProgress<int>? progress = null, CancellationToken cancellation = default) =>
        _pools[options.Name] = new GuestPool
        {
            Name = options.Name, Template = options.Guest.Template!, Size = options.Size, Held = options.Size, Grow = options.Grow,
        };

    public void CheckCreate(GuestPoolOptions options, CancellationToken cancellation = default)
    {
    }

    public IReadOnlyList<GuestPool> List(CancellationToken cancellation = default) => [.. _pools.Values];

    public GuestPool Get(string pool, CancellationToken cancellation = default) => _pools[pool];

    public void Remove(string pool, CancellationToken cancellation = default) => _pools.Remove(pool);
}
