using System.Globalization;
using System.Text.Json;

namespace PsVm.Benchmarks;

/// <summary>
/// What a guest takes that is the first of its pwsh, and one that comes after it: each the boot of a kernel to a text on its console.
/// </summary>
/// <param name="pwsh">The program.</param>
/// <param name="import">The command that imports the module.</param>
/// <param name="boot">What boots.</param>
internal sealed class FirstStarts(string pwsh, string import, BootOptions boot)
{
    private static readonly string[] s_figures = ["start_ms", "up_ms", "start_cpu_ms", "up_cpu_ms", "methods"];

    /// <summary>Prints one line: medians of processes.</summary>
    public void Print(int runs)
    {
        List<double[]> first = [], second = [];
        for (int run = 0; run <= runs; run++)
        {
            string[] lines = ImportCommand.OutputOf(pwsh, Script())
                .Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            if (lines.Length != 2)
            {
                throw new BenchmarkException($"Expected figures of two guests, found '{string.Join(" / ", lines)}'.");
            }

            // The first process fills the page cache.
            if (run > 0)
            {
                first.Add(Figures(lines[0]));
                second.Add(Figures(lines[1]));
            }
        }

        Dictionary<string, double> line = [];
        for (int i = 0; i < s_figures.Length; i++)
        {
            double one = Median.Of(first.Select(figures => figures[i])), other = Median.Of(second.Select(figures => figures[i]));
            line[$"first_{s_figures[i]}"] = Math.Round(one);
            line[$"second_{s_figures[i]}"] = Math.Round(other);
            line[$"more_{s_figures[i]}"] = Math.Round(Median.Of(first.Zip(second, (a, b) => a[i] - b[i])));
        }

        Console.WriteLine(JsonSerializer.Serialize(line));
    }

    private static double[] Figures(string line)
    {
        double[] figures = [.. line.Split(' ').Select(figure => double.Parse(figure, CultureInfo.InvariantCulture))];
        return figures.Length == s_figures.Length
            ? figures
            : throw new BenchmarkException($"Expected {s_figures.Length} figures, found '{line}'.");
    }

    /// <summary>
    /// Two guests one after the other; of each what Start-Guest took, and what came until the text, by the clock and in CPU time.
    /// </summary>
    private string Script()
    {
        string machine = boot.MachineType is null ? string.Empty : $"MachineType = {ImportCommand.Quoted(boot.MachineType)};";
        return $$"""
            {{import}}
            $guest = @{
                Memory = {{boot.Megabytes}}MB; Harts = {{boot.Harts}}; {{machine}} CommandLine = {{ImportCommand.Quoted(boot.Append)}}
                Kernel = {{ImportCommand.Quoted(Path.GetFullPath(boot.Kernel))}}; Initrd = {{ImportCommand.Quoted(Path.GetFullPath(boot.Initrd))}}
            }
            Start-Sleep 1
            foreach ($i in 1, 2) {
                $cpu = [Environment]::CpuUsage.TotalTime; $methods = [Runtime.JitInfo]::GetCompiledMethodCount()
                $clock = [Diagnostics.Stopwatch]::StartNew()
                $g = Start-Guest g @guest
                $started = $clock.Elapsed; $startCpu = [Environment]::CpuUsage.TotalTime - $cpu
                $null = $g | Wait-Guest -ForText {{ImportCommand.Quoted(boot.Until)}} -Timeout 300
                $up = $clock.Elapsed; $upCpu = [Environment]::CpuUsage.TotalTime - $cpu
                $figures = $started.TotalMilliseconds, $up.TotalMilliseconds, $startCpu.TotalMilliseconds, $upCpu.TotalMilliseconds,
                    ([Runtime.JitInfo]::GetCompiledMethodCount() - $methods)
                [Console]::Out.WriteLine([string]::Join(' ', [string[]]($figures.ForEach({ ([double]$_).ToString('R', [cultureinfo]::InvariantCulture) }))))
                $null = Remove-Guest g -Force -Confirm:$false
            }
            """;
    }
}
