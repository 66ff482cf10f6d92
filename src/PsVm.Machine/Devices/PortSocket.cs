using System.Net.Sockets;
using Mono.Unix.Native;

namespace PsVm.Machine.Devices;

/// <summary>
/// A Unix socket by which programs of the host reach a named port of a guest, one after the other, over the guest's lives. What waits for
/// either side is bounded: who does not read has the other wait. Safe from any thread.
/// </summary>
/// <remarks>
/// What the guest wrote while nobody was there is what the next program gets. Bytes of a program that has gone reach the guest before those
/// of the next.
/// </remarks>
internal sealed class PortSocket : IDisposable
{
    private const int Piece = 16 << 10;

    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(100);

    private readonly Lock _gate = new();
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly CancellationTokenSource _stop = new();
    private readonly byte[] _output = new byte[Piece];
    private ConsolePort? _port;
    private Memory<byte> _unsent; // of what the guest wrote
    private TaskCompletionSource _exchanged = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _isConnected;

    /// <summary>Makes the socket, which this user alone may open.</summary>
    /// <param name="name">The port's name.</param>
    /// <param name="path">The socket's full path, where nothing is, or a socket that nobody listens at.</param>
    /// <exception cref="SocketException">It cannot be made.</exception>
    public PortSocket(string name, string path)
    {
        (Name, Path) = (name, path);
        try
        {
            // Before it has a name, so that nobody else can open it at any moment (unix(7)).
            _ = Syscall.fchmod((int)_listener.Handle, FilePermissions.S_IRUSR | FilePermissions.S_IWUSR);
            Bind();
            _listener.Listen(1);
        }
        catch
        {
            _listener.Dispose();
            throw;
        }

        _ = Task.Run(ServeAllAsync);
    }

    /// <summary>The port's name.</summary>
    public string Name { get; }

    /// <summary>The socket's path.</summary>
    public string Path { get; }

    /// <summary>Why a socket could not be made at a path; null: it could.</summary>
    public static string? WhyNot(string path)
    {
        string folder = System.IO.Path.GetDirectoryName(path) ?? "/";
        return !Directory.Exists(folder) ? $"no folder '{folder}'"
            : Syscall.access(folder, AccessModes.W_OK | AccessModes.X_OK) != 0 ? $"a folder '{folder}' that this user may not write to"
            : Syscall.lstat(path, out _) == 0 && !IsLeft(path) ? "something else there, or a socket that a program listens at"
            : null;
    }

    /// <summary>It as it is now.</summary>
    public GuestConsolePort Show() => new() { Name = Name, Path = Path, Open = Now().Port is { IsOpen: true }, Connected = _isConnected };

    /// <summary>A board of the guest has the port from now on.</summary>
    public void Attach(ConsolePort port)
    {
        TaskCompletionSource before;
        lock (_gate)
        {
            (_port, before, _exchanged) = (port, _exchanged, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        }

        before.SetResult();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stop.Cancel();
        _listener.Dispose();
        _ = Syscall.unlink(Path);
    }

    private void Bind()
    {
        UnixDomainSocketEndPoint place = new(Path);
        try
        {
            _listener.Bind(place);
        }
        catch (SocketException taken) when (taken.SocketErrorCode == SocketError.AddressAlreadyInUse && IsLeft(Path))
        {
            _ = Syscall.unlink(Path);
            _listener.Bind(place);
        }
    }

    /// <summary>Whether a process that was killed has left the socket.</summary>
    private static bool IsLeft(string path)
    {
        if (Syscall.lstat(path, out Stat stat) != 0 || (stat.st_mode & FilePermissions.S_IFMT) != FilePermissions.S_IFSOCK)
        {
            return false;
        }

        // Of another type, so that who listens there notices nothing: it is looked at after whether anybody has the socket.
        using Socket caller = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        try
        {
            caller.Connect(new UnixDomainSocketEndPoint(path));
            return false;
        }
        catch (SocketException none)
        {
            return none.SocketErrorCode == SocketError.ConnectionRefused;
        }
    }

    private async Task ServeAllAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                using Socket program = await _listener.AcceptAsync(_stop.Token).ConfigureAwait(false);
                _isConnected = true;
                await ServeAsync(program).ConfigureAwait(false);
            }
            catch (Exception failure) when (failure is SocketException or OperationCanceledException or ObjectDisposedException)
            {
                // Too many open files, for one; or it is over.
                await Task.Delay(s_pause, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            finally
            {
                _isConnected = false;
            }
        }
    }

    private async Task ServeAsync(Socket program)
    {
        using CancellationTokenSource over = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        Task input = ReceiveAsync(program, over.Token), output = SendAsync(program, over.Token);
        await Task.WhenAny(input, output).ConfigureAwait(false);
        await over.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(input, output).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>Gives the guest what the program writes, until that has closed its end.</summary>
    private async Task ReceiveAsync(Socket program, CancellationToken over)
    {
        byte[] bytes = new byte[Piece];
        while (await program.ReceiveAsync(bytes, over).ConfigureAwait(false) is > 0 and var count)
        {
            for (int done = 0; done < count;)
            {
                (ConsolePort? port, Task moved) = Now();
                int taken = port?.Write(bytes.AsSpan(done, count - done)) ?? 0;
                done += taken;
                if (taken == 0)
                {
                    await moved.WaitAsync(over).ConfigureAwait(false);
                }
            }
        }
    }

    /// <summary>
    /// Gives the program what the guest writes, until that is gone. What the guest wrote when it was, and nobody had noticed yet, is the
    /// next one's.
    /// </summary>
    private async Task SendAsync(Socket program, CancellationToken over)
    {
        while (true)
        {
            while (!_unsent.IsEmpty)
            {
                _unsent = _unsent[await program.SendAsync(_unsent, over).ConfigureAwait(false)..];
            }

            (ConsolePort? port, Task moved) = Now();
            _unsent = _output.AsMemory(0, port?.Read(_output) ?? 0);
            if (_unsent.IsEmpty)
            {
                await moved.WaitAsync(over).ConfigureAwait(false);
            }
        }
    }

    /// <summary>
    /// The port, and what ends when something of it changes, or another takes its place: to be had before it is looked at.
    /// </summary>
    private (ConsolePort? Port, Task Moved) Now()
    {
        lock (_gate)
        {
            return (_port, _port is { IsClosed: false } ? _port.Changed : _exchanged.Task);
        }
    }
}
