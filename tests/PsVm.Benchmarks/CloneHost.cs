using System.Globalization;
using PsVm.Machine.Guests;
using PsVm.Memory;

namespace PsVm.Benchmarks;

/// <summary>A host of guests with a template of a guest that has booted, in a folder that goes when it does.</summary>
internal sealed class CloneHost : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);
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
                new MemoryBackendOptions { Path = Path.Combine(_folder.FullName, "ram.img"), Size = options.Memory, Share = true },
                CancellationToken.None);
            GuestOptions boot = new()
            {
                Name = source, BackendIds = [ram.Id], Kernel = options.Kernel, Initrd = options.Initrd, CommandLine = options.Append,
            };
            _host.Start(boot, CancellationToken.None);
            WaitFor(source, options.Until);
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

    /// <summary>Bytes that only this process has (Anonymous of /proc/self/smaps_rollup), once garbage is collected and given back.</summary>
    public static long ProcessOwnBytes()
    {
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        string line = File.ReadLines("/proc/self/smaps_rollup").First(line => line.StartsWith("Anonymous:", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) << 10;
    }

    /// <summary>The code that the clones share.</summary>
    public TranslationUsage MeasureTranslation() => _host.MeasureTranslation();

    /// <summary>Starts a clone; returns once it runs.</summary>
    public GuestInfo StartClone(int number) => _host.Start(
        new GuestOptions { Name = Name(number), Template = _template, Memory = _options.Memory }, CancellationToken.None);

    /// <summary>Waits until a clone has ticked.</summary>
    /// <exception cref="BenchmarkException">It does not.</exception>
    public void WaitForTick(int number) => WaitFor(Name(number), _options.Tick);

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

    /// <summary>Bytes that only these clones have of their RAM, by the kernel's accounting (Anonymous of /proc/self/smaps).</summary>
    public long OwnRamBytes(int first, int count) =>
        _host.Measure([.. Enumerable.Range(first, count).Select(Name)], detailed: true).SelectMany(guest => guest.Backends).Sum(ram => ram.Own);

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
            _host.Stop(Name(number));
            _host.Remove(Name(number));
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

    private void WaitFor(string guest, string text)
    {
        if (!_host.WaitForText(guest, text, Patience, CancellationToken.None))
        {
            throw new BenchmarkException($"Expected '{text}' on the console of {guest} within {Patience.TotalSeconds} s, found it not.");
        }
    }
}
