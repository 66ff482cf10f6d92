using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Mono.Unix.Native;

[assembly: SupportedOSPlatform("linux")]

namespace PsVm.Memory.Tests.Support;

/// <summary>Tests that change the machine, or count what the process holds: one at a time.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class HostCollection
{
    public const string Name = "host";
}

/// <summary>Set-ups that need root; each puts everything back, and skips with the reason where it cannot be had.</summary>
internal static partial class Host
{
    /// <summary>
    /// Skips where reading memory that was never written takes a page of its own, and not the kernel's one page of zeros.
    /// </summary>
    public static void NeedsZeroPage() => Skip.IfNot(
        ReadsTakeTheZeroPage.Value,
        "this kernel gives anonymous memory that is only read pages of its own, not the shared page of zeros");

    // Other tests may allocate meanwhile, so one look that finds no growth is believed, and growth only when it is there each time.
    private static readonly Lazy<bool> ReadsTakeTheZeroPage = new(static () => Enumerable.Range(0, 3).Any(_ => !ReadingTakesPages()));

    private static unsafe bool ReadingTakesPages()
    {
        // Mapped anew each time: freed memory may come back with the pages that it had.
        ulong pageSize = (ulong)Environment.SystemPageSize, size = 4096 * pageSize;
        nint memory = Syscall.mmap(
            0, size, MmapProts.PROT_READ | MmapProts.PROT_WRITE, MmapFlags.MAP_PRIVATE | MmapFlags.MAP_ANONYMOUS, -1, 0);
        Assert.NotEqual(Syscall.MAP_FAILED, memory);
        long before = Environment.WorkingSet;
        for (ulong at = 0; at < size; at += pageSize)
        {
            _ = Volatile.Read(ref ((byte*)memory)[at]);
        }

        long grown = Environment.WorkingSet - before;
        Assert.Equal(0, Syscall.munmap(memory, size));
        return grown >= (long)size / 2;
    }

    public const uint Nobody = 65534;

    public static void NeedsRoot() => Skip.IfNot(Syscall.geteuid() == 0, "needs root");

    /// <summary>Runs on a thread whose file accesses are an ordinary user's.</summary>
    public static void AsNobody(Action action)
    {
        NeedsRoot();
        OwnThread.Run(() =>
        {
            // Takes the capabilities over files away too; both hold for this thread only.
            _ = SetFsGid(Nobody);
            _ = SetFsUid(Nobody);
            action();
        });
    }

    /// <summary>Mounts a file system in a folder of its own.</summary>
    public static Mounted Mount(TestFolder folder, string type, string options = "")
    {
        NeedsRoot();
        var path = Directory.CreateDirectory(folder.In($"mount-{Guid.NewGuid():n}")).FullName;
        string[] arguments = ["-t", type, .. options.Length > 0 ? ["-o", options] : Array.Empty<string>(), type, path];
        var (code, output) = Run("mount", arguments);
        Skip.IfNot(code == 0, $"cannot mount {type}: {output}");
        return new Mounted(path);
    }

    /// <summary>Mounts a new file system, on a loop device over a file in the folder.</summary>
    public static Mounted MountNew(TestFolder folder, string type, long size)
    {
        NeedsRoot();
        Skip.IfNot(File.Exists($"/usr/sbin/mkfs.{type}"), $"mkfs.{type} is not installed");
        string image = folder.In($"{type}.img");
        using (var file = File.Create(image))
        {
            file.SetLength(size);
        }

        var (code, output) = Run($"mkfs.{type}", "-q", image);
        Skip.IfNot(code == 0, $"cannot make {type}: {output}");
        string path = Directory.CreateDirectory(folder.In($"mount-{Guid.NewGuid():n}")).FullName;
        (code, output) = Run("mount", "-o", "loop", image, path);
        Skip.IfNot(code == 0, $"cannot mount {type}: {output}");
        return new Mounted(path);
    }

    public static (int Code, string Output) Run(string command, params string[] arguments)
    {
        var start = new ProcessStartInfo(command, arguments) { RedirectStandardError = true, RedirectStandardOutput = true };
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd() + error.Result;
        process.WaitForExit();
        return (process.ExitCode, output);
    }

    /// <summary>Sets an attribute of a file, such as i (immutable), until disposed.</summary>
    public static IDisposable Attribute(string path, string attribute)
    {
        NeedsRoot();
        var (code, output) = Run("chattr", $"+{attribute}", path);
        Skip.IfNot(code == 0, $"chattr +{attribute}: {output}");
        return new Undo(() => Run("chattr", $"-{attribute}", path));
    }

    /// <summary>Runs a copy of a program until disposed.</summary>
    public static IDisposable Running(string copyOfSleep)
    {
        File.Copy("/bin/sleep", copyOfSleep);
        File.SetUnixFileMode(copyOfSleep, (UnixFileMode)0b111_101_101);
        var process = Process.Start(copyOfSleep, "600");
        return new Undo(() =>
        {
            process.Kill();
            process.WaitForExit();
            process.Dispose();
        });
    }

    [LibraryImport("libc", EntryPoint = "setfsuid")]
    private static partial int SetFsUid(uint id);

    [LibraryImport("libc", EntryPoint = "setfsgid")]
    private static partial int SetFsGid(uint id);
}

/// <summary>Runs what puts something back.</summary>
internal sealed class Undo(Action action) : IDisposable
{
    public void Dispose() => action();
}

/// <summary>A mounted file system.</summary>
internal sealed class Mounted(string path) : IDisposable
{
    public string Path { get; } = path;

    public string In(string name) => System.IO.Path.Combine(Path, name);

    public void Dispose()
    {
        var (code, output) = Host.Run("umount", Path);
        if (code != 0)
        {
            Host.Run("umount", "-l", Path);
            Assert.Fail(output);
        }
    }
}

/// <summary>
/// As many free huge pages as asked for, also where the host had free ones already. Other test processes that want some wait for the lock.
/// </summary>
internal sealed class HugePages : IDisposable
{
    public const long Size = 2 << 20;

    private const string Pool = "/sys/kernel/mm/hugepages/hugepages-2048kB/";
    private readonly FileStream _lock;
    private readonly long _before;
    private readonly long _inUse;

    public HugePages(int count)
    {
        Host.NeedsRoot();
        Skip.IfNot(Directory.Exists(Pool), "the kernel has no huge pages of 2 MiB");
        _lock = WaitForLock("/dev/shm/psvm-test-hugepages.lock"); // the host has one pool, whatever their TMPDIR is
        _before = Read("nr_hugepages");
        _inUse = _before - Free;
        Resize(count);
        if (Free < count)
        {
            Dispose();
            Skip.If(true, $"the host lends fewer than {count} huge pages");
        }
    }

    /// <summary>Gets how many are neither in use nor reserved.</summary>
    public static long Free => Read("free_hugepages") - Read("resv_hugepages");

    /// <summary>Sets how many there are beside those that were in use before.</summary>
    public void Resize(int count) => Write(_inUse + count);

    public void Dispose()
    {
        Write(_before);
        _lock.Dispose();
    }

    private static long Read(string name) => long.Parse(File.ReadAllText(Pool + name), CultureInfo.InvariantCulture);

    private static void Write(long count) => File.WriteAllText(Pool + "nr_hugepages", count.ToString(CultureInfo.InvariantCulture));

    private static FileStream WaitForLock(string path)
    {
        while (true)
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException)
            {
                Thread.Sleep(100);
            }
        }
    }
}
