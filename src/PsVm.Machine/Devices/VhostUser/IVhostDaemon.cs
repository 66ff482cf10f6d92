using System.Net.Sockets;

namespace PsVm.Machine.Devices.VhostUser;

/// <summary>Who does the work of a vhost-user device, as the front end reaches it. Safe from any thread.</summary>
internal interface IVhostDaemon : IDisposable
{
    /// <summary>What it is, for messages.</summary>
    string Name { get; }

    /// <summary>Its process, where this one started it and it runs.</summary>
    int? ProcessId { get; }

    /// <summary>Connects with it; one that is started by this process is started before.</summary>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="VhostException">It is not there.</exception>
    Socket Connect(CancellationToken stop);

    /// <summary>Ends it, where this process started it: when this returns it touches no memory of the guest. Else nothing.</summary>
    void End();
}

/// <summary>A daemon that somebody else has started, at its socket.</summary>
/// <param name="path">The socket.</param>
internal sealed class SocketDaemon(string path) : IVhostDaemon
{
    /// <inheritdoc/>
    public string Name => $"the daemon at '{path}'";

    /// <inheritdoc/>
    public int? ProcessId => null;

    /// <summary>Connects with a socket of a path.</summary>
    /// <exception cref="VhostException">Nobody is there.</exception>
    public static Socket Connect(string path)
    {
        Socket? socket = null;
        try
        {
            socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            socket.Blocking = false; // where too many wait already it fails, instead of waiting with them
            socket.Connect(new UnixDomainSocketEndPoint(path));
            return socket;
        }
        catch (Exception failure) when (failure is SocketException or ArgumentException)
        {
            socket?.Dispose();
            throw new VhostException($"nobody answers at '{path}': {failure.Message}", failure);
        }
    }

    /// <inheritdoc/>
    public Socket Connect(CancellationToken stop) => Connect(path);

    /// <inheritdoc/>
    public void End()
    {
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}
