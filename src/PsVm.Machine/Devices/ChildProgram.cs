using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;
using PsVm.Memory.Native;

namespace PsVm.Machine.Devices;

/// <summary>A program that was started to work for a device. It is out of reach of the operator's Ctrl+C. Safe from any thread.</summary>
internal sealed class ChildProgram : IDisposable
{
    private const int MostSaid = 300, MostLines = 8;

    // Keeps Ctrl+C in the operator's terminal from the program; it is part of util-linux, without which a system does not boot.
    private const string OwnSession = "/usr/bin/setsid";

    private static readonly TimeSpan s_end = TimeSpan.FromSeconds(5);

    private readonly Lock _gate = new();
    private readonly Queue<string> _said = new(); // guarded by itself
    private Process? _process;

    private ChildProgram(Process process) => _process = process;

    /// <summary>Its process, while it runs.</summary>
    public int? Id
    {
        get
        {
            lock (_gate)
            {
                return _process is { HasExited: false } process ? process.Id : null;
            }
        }
    }

    /// <summary>What it said last on its standard error, some lines, shown and cut short.</summary>
    public IReadOnlyList<string> Said
    {
        get
        {
            lock (_said)
            {
                return [.. _said];
            }
        }
    }

    /// <summary>Looks for a program.</summary>
    /// <param name="candidates">Names, which are looked for as a shell does, and paths.</param>
    /// <returns>The path of the first that is there; null: none is.</returns>
    public static string? Find(IEnumerable<string> candidates)
    {
        string[] folders = Environment.GetEnvironmentVariable("PATH")?.Split(':', StringSplitOptions.RemoveEmptyEntries) ?? [];
        return candidates.SelectMany(name => name.Contains('/') ? [name] : folders.Select(folder => Path.Combine(folder, name)))
            .FirstOrDefault(File.Exists);
    }

    /// <summary>Starts a program.</summary>
    /// <param name="program">Its path.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="inherited">A descriptor that it gets, under the number that it has here; it stays the caller's.</param>
    /// <param name="ended">Called when it has ended, on any thread; it may have been called when this returns.</param>
    /// <exception cref="IOException">It cannot be started.</exception>
    public static ChildProgram Start(string program, IReadOnlyList<string> arguments, SafeHandle? inherited = null, Action? ended = null)
    {
        ProcessStartInfo start = File.Exists(OwnSession) ? new(OwnSession, [program, .. arguments]) : new(program, arguments);
        (start.RedirectStandardInput, start.RedirectStandardOutput, start.RedirectStandardError) = (true, true, true);
        Process process = new() { StartInfo = start, EnableRaisingEvents = ended is not null };
        process.Exited += (_, _) => ended?.Invoke();
        ChildProgram child = new(process);
        try
        {
            DescriptorInheritance.During(inherited, process.Start);
            process.StandardInput.Close();
            process.ErrorDataReceived += (_, line) => child.Hear(line.Data);
            process.BeginErrorReadLine();
            process.BeginOutputReadLine();
            return child;
        }
        catch (Exception failure) when (failure is Win32Exception or InvalidOperationException or IOException)
        {
            child.End();
            throw new IOException($"it cannot be started: {failure.Message}", failure);
        }
    }

    /// <summary>Waits for it to end.</summary>
    /// <param name="longest">How long.</param>
    /// <returns>How it has ended; null: it runs.</returns>
    public string? HowEnded(TimeSpan longest)
    {
        Process? process;
        lock (_gate)
        {
            process = _process;
        }

        try
        {
            if (process?.WaitForExit(longest) == false)
            {
                return null;
            }

            process?.WaitForExit(); // for what it said
            return process is null ? "was ended" : $"ended with exit code {process.ExitCode}";
        }
        catch (InvalidOperationException)
        {
            return "was ended"; // by whoever has no use for it any more
        }
    }

    /// <summary>Ends it: when this returns it does nothing any more.</summary>
    public void End()
    {
        lock (_gate)
        {
            if (_process is { } process)
            {
                try
                {
                    process.Kill(entireProcessTree: true);
                    process.WaitForExit(s_end);
                }
                catch (Exception gone) when (gone is InvalidOperationException or Win32Exception or AggregateException)
                {
                    // It has ended by itself, or never began.
                }

                process.Dispose();
                _process = null;
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => End();

    private void Hear(string? line)
    {
        if (line is { Length: > 0 })
        {
            lock (_said)
            {
                _said.Enqueue(VisibleText.Of(line.Length > MostSaid ? line[..MostSaid] : line));
                if (_said.Count > MostLines)
                {
                    _said.Dequeue();
                }
            }
        }
    }
}
