using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace PsVm.Benchmarks;

/// <summary>
/// What <c>Import-Module</c> adds to the start of pwsh: processes that import, in turn with processes that do nothing. With a kernel, what
/// a session's first guest takes beyond its second.
/// </summary>
internal static class ImportCommand
{
    // Its own line, and the CPU time of all threads, which a busy host disturbs less than the clock.
    private const string Report =
        "[Console]::Out.WriteLine([Environment]::CpuUsage.TotalTime.TotalMilliseconds.ToString('R', [cultureinfo]::InvariantCulture))";

    /// <summary>Prints one line: medians with and without the import, and what lies between.</summary>
    public static void Import(string[] words)
    {
        Arguments arguments = new(words);
        string module = Path.GetFullPath(arguments.Text("--module"));
        string pwsh = arguments.TextOrNull("--pwsh") ?? "pwsh";
        int runs = arguments.Number("-n", 21);
        string then = arguments.TextOrNull("--then") is { } command ? $"$null = {command}; " : string.Empty;
        BootOptions? boot = arguments.Has("--kernel") ? new BootOptions(arguments) : null;
        arguments.Done();

        string import = $"$ErrorActionPreference = 'Stop'; Import-Module ([WildcardPattern]::Escape({Quoted(module)}))";
        if (boot is not null)
        {
            new FirstStarts(pwsh, import, boot).Print(runs);
            return;
        }

        List<(double Wall, double Cpu)> bare = [], imported = [];
        // The first of each fills the page cache.
        for (int run = 0; run <= runs; run++)
        {
            (double Wall, double Cpu) without = Run(pwsh, Report);
            (double Wall, double Cpu) with = Run(pwsh, $"{import}; {then}{Report}");
            if (run > 0)
            {
                bare.Add(without);
                imported.Add(with);
            }
        }

        double bareMs = Median.Of(bare.Select(run => run.Wall)), bareCpuMs = Median.Of(bare.Select(run => run.Cpu));
        double importMs = Median.Of(imported.Select(run => run.Wall)), importCpuMs = Median.Of(imported.Select(run => run.Cpu));
        Console.WriteLine(JsonSerializer.Serialize(new
        {
            bare_ms = Math.Round(bareMs),
            import_ms = Math.Round(importMs),
            added_ms = Math.Round(importMs - bareMs),
            bare_cpu_ms = Math.Round(bareCpuMs),
            import_cpu_ms = Math.Round(importCpuMs),
            added_cpu_ms = Math.Round(importCpuMs - bareCpuMs),
        }));
    }

    /// <summary>A text as PowerShell's.</summary>
    public static string Quoted(string text) => $"'{text.Replace("'", "''", StringComparison.Ordinal)}'";

    /// <summary>What a script in a pwsh of its own printed.</summary>
    /// <exception cref="BenchmarkException">It failed.</exception>
    public static string OutputOf(string pwsh, string script)
    {
        ProcessStartInfo start = new(pwsh, ["-NoProfile", "-NonInteractive", "-Command", script]) { RedirectStandardOutput = true };
        // pwsh tells its makers which modules are imported, in the import's time: that is not the module's.
        start.Environment["POWERSHELL_TELEMETRY_OPTOUT"] = "1";
        start.Environment["POWERSHELL_UPDATECHECK"] = "Off";
        using Process process = Process.Start(start)!;
        string said = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0
            ? said
            : throw new BenchmarkException($"Expected {pwsh} to end well, found exit code {process.ExitCode} and '{said.Trim()}'.");
    }

    private static (double Wall, double Cpu) Run(string pwsh, string script)
    {
        long begun = Stopwatch.GetTimestamp();
        string said = OutputOf(pwsh, script);
        double wall = Stopwatch.GetElapsedTime(begun).TotalMilliseconds;
        return double.TryParse(said, NumberStyles.Float, CultureInfo.InvariantCulture, out double cpu)
            ? (wall, cpu)
            : throw new BenchmarkException($"Expected milliseconds of CPU time from {pwsh}, found '{said.Trim()}'.");
    }
}
