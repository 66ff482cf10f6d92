using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using PsVm.Memory.Mapping;

namespace PsVm.Benchmarks;

/// <summary>
/// Many clones in a control group with less memory than they could take, of which one begins to write all of its RAM: who is held, who
/// lives, and what the watch costs. In a process of its own, which the kernel would kill.
/// </summary>
internal static class OvercommitCommand
{
    /// <summary>The command that the process in the group gets, with the options of <c>overcommit</c>.</summary>
    public const string ChildName = "overcommit-child";

    private const string Parent = "/sys/fs/cgroup/memory";
    private const int Looks = 201;
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(5);

    /// <summary>Makes the group, runs the process in it and prints one line; the group goes afterwards.</summary>
    public static void Overcommit(string[] words)
    {
        _ = Read(words, out int limit, out _);
        string group = $"{Parent}/psvm-bench-{Environment.ProcessId}";
        try
        {
            Directory.CreateDirectory(group);
            File.WriteAllText($"{group}/memory.limit_in_bytes", ((long)limit << 20).ToString(CultureInfo.InvariantCulture));
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new BenchmarkException(
                $"Expected to make a control group of version 1 with a limit of memory at '{group}', found: {failure.Message}");
        }

        try
        {
            using Process process = Process.Start(new ProcessStartInfo(
                "sh",
                [
                    "-c", $"echo $$ > {group}/cgroup.procs && exec \"$@\"", "sh", Environment.ProcessPath!,
                    .. Assembly(), ChildName, .. words]))!;
            process.WaitForExit();
            string kills = File.ReadLines($"{group}/memory.oom_control")
                .First(line => line.StartsWith("oom_kill ", StringComparison.Ordinal));
            Console.WriteLine(
                JsonSerializer.Serialize(new { exit_code = process.ExitCode, killed_by_the_kernel = int.Parse(kills[9..], null) }));
        }
        finally
        {
            Directory.Delete(group);
        }
    }

    /// <summary>What runs in the group.</summary>
    public static void RunChild(string[] words)
    {
        CloneOptions options = Read(words, out _, out string command);
        using CloneHost host = new(options);
        for (int number = 0; number < options.Count; number++)
        {
            host.StartClone(number);
        }

        for (int number = 0; number < options.Count; number++)
        {
            host.WaitForTick(number);
        }

        AvailableMemory memory = new();
        MemoryRoom before = memory.Read();
        double lookMicroseconds = Median.Of(Enumerable.Range(0, Looks).Select(_ => Microseconds(() => memory.Read(0))));
        double fullLookMicroseconds = Median.Of(Enumerable.Range(0, Looks).Select(_ => Microseconds(() => memory.Read())));
        double measureMicroseconds = Median.Of(Enumerable.Range(0, Looks).Select(_ => Microseconds(() => host.Measure(0))));

        int wild = options.Count / 2;
        long least = long.MaxValue;
        long ownBefore = host.Measure(wild).OwnBytes;
        long began = Stopwatch.GetTimestamp();
        host.Type(wild, command + "\n");
        while (host.Get(wild).State == GuestState.Running && Stopwatch.GetElapsedTime(began) < s_patience)
        {
            least = Math.Min(least, memory.Read().Bytes);
            Thread.Sleep(1);
        }

        double seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
        GuestInfo held = host.Get(wild);
        long own = host.Measure(wild).OwnBytes - ownBefore;
        int[] ticks = [.. Enumerable.Range(0, options.Count).Select(host.Ticks)];
        Thread.Sleep(TimeSpan.FromSeconds(5));
        int alive = Enumerable.Range(0, options.Count)
            .Count(number => host.Get(number).State == GuestState.Running && host.Ticks(number) > ticks[number]);
        Console.WriteLine(JsonSerializer.Serialize(new
        {
            clones = options.Count,
            ram_mib = options.Memory >> 20,
            available_before_mib = before.Bytes >> 20,
            reserve_mib = host.MemoryReserve >> 20,
            wild = held.Name,
            state = held.State.ToString(),
            reason = held.SuspendReason ?? held.StopReason,
            grown_mib = own >> 20,
            mib_per_second = Math.Round(own / seconds / (1 << 20)),
            least_available_mib = least >> 20,
            alive_and_ticking = alive,
            suspended = Enumerable.Range(0, options.Count).Count(number => host.Get(number).State == GuestState.Suspended),
            look_us = Math.Round(lookMicroseconds, 1),
            look_with_page_cache_us = Math.Round(fullLookMicroseconds, 1),
            measure_guest_us = Math.Round(measureMicroseconds, 1),
        }));
    }

    private static CloneOptions Read(string[] words, out int limit, out string command)
    {
        Arguments arguments = new(words);
        CloneOptions options = new(arguments);
        limit = arguments.Number("--limit", 2048);
        command = arguments.TextOrNull("--wild") ?? "touch 100000000";
        arguments.Done();
        return options;
    }

    private static string[] Assembly() => Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet"
        ? [System.Reflection.Assembly.GetEntryAssembly()!.Location]
        : [];

    private static double Microseconds(Action work)
    {
        long began = Stopwatch.GetTimestamp();
        work();
        return Stopwatch.GetElapsedTime(began).TotalMicroseconds;
    }
}
