using System.Diagnostics;
using System.Globalization;

namespace PsVm.Benchmarks;

/// <summary>A line of a guest's console, and what the process that runs the guest had taken when it came.</summary>
/// <param name="Text">The line, without what ends it.</param>
/// <param name="Seconds">Seconds since the process was started.</param>
/// <param name="Cpu">Seconds of CPU time that the process had used, all of its threads.</param>
internal readonly record struct ConsoleLine(string Text, double Seconds, double Cpu);

/// <summary>A process whose output is a guest's console, watched line by line: QEMU, or ours.</summary>
internal sealed class ConsoleRun : IDisposable
{
    private readonly long _began = Stopwatch.GetTimestamp();
    private readonly Process _process;
    private readonly Timer _limit;
    private readonly string _who;
    private volatile bool _late;

    /// <summary>Starts it.</summary>
    /// <param name="who">What errors call it.</param>
    /// <param name="program">The program.</param>
    /// <param name="words">Its arguments.</param>
    /// <param name="limit">How long it may take; then it is killed.</param>
    /// <exception cref="BenchmarkException">It cannot be started.</exception>
    public ConsoleRun(string who, string program, IEnumerable<string> words, TimeSpan limit)
    {
        _who = who;
        try
        {
            _process = Process.Start(new ProcessStartInfo(program, words) { RedirectStandardOutput = true, RedirectStandardInput = true })!;
        }
        catch (System.ComponentModel.Win32Exception error)
        {
            throw new BenchmarkException($"Expected to start {who} as '{program}', found: {error.Message}");
        }

        _limit = new Timer(_ => Expire(), null, limit, Timeout.InfiniteTimeSpan);
    }

    /// <summary>
    /// Bytes of memory that only the process has (Anonymous of its smaps_rollup), the guest's RAM among it; 0 once it has ended.
    /// </summary>
    public long OwnBytes
    {
        get
        {
            try
            {
                string? line = File.ReadLines($"/proc/{_process.Id}/smaps_rollup")
                    .FirstOrDefault(line => line.StartsWith("Anonymous:", StringComparison.Ordinal));
                return line is null
                    ? 0
                    : long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) << 10;
            }
            catch (IOException)
            {
                return 0;
            }
        }
    }

    /// <summary>The lines as they come, until the process ends.</summary>
    /// <exception cref="BenchmarkException">It took too long, or failed.</exception>
    public IEnumerable<ConsoleLine> Lines()
    {
        while (_process.StandardOutput.ReadLine() is { } text)
        {
            yield return new ConsoleLine(
                text.TrimEnd(), Stopwatch.GetElapsedTime(_began).TotalSeconds, ProcessCpu.Of(_process).TotalSeconds);
        }

        _process.WaitForExit();
        if (_late || _process.ExitCode != 0)
        {
            throw new BenchmarkException($"Expected {_who} to end with 0, found {(_late ? "that it took too long" : _process.ExitCode)}.");
        }
    }

    /// <summary>Ends the process, if it still runs.</summary>
    public void Dispose()
    {
        _limit.Dispose();
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }

    private void Expire()
    {
        _late = true;
        try
        {
            _process.Kill();
        }
        catch (InvalidOperationException)
        {
            // It was disposed of meanwhile.
        }
    }
}
