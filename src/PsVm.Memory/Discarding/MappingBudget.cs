using System.Globalization;

namespace PsVm.Memory.Discarding;

/// <summary>
/// Bounds the kernel mappings that overlays and layers add to a process: running out of them would stop the runtime itself.
/// </summary>
/// <param name="limit">Most mappings that they may add.</param>
internal sealed class MappingBudget(long limit)
{
    private long _used;

    /// <summary>The budget of this process: half of vm.max_map_count.</summary>
    public static MappingBudget Process { get; } = new(ReadMaxMapCount() / 2);

    /// <summary>Most mappings that overlays and layers may add.</summary>
    public long Limit => limit;

    /// <summary>Mappings that overlays and layers have added.</summary>
    public long Used => Interlocked.Read(ref _used);

    /// <summary>Takes mappings; what gives some back (a negative number) always may.</summary>
    public bool TryTake(long mappings) => TryTake(mappings, limit);

    /// <summary>
    /// Takes mappings for layers, which leave half of the bound to overlays: layers can be copied, and ROM cannot be zeroed.
    /// </summary>
    public bool TryTakeForLayers(long mappings) => TryTake(mappings, limit / 2);

    /// <summary>Takes mappings for what a guest asks for, which leaves half of the bound to operators.</summary>
    public bool TryTakeForGuest(long mappings) => TryTake(mappings, limit / 2);

    private bool TryTake(long mappings, long most)
    {
        if (Interlocked.Add(ref _used, mappings) <= most || mappings <= 0)
        {
            return true;
        }

        Interlocked.Add(ref _used, -mappings);
        return false;
    }

    private static long ReadMaxMapCount()
    {
        const string path = "/proc/sys/vm/max_map_count";
        const long kernelDefault = 65530;
        return File.Exists(path) ? long.Parse(File.ReadAllText(path), CultureInfo.InvariantCulture) : kernelDefault;
    }
}
