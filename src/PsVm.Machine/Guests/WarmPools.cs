using PsVm.Machine.Agents;
using PsVm.Machine.Scheduling;

namespace PsVm.Machine.Guests;

/// <summary>The pools of a host, by name. Safe from any thread.</summary>
/// <param name="assembler">Puts the clones together.</param>
/// <param name="events">Told of pools that cannot be filled.</param>
internal sealed class WarmPools(GuestAssembler assembler, HostEventLog events) : IGuestPools, IDisposable
{
    private const int MostCharacters = 50;
    private const int MostClones = 10_000;

    private readonly Lock _gate = new();
    private readonly OrderedDictionary<string, WarmPool> _pools = new(StringComparer.OrdinalIgnoreCase);

    // Names of pools that are being filled for the first time.
    private readonly HashSet<string> _claimed = new(StringComparer.OrdinalIgnoreCase);
    private bool _closed;

    /// <inheritdoc/>
    public GuestPool Create(GuestPoolOptions options, IProgress<int>? progress = null, CancellationToken cancellation = default)
    {
        GuestPoolOptions wanted = Checked(options);
        lock (_gate)
        {
            ThrowIfTaken(wanted.Name);
            _claimed.Add(wanted.Name);
        }

        WarmPool pool = new(wanted, assembler, events);
        try
        {
            assembler.Open(WarmPool.WhatWaits(wanted)).CheckRoom(wanted.Size);
            pool.Fill(progress, cancellation);
            lock (_gate)
            {
                ThrowIfClosed();
                _pools.Add(wanted.Name, pool);
            }
        }
        catch
        {
            pool.Dispose();
            throw;
        }
        finally
        {
            lock (_gate)
            {
                _claimed.Remove(wanted.Name);
            }
        }

        return pool.Info;
    }

    /// <inheritdoc/>
    public void CheckCreate(GuestPoolOptions options, CancellationToken cancellation = default)
    {
        GuestPoolOptions wanted = Checked(options);
        lock (_gate)
        {
            ThrowIfTaken(wanted.Name);
        }

        GuestAssembly clones = assembler.Open(WarmPool.WhatWaits(wanted));
        clones.Check(cancellation);
        clones.CheckRoom(wanted.Size);
    }

    /// <inheritdoc/>
    public IReadOnlyList<GuestPool> List(CancellationToken cancellation = default)
    {
        WarmPool[] pools;
        lock (_gate)
        {
            pools = [.. _pools.Values];
        }

        return [.. pools.Select(pool => pool.Info)];
    }

    /// <inheritdoc/>
    public GuestPool Get(string pool, CancellationToken cancellation = default) => Find(pool).Info;

    /// <summary>Completes when nobody fills a pool beside, for tests that look at what it holds then.</summary>
    internal Task FillingOf(string pool) => Find(pool).Filling;

    /// <inheritdoc/>
    public void Remove(string pool, CancellationToken cancellation = default)
    {
        WarmPool found = Find(pool);
        lock (_gate)
        {
            if (!_pools.TryGetValue(pool, out WarmPool? now) || now != found)
            {
                return;
            }

            _pools.Remove(pool);
        }

        found.Close(cancellation);
    }

    /// <summary>Takes a clone, which does not run yet, out of a pool.</summary>
    /// <param name="options">Which pool, and what is asked of the guest.</param>
    /// <param name="name">The guest's name, which was claimed for it.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="GuestException">There is no such pool, it is empty, or what is asked does not go with it.</exception>
    public LiveGuest Take(GuestOptions options, string name, CancellationToken cancellation)
    {
        CheckOptions(options);
        LiveGuest guest = Find(options.Pool!).Take(out CloneIdentity? identity, cancellation);
        guest.ComeOut(options with { Identity = options.Identity ?? identity }, name);
        return guest;
    }

    /// <summary>Finds out whether a clone could be taken now.</summary>
    /// <exception cref="GuestException">As of <see cref="Take"/>.</exception>
    public void CheckTake(GuestOptions options)
    {
        CheckOptions(options);
        Find(options.Pool!).CheckTake();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        WarmPool[] pools;
        lock (_gate)
        {
            _closed = true;
            pools = [.. _pools.Values];
            _pools.Clear();
        }

        Array.ForEach(pools, pool => pool.Dispose());
    }

