using System.Diagnostics;
using System.Net.Sockets;

namespace PsVm.Machine.Devices.VhostUser;

/// <summary>
/// A daemon that is started for one device: it listens in a folder that only this user may enter, and ends with its connection or by
/// <see cref="End"/>. Safe from any thread.
/// </summary>
/// <param name="program">The program.</param>
/// <param name="arguments">Its arguments, of the path of the socket that it is to listen at.</param>
/// <param name="what">What it works on, for messages.</param>
internal sealed class ProgramDaemon(string program, Func<string, IReadOnlyList<string>> arguments, string what) : IVhostDaemon
{
    private const int MostSaid = 300;

    // Keeps Ctrl+C in the operator's terminal from the daemon; it is part of util-linux, without which a system does not boot.
    private const string OwnSession = "/usr/bin/setsid";

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10), s_end = TimeSpan.FromSeconds(5);

    private readonly Lock _gate = new();
    private Process? _process;
    private string? _folder;
    private volatile string _said = string.Empty;

    /// <inheritdoc/>
    public string Name => $"{Path.GetFileName(program)} for {what}";

    /// <inheritdoc/>
    public int? ProcessId
    {
        get
        {
            lock (_gate)
            {
                return _process is { HasExited: false } process ? process.Id : null;
            }
        }
    }

    /// <inheritdoc/>
    public Socket Connect(CancellationToken stop)
    {
        (Process process, string socket) = Begin();
        long began = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                return SocketDaemon.Connect(socket);
            }
            catch (VhostException failure)
            {
                if (HasEnded(process) is { } how)
                {
                    throw new VhostException($"{Name} {how}", failure);
                }

                if (Stopwatch.GetElapsedTime(began) > s_patience || stop.WaitHandle.WaitOne(3))
                {
                    End();
                    stop.ThrowIfCancellationRequested();
                    throw new VhostException($"{Name} does not listen after {s_patience.TotalSeconds} s", failure);
                }
            }
        }
    }

    /// <inheritdoc/>
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
                catch (Exception gone) when (gone is InvalidOperationException or System.ComponentModel.Win32Exception or AggregateException)
                {
                    // It has ended by itself.
                }

                process.Dispose();
                _process = null;
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            End();
            try
            {
                Directory.Delete(_folder ?? string.Empty, recursive: true);
            }
            catch (Exception left) when (left is IOException or ArgumentException)
            {
                // It was never started, or a folder without use is left in the one for temporary files.
            }

            _folder = null;
        }
    }

    /// <summary>How a process has ended; null: it runs.</summary>
    private string? HasEnded(Process process)
    {
        try
        {
            if (!process.WaitForExit(2))
            {
                return null;
            }

            process.WaitForExit(); // for what it said
            return $"ended with exit code {process.ExitCode}{(_said.Length == 0 ? "" : $": {_said}")}";
        }
        catch (InvalidOperationException)
        {
            return "was ended"; // by whoever has no use for it any more
        }
    }

    private (Process Process, string Socket) Begin()
    {
        lock (_gate)
        {
            End();
            _said = string.Empty;

            // One place for all of a device's daemons: Debian's virtiofsd leaves a file in /run/virtiofsd for each.
            _folder ??= Directory.CreateTempSubdirectory("psvm-vhost-").FullName;
            string socket = Path.Combine(_folder, "socket");
            File.Delete(socket);
            IReadOnlyList<string> all = arguments(socket);
            ProcessStartInfo start = File.Exists(OwnSession) ? new(OwnSession, [program, .. all]) : new(program, all);
            (start.RedirectStandardInput, start.RedirectStandardOutput, start.RedirectStandardError) = (true, true, true);
            try
            {
                Process process = Process.Start(start)!;
                _process = process;
                process.StandardInput.Close();
                process.ErrorDataReceived += (_, line) => _said = line.Data is { Length: > 0 } text ? Shown(text) : _said;
                process.BeginErrorReadLine();
                process.BeginOutputReadLine();
                return (process, socket);
            }
            catch (Exception failure) when (failure is System.ComponentModel.Win32Exception or InvalidOperationException)
            {
                End();
                throw new VhostException($"{Name} cannot be started: {failure.Message}", failure);
            }
        }
    }

    private static string Shown(string text) => VisibleText.Of(text.Length > MostSaid ? text[..MostSaid] : text);
}
