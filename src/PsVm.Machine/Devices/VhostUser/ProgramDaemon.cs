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
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10), s_look = TimeSpan.FromMilliseconds(2);

    private readonly Lock _gate = new();
    private ChildProgram? _child;
    private SocketFolder? _folder;

    /// <inheritdoc/>
    public string Name => $"{Path.GetFileName(program)} for {what}";

    /// <inheritdoc/>
    public int? ProcessId
    {
        get
        {
            lock (_gate)
            {
                return _child?.Id;
            }
        }
    }

    /// <inheritdoc/>
    public Socket Connect(CancellationToken stop)
    {
        (ChildProgram child, string socket) = Begin();
        long began = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                return SocketDaemon.Connect(socket);
            }
            catch (VhostException failure)
            {
                if (child.HowEnded(s_look) is { } how)
                {
                    throw new VhostException($"{Name} {how}{(child.Said is [.., var last] ? $": {last}" : "")}", failure);
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
            _child?.End();
            _child = null;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            End();
            _folder?.Dispose();
            _folder = null;
        }
    }

    private (ChildProgram Child, string Socket) Begin()
    {
        lock (_gate)
        {
            End();

            // One place for all of a device's daemons: Debian's virtiofsd leaves a file in /run/virtiofsd for each.
            _folder ??= SocketFolder.Make();
            string socket = Path.Combine(_folder.Path, "socket");
            File.Delete(socket);
            try
            {
                _child = ChildProgram.Start(program, arguments(socket));
                return (_child, socket);
            }
            catch (IOException failure)
            {
                throw new VhostException($"{Name}: {failure.Message}", failure);
            }
        }
    }
}