    private static GuestPoolOptions Checked(GuestPoolOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        string name = options.Name;
        if (!GuestNames.IsName(name, MostCharacters))
        {
            throw new GuestException(
                GuestErrorIds.GuestPoolNameInvalid,
                $"Expected a pool's name of 1 to {MostCharacters} letters, digits, '-', '.' and '_' that begins with a letter or digit, "
                    + $"found '{VisibleText.Of(name)}'.",
                VisibleText.Of(name),
                "Choose another name, such as web.");
        }

        if (options.Size is < 1 or > MostClones)
        {
            throw new GuestException(
                GuestErrorIds.GuestPoolSizeInvalid,
                $"Expected a pool of 1 to {MostClones} clones, found {options.Size}.",
                name,
                "Choose another size.");
        }

        GuestOptions guest = options.Guest;
        if (guest is not { Template: not null, Pool: null, KeepIdentity: false })
        {
            string found = guest.Template is null ? "none"
                : guest.Pool is not null ? "another pool"
                : "clones that keep the identity of one guest";
            throw new GuestException(
                GuestErrorIds.GuestPoolOptionConflict,
                $"Expected a template of which pool '{name}' holds clones, found {found}.",
                name,
                "Give a template, and let each clone have an identity of its own.");
        }

        AgentIdentity.CheckNumbered(guest.Identity, name);
        CpuAccount.Check(guest.CpuWeight, guest.CpuLimit, name);
        OwnMemoryAccount.Check(guest.OwnMemoryLimit, name);
        return options with { Guest = guest with { Name = null, Template = Templates.TemplateSource.FullPath(guest.Template) } };
    }

    /// <summary>What a clone is made of was said when its pool was made.</summary>
    private static void CheckOptions(GuestOptions options)
    {
        string? alien = options switch
        {
            { Template: not null } => nameof(options.Template),
            { Lazy: true } => nameof(options.Lazy),
            { Destination: not null } => nameof(options.Destination),
            { BackendIds.Count: > 0 } => "backends",
            { MemoryPath: not null } => nameof(options.MemoryPath),
            { Memory: not 0 } => nameof(options.Memory),
            { Kernel: not null } => nameof(options.Kernel),
            { Initrd: not null } => nameof(options.Initrd),
            { Firmware: not null } => nameof(options.Firmware),
            { CommandLine: not null } => nameof(options.CommandLine),
            { Harts: not null } => nameof(options.Harts),
            { MachineType: not null } => nameof(options.MachineType),
            { Verify: true } => nameof(options.Verify),
            { KeepIdentity: true } => nameof(options.KeepIdentity),
            { Disks.Count: > 0 } => nameof(options.Disks),
            { Networks.Count: > 0 } => nameof(options.Networks),
            { ConsolePorts.Count: > 0 } => nameof(options.ConsolePorts),
            { SharedFolders.Count: > 0 } => nameof(options.SharedFolders),
            { NoReboot: true } => nameof(options.NoReboot),
            { DenyPrivateDiscard: true } => nameof(options.DenyPrivateDiscard),
            { AllowPrivateDiscard: true } => nameof(options.AllowPrivateDiscard),
            { DiscardPolicy: not DiscardPolicy.Auto } => nameof(options.DiscardPolicy),
            { FileAccessMode: not FileAccessMode.Auto } => nameof(options.FileAccessMode),
            _ => null,
        };
        if (alien is not null)
        {
            throw new GuestException(
                GuestErrorIds.GuestPoolOptionConflict,
                $"Expected a guest of pool '{options.Pool}' and nothing of what it is made of, found {alien}.",
                options.Pool,
                "Say that when the pool is made: New-GuestPool.");
        }

        AgentIdentity.Check(options.Identity, options.Name);
        CpuAccount.Check(options.CpuWeight, options.CpuLimit, options.Name);
        OwnMemoryAccount.Check(options.OwnMemoryLimit, options.Name);
    }

    private void ThrowIfTaken(string name)
    {
        ThrowIfClosed();
        if (_pools.ContainsKey(name) || _claimed.Contains(name))
        {
            throw new GuestException(
                GuestErrorIds.GuestPoolNameInUse,
                $"Expected a name that no pool has, found that there is a pool '{name}'.",
                name,
                "Choose another name, or remove the pool: Remove-GuestPool.");
        }
    }

    private void ThrowIfClosed()
    {
        if (_closed)
        {
            throw new GuestException(GuestErrorIds.GuestHostClosed, "Expected an open host of guests, found it closed.", null);
        }
    }

    private WarmPool Find(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        lock (_gate)
        {
            return _pools.TryGetValue(name, out WarmPool? pool) ? pool : throw new GuestException(
                GuestErrorIds.GuestPoolNotFound,
                $"Expected a pool named '{name}', found {(_pools.Count == 1 ? "1 pool" : $"{_pools.Count} pools")}, none of that name."
                + NearestName.Hint(name, _pools.Keys),
                name,
                "List the pools with Get-GuestPool.");
        }
    }
}
