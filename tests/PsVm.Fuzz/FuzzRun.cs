using System.Diagnostics;
using System.Text.Json;

namespace PsVm.Fuzz;

/// <summary>
/// Runs targets, each in a process of its own that is watched: a process that ends early, or stays with one case, tells its finding by
/// the case it was at, and another goes on behind that.
/// </summary>
internal static class FuzzRun
{
    /// <summary>A case may use so much CPU time, or wait so long while nothing of its process has work.</summary>
    public static readonly TimeSpan MostTime = TimeSpan.FromSeconds(5);

    // The runtime's own start counts with it.
    private static readonly TimeSpan s_mostTimeToSetUp = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan s_lookEvery = TimeSpan.FromMilliseconds(50);

    /// <summary>Runs what the options ask for, and writes a line for each target and finding.</summary>
    /// <returns>Nothing was found.</returns>
    public static bool Run(FuzzOptions options, TextWriter output)
    {
        IReadOnlyList<FuzzTargetEntry> targets = options.Target is null ? FuzzTargets.All : [FuzzTargets.Find(options.Target)];
        double shares = targets.Sum(target => target.Share);
        long cases = 0;
        int findings = 0;
        output.WriteLine($"{"target",-12} {"cases",10} {"seed",10} {"seconds",8} {"findings",8}");
        foreach (FuzzTargetEntry target in targets)
        {
            int share = targets.Count == 1 ? options.Cases : (int)Math.Ceiling(options.Cases * (target.Share / shares));
            long began = Stopwatch.GetTimestamp();
            IReadOnlyList<Finding> found = Run(options with { Target = target.Name, Cases = share });
            double seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
            output.WriteLine($"{target.Name,-12} {share,10} {options.Seed,10} {seconds,8:f1} {found.Count,8}");
            foreach (Finding finding in found)
            {
                output.WriteLine(finding);
            }

            output.Flush();
            cases += share;
            findings += found.Count;
        }

        output.WriteLine($"{"all",-12} {cases,10} {options.Seed,10} {"",8} {findings,8}");
        return findings == 0;
    }

    /// <summary>Runs cases of one target.</summary>
    public static IReadOnlyList<Finding> Run(FuzzOptions options)
    {
        List<Finding> findings = [];
        string beacon = Path.GetTempFileName();
        try
        {
            long end = (long)options.First + options.Cases;
            for (long next = options.First; next < end && findings.Count < Worker.MostFindings;)
            {
                next = RunWorker(options with { First = (int)next, Cases = (int)(end - next), Beacon = beacon }, findings) + 1;
            }
        }
        finally
        {
            File.Delete(beacon);
        }

        return findings;
    }

    /// <summary>Runs one process.</summary>
    /// <returns>The last case that it came to.</returns>
    private static long RunWorker(FuzzOptions options, List<Finding> findings)
    {
        using Beacon beacon = new(options.Beacon!);
        beacon.Case = Beacon.SettingUp;
        using Process worker = Process.Start(StartInfo(options))!;
        List<string> errors = [];
        worker.OutputDataReceived += (_, line) => Note(line.Data, text => findings.Add(JsonSerializer.Deserialize<Finding>(text)!));
        worker.ErrorDataReceived += (_, line) => Note(line.Data, errors.Add);
        worker.BeginOutputReadLine();
        worker.BeginErrorReadLine();
        long at = Beacon.SettingUp;
        WorkerTime time = new();
        while (!worker.WaitForExit(s_lookEvery))
        {
            if (beacon.Case is var now && now != at)
            {
                at = now;
                time.Restart();
            }
            else if (time.Look(s_lookEvery, WorkerTime.Of(worker.Id)) > (at == Beacon.SettingUp ? s_mostTimeToSetUp : MostTime))
            {
                worker.Kill();
                worker.WaitForExit();
                findings.Add(new Finding(options.Target!, options.Seed, at, "hang", $"more than {MostTime.TotalSeconds} s"));
                return at == Beacon.SettingUp ? int.MaxValue : at;
            }
        }

        worker.WaitForExit();
        at = beacon.Case;
        if (worker.ExitCode != 0)
        {
            string what = $"exit code {worker.ExitCode}: {string.Join(Environment.NewLine, errors.Take(12))}";
            findings.Add(new Finding(options.Target!, options.Seed, at, "crash", what));
        }

        return at == Beacon.SettingUp || worker.ExitCode == 0 ? int.MaxValue : at;

        void Note(string? line, Action<string> use)
        {
            if (!string.IsNullOrEmpty(line))
            {
                use(line);
            }
        }
    }

    private static ProcessStartInfo StartInfo(FuzzOptions options)
    {
        const string mostHeap = "80000000"; // hexadecimal: what a case takes beyond is an error, not the end of the machine
        ProcessStartInfo start = new("dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            ArgumentList =
            {
                "exec", typeof(FuzzRun).Assembly.Location, Worker.Command, "--target", options.Target!, "--seed", $"{options.Seed}",
                "--first", $"{options.First}", "--cases", $"{options.Cases}", "--beacon", options.Beacon!,
            },
        };
        start.Environment["DOTNET_GCHeapHardLimit"] = mostHeap;
        start.Environment["DOTNET_DbgEnableMiniDump"] = "0";
        start.Environment["DOTNET_gcServer"] = "0";
        return start;
    }
}
