using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using PsVm.Machine.Guests;
using PsVm.Memory;
using static PsVm.Riscv.Tests.Asm;

namespace PsVm.Benchmarks;

/// <summary>How long a guest stands still for its checkpoint while it writes all over its RAM.</summary>
internal static class CheckpointCommand
{
    private const int FirstByte = 16 << 20, Burst = 64 << 10, TicksPerSecond = 10_000_000;
    private const int Time = 0xc01;

    /// <summary>Prints a line for each checkpoint, and one with the medians.</summary>
    public static void Checkpoint(string[] words)
    {
        Arguments arguments = new(words);
        int megabytes = arguments.Number("--mem", 256);
        int rate = arguments.Number("--rate", 200);
        int runs = arguments.Number("-n", 20);
        string ram = arguments.TextOrNull("--ram") ?? "anonymous";
        string above = arguments.TextOrNull("--folder") ?? Path.GetTempPath();
        string? qemu = arguments.TextOrNull("--qemu");
        arguments.Done();
        DirectoryInfo folder = Directory.CreateDirectory(Path.Combine(above, $"psvm-checkpoint-{Guid.NewGuid():N}"));
        try
        {
            Run(folder.FullName, (long)megabytes << 20, rate, runs, ram);
            if (qemu is not null)
            {
                RunPeer(qemu, folder.FullName, megabytes, rate, runs, isBackground: false);
                RunPeer(qemu, folder.FullName, megabytes, rate, runs, isBackground: true);
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static void Run(string folder, long memory, int rate, int runs, string ram)
    {
        using MemoryBackends backends = new();
        using GuestHost host = new(backends);
        string file = Path.Combine(folder, "ram.img");
        MemoryBackendOptions options = ram switch
        {
            "anonymous" => new MemoryBackendOptions { Kind = BackendKind.Anonymous, Size = memory },
            "shared" => new MemoryBackendOptions { Path = file, Size = memory, Share = true },
            _ => throw new ArgumentException($"Expected anonymous or shared after --ram, found '{ram}'."),
        };
        string backend = backends.Create(options).Id;
        string kernel = Path.Combine(folder, "kernel");
        File.WriteAllBytes(kernel, HostilePrograms.Image(Writer(memory, rate)));
        const string name = "writer";
        host.Start(new GuestOptions { Name = name, Kernel = kernel, BackendIds = [backend] }, CancellationToken.None);

        // Once through all of its RAM, so that there is something everywhere.
        Thread.Sleep(TimeSpan.FromSeconds(2 + ((double)memory / (rate * 1e6))));
        CheckpointOptions template = new() { Path = Path.Combine(folder, "template"), Force = true };
        List<double> pauses = [], seconds = [], speeds = [];
        for (int run = 0; run < runs; run++)
        {
            double before = Speed(host, name, () => Thread.Sleep(500));
            double pause = 0, took = 0;
            double during = Speed(host, name, () =>
            {
                long began = Stopwatch.GetTimestamp();
                pause = host.Checkpoint(name, template, null, CancellationToken.None).Pause!.Value.TotalMilliseconds;
                took = Stopwatch.GetElapsedTime(began).TotalSeconds;
            });
            pauses.Add(pause);
            seconds.Add(took);
            speeds.Add(during / before);
            Write(new { pause_ms = Round(pause), checkpoint_s = Round(took), speed_during = Round(during / before) });
        }

        Write(new
        {
            median_pause_ms = Round(Median.Of(pauses)),
            most_pause_ms = Round(pauses.Max()),
            median_checkpoint_s = Round(Median.Of(seconds)),
            median_speed_during = Round(Median.Of(speeds)),
            runs,
        });
    }

    /// <summary>The same with QEMU, which saves its machine to a file while it stands, or beside it (background-snapshot).</summary>
    private static void RunPeer(string qemu, string folder, int megabytes, int rate, int runs, bool isBackground)
    {
        using QemuMachine machine = new(qemu, folder, Path.Combine(folder, "kernel"), megabytes);
        Thread.Sleep(TimeSpan.FromSeconds(3 + ((megabytes << 20) / (rate * 1e6))));
        if (isBackground)
        {
            JsonObject capability = new() { ["capability"] = "background-snapshot", ["state"] = true };
            machine.Do("migrate-set-capabilities", new JsonObject { ["capabilities"] = new JsonArray(capability) });
        }

        // As fast as it can: its own limit is that of a network.
        machine.Do("migrate-set-parameters", new JsonObject { ["max-bandwidth"] = 1L << 40 });
        string file = Path.Combine(folder, "qemu.state");
        List<double> pauses = [], seconds = [];
        for (int run = 0; run < runs; run++)
        {
            int before = machine.Events.Count;
            long began = Stopwatch.GetTimestamp();
            if (!isBackground)
            {
                machine.Do("stop");
            }

            machine.Save(file);
            seconds.Add(Stopwatch.GetElapsedTime(began).TotalSeconds);
            machine.Do("cont");
            (string Event, double Seconds)[] events = [.. machine.Events.Skip(before)];
            pauses.Add(
                1000 * (
                    events.First(
                        happened => happened.Event == "RESUME").Seconds - events.First(happened => happened.Event == "STOP").Seconds));
            File.Delete(file);
            Thread.Sleep(500);
        }

        Write(new
        {
            peer = isBackground ? "QEMU, background-snapshot" : "QEMU, stop and migrate to a file",
            median_pause_ms = Round(Median.Of(pauses)),
            most_pause_ms = Round(pauses.Max()),
            median_checkpoint_s = Round(Median.Of(seconds)),
            runs,
        });
    }

    /// <summary>Instructions of the guest in a second, while something is done.</summary>
    private static double Speed(GuestHost host, string name, Action work)
    {
        (long instructions, long began) = (host.Get(name).Instructions, Stopwatch.GetTimestamp());
        work();
        return (host.Get(name).Instructions - instructions) / Stopwatch.GetElapsedTime(began).TotalSeconds;
    }

    /// <summary>Writes RAM from end to end for ever, in bursts at a rate that the guest's clock gives; behind it, it catches up.</summary>
    private static uint[] Writer(long memory, int rate)
    {
        const int start = A2, end = A3, at = A1, value = A4, due = A5, left = T0, now = T1, interval = T2;
        int ticks = (int)((long)TicksPerSecond * Burst / (rate * 1_000_000L));
        List<uint> code =
        [
            Addi(start, Zero, 1), Slli(start, start, 31), // where RAM begins
            Lui(end, (uint)(memory >> 20)), Slli(end, end, 8), Add(end, end, start),
            Lui(T0, FirstByte >> 12), Add(start, start, T0), Addi(at, start, 0),
            Lui(interval, (uint)((ticks + 0x800) >> 12)), Addi(interval, interval, ticks << 20 >> 20),
            Csrrs(due, Time, Zero),
        ];
        int burst = code.Count;
        code.AddRange([Addi(value, value, 1), Addi(left, Zero, Burst / 64)]);
        int line = code.Count;
        for (int offset = 0; offset < 64; offset += 8)
        {
            code.Add(Sd(value, at, offset));
        }

        code.AddRange([Addi(at, at, 64), Addi(left, left, -1), Bne(left, Zero, (line - (code.Count + 2)) * 4)]);
        code.AddRange([Add(due, due, interval), Bne(at, end, 8), Addi(at, start, 0)]);
        code.AddRange([Csrrs(now, Time, Zero), Branch(4, now, due, -4), Jal(Zero, (burst - (code.Count + 2)) * 4)]); // blt
        return [.. code];
    }

    private static double Round(double value) => Math.Round(value, 3);

    private static void Write(object line) => Console.WriteLine(JsonSerializer.Serialize(line));
}
