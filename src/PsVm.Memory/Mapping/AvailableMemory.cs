using System.Diagnostics;
using System.Globalization;

namespace PsVm.Memory.Mapping;

/// <summary>What this process can still have of memory before the kernel kills to get some.</summary>
/// <param name="Bytes">Bytes; none when negative.</param>
/// <param name="Source">The file that says so: that of the host, or of the control group that has least.</param>
public readonly record struct MemoryRoom(long Bytes, string Source);

/// <summary>
/// Reads what is left of the host's memory and of the limits of this process's control groups, version 1 and 2, its own and those above. A
/// reading costs tens of microseconds. Not to be used by two threads at once.
/// </summary>
/// <remarks>Sources: proc_meminfo(5), MemAvailable; the kernel's admin-guide/cgroup-v1/memory.rst and admin-guide/cgroup-v2.rst.</remarks>
public sealed class AvailableMemory
{
    private const string MemInfo = "proc/meminfo";

    // Groups are looked up anew that often: a process may be moved to another, which takes a system administrator.
    private static readonly TimeSpan s_groupsStay = TimeSpan.FromSeconds(1);

    private readonly string _root;
    private readonly CgroupLimits _limits;
    private readonly byte[] _text = new byte[8192];
    private IReadOnlyList<CgroupLimit> _groups = [];
    private long _groupsFoundAt;

    /// <summary>That of this host.</summary>
    public AvailableMemory()
        : this("/")
    {
    }

    /// <param name="root">Where the file system begins; another one in tests.</param>
    internal AvailableMemory(string root)
    {
        _root = root;
        _limits = new CgroupLimits(root);
    }

    /// <summary>What is left now: memory and swap of the host, or of a limit that leaves less.</summary>
    /// <param name="enough">Where a limit leaves more than that, page cache that it could take back is not counted, which is dear.</param>
    public MemoryRoom Read(long enough = long.MaxValue)
    {
        if (_groupsFoundAt == 0 || Stopwatch.GetElapsedTime(_groupsFoundAt) >= s_groupsStay)
        {
            _groups = _limits.MemoryGroups();
            _groupsFoundAt = Stopwatch.GetTimestamp();
        }

        MemoryRoom host = ReadHost();
        return _limits.Least(_groups, enough) is { } group && group.Bytes < host.Bytes ? new(group.Bytes, group.File) : host;
    }

    /// <summary>All that there is: memory of the host, or the least limit.</summary>
    public long Total()
    {
        long host = Field(Load(), "MemTotal:"u8) ?? 0;
        return _limits.MemoryGroups().Select(_limits.Bytes).OfType<long>().Append(host).Min();
    }

    private MemoryRoom ReadHost()
    {
        ReadOnlySpan<byte> text = Load();

        // A kernel that does not say keeps nobody from anything.
        long bytes = Field(text, "MemAvailable:"u8) is { } available ? available + (Field(text, "SwapFree:"u8) ?? 0) : long.MaxValue;
        return new(bytes, "/" + MemInfo);
    }

    private ReadOnlySpan<byte> Load()
    {
        try
        {
            using var file = File.OpenHandle(Path.Combine(_root, MemInfo));
            return _text.AsSpan(0, RandomAccess.Read(file, _text, 0));
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return default;
        }
    }

    /// <summary>A field's bytes; null: there is none.</summary>
    private static long? Field(ReadOnlySpan<byte> text, ReadOnlySpan<byte> name)
    {
        int start = text.IndexOf(name);
        if (start < 0)
        {
            return null;
        }

        ReadOnlySpan<byte> value = text[(start + name.Length)..].TrimStart((byte)' ');
        int end = value.IndexOf((byte)' ');
        return end > 0 && long.TryParse(value[..end], NumberStyles.None, CultureInfo.InvariantCulture, out long kilobytes)
            ? kilobytes * 1024
            : null;
    }
}
