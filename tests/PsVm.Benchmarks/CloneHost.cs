using System.Globalization;
using Mono.Unix.Native;
using PsVm.Machine.Guests;
using PsVm.Memory;

namespace PsVm.Benchmarks;

/// <summary>A host of guests with a template of a guest that has booted, in a folder that goes when it does.</summary>
internal sealed class CloneHost : IDisposable
{
    private const string PoolName = "pool";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("psvm-clones-");
    private readonly MemoryBackends _backends = new();
    private readonly GuestHost _host;
    private readonly CloneOptions _options;
    private readonly string _template;

    /// <summary>Boots the guest on a shared RAM file, and makes the template where that file is.</summary>
    /// <exception cref="BenchmarkException">The text does not come.</exception>
    public CloneHost(CloneOptions options)
    {
        _options = options;
        _host = new GuestHost(_backends);
        _template = Path.Combine(_folder.FullName, "template");
        try
        {
            const string source = "source";
            MemoryBackend ram = _backends.Create(
                new MemoryBackendOptions { Path = RamFile, Size = options.Memory, Share = true },
                CancellationToken.None);
            GuestOptions boot = new()
            {
                Name = source, BackendIds = [ram.Id], Kernel = options.Kernel, Initrd = options.Initrd, CommandLine = options.Append,
            };
            _host.Start(boot, CancellationToken.None);
            _host.WaitFor(source, options.Until);
            _host.Checkpoint(
                source, new CheckpointOptions { Path = _template, UseRamFile = true }, progress: null, CancellationToken.None);
            _host.Remove(source);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>
    /// Bytes that only this process has (Anonymous of /proc/self/smaps_rollup), once garbage is collected and given back.
    /// </summary>
    public static long ProcessOwnBytes() => ProcessCosts.Read().Own;

    /// <summary>The template's RAM.</summary>
    public string RamFile => Path.Combine(_folder.FullName, "ram.img");

    /// <summary>The code that the clones share.</summary>
    public TranslationUsage MeasureTranslation() => _host.MeasureTranslation();

    /// <summary>Starts a clone; returns once it runs.</summary>
    public GuestInfo StartClone(int number) => _host.Start(
        new GuestOptions { Name = Name(number), Template = _template, Memory = _options.Memory }, CancellationToken.None);

    /// <summary>Starts a clone, or takes one out of the pool; returns once it runs.</summary>
    public GuestInfo StartClone(int number, bool fromPool) => !fromPool
        ? StartClone(number)
        : _host.Start(new GuestOptions { Name = Name(number), Pool = PoolName }, CancellationToken.None);

    /// <summary>Makes the pool, and fills it.</summary>
    public void MakePool(int size) => _host.Pools.Create(
        new GuestPoolOptions
        {
            Name = PoolName, Size = size, Grow = true, Guest = new GuestOptions { Template = _template, Memory = _options.Memory },
        });

    /// <summary>The RAM of the one clone that the pool holds.</summary>
    public MemoryBackend Pooled => _backends.List().Single(backend => backend.Id.StartsWith(PoolName, StringComparison.Ordinal));

    /// <summary>Ends the pool.</summary>
    public void RemovePool() => _host.Pools.Remove(PoolName);

    /// <summary>Puts a clone back to the template.</summary>
    public void Reset(int number) => _host.Reset(Name(number));

    /// <summary>Waits until a clone has ticked.</summary>
    /// <exception cref="BenchmarkException">It does not.</exception>
    public void WaitForTick(int number) => _host.WaitFor(Name(number), _options.Tick);

    /// <summary>Starts clones, from number 0 on; returns once all have ticked.</summary>
    /// <exception cref="BenchmarkException">One does not tick.</exception>
    public void StartTicking(int count)
    {
        for (int number = 0; number < count; number++)
        {
            StartClone(number);
        }

        for (int number = 0; number < count; number++)
        {
            WaitForTick(number);
        }
    }

    /// <summary>Ticks of a clone so far.</summary>
    public int Ticks(int number)
    {
        string console = _host.ReadConsole(Name(number), 0).Text;
        int ticks = 0;
        for (int at = 0; (at = console.IndexOf(_options.Tick, at, StringComparison.Ordinal)) >= 0; at++)
        {
            ticks++;
        }

        return ticks;
    }

    /// <summary>Records what a clone touches first.</summary>
    public TemplateWorkingSet RecordWorkingSet(TimeSpan duration) => _host.RecordWorkingSet(_template, duration);

    /// <summary>Has the kernel forget what it holds of the template's files; no clone may run.</summary>
    /// <exception cref="BenchmarkException">It does not.</exception>
    public void Evict()
    {
        foreach (string path in Directory.GetFiles(_folder.FullName, "*", SearchOption.AllDirectories))
        {
            using FileStream file = File.OpenRead(path);
            int error = Syscall.posix_fadvise((int)file.SafeFileHandle.DangerousGetHandle(), 0, 0, PosixFadviseAdvice.POSIX_FADV_DONTNEED);
            if (error != 0)
            {
                throw new BenchmarkException($"Expected the kernel to forget '{path}', found error {error}.");
            }
        }
    }

    /// <summary>A clone as it is.</summary>
    public GuestInfo Get(int number) => _host.Get(Name(number));

    /// <summary>What a clone costs and does.</summary>
    public GuestMeasurement Measure(int number) => _host.Measure(Name(number), detailed: false);

    /// <summary>Types on the console of a clone.</summary>
    public void Type(int number, string text) => _host.WriteConsole(Name(number), text);

    /// <summary>Bytes of memory that guests must leave.</summary>
    public long MemoryReserve => _backends.MemoryReserve;

    /// <summary>Bytes that only these clones have of their RAM, by the kernel's accounting (Anonymous of /proc/self/smaps).</summary>
    public long OwnRamBytes(int first, int count) =>
        _host.Measure([.. Enumerable.Range(first, count).Select(Name)], detailed: true).SelectMany(guest => guest.Backends)
            .Sum(ram => ram.Own);

    /// <summary>Holds the clones, so that what is measured one after the other belongs together.</summary>
    public void Suspend(int first, int count)
    {
        for (int number = first; number < first + count; number++)
        {
            _host.Suspend(Name(number));
        }
    }

    /// <summary>Ends the clones.</summary>
    public void Remove(int first, int count)
    {
        for (int number = first; number < first + count; number++)
        {
            _host.End(Name(number));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _host.Dispose();
        _backends.Dispose();
        _folder.Delete(recursive: true);
    }

    private static string Name(int number) => string.Create(CultureInfo.InvariantCulture, $"clone{number}");
}
