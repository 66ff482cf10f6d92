using System.Net.Sockets;
using System.Text;
using PsVm.Machine.Devices.Virtio;

namespace PsVm.Machine.Devices;

/// <summary>
/// The sockets of a guest's named ports: one for each that it was given, or that its template's guest was. They are there as long as one of
/// its lives has them. Safe from any thread.
/// </summary>
/// <param name="wanted">What was asked for.</param>
internal sealed class PortSockets(IReadOnlyList<GuestConsolePortOptions> wanted) : IDisposable
{
    private const int LongestPath = 107; // of a socket: unix(7)
    private const string AnotherPath = "Name a path for it where nothing is, in a folder that this user may write to.";

    private readonly Lock _gate = new();
    private readonly List<PortSocket> _sockets = [];
    private SocketFolder? _folder;
    private int _lives = 1;

    /// <summary>Checks what is asked for, as far as that can be known without making a socket.</summary>
    /// <exception cref="GuestException">A name is none, or twice, or the agent's; there are too many; or a path is too long.</exception>
    public static void Check(IReadOnlyList<GuestConsolePortOptions> wanted, string? guest)
    {
        const int most = ConsolePorts.Most - 1; // one is the agent's
        string? found = wanted.Count > most ? $"{wanted.Count} ports"
            : wanted.FirstOrDefault(port => !ConsolePorts.IsName(port.Name)) is { } none ? $"'{VisibleText.Of(none.Name)}'"
            : wanted.Any(port => port.Name == ConsolePorts.Agent) ? $"that of the agent, '{ConsolePorts.Agent}'"
            : wanted.FirstOrDefault(port => wanted.Count(other => other.Name == port.Name) > 1) is { } twice ? $"'{twice.Name}' twice"
            : null;
        if (found is not null)
        {
            throw new GuestException(
                GuestErrorIds.ConsolePortNameInvalid,
                $"Expected at most {most} ports with names of 1 to {ConsolePorts.MostNameLength} letters, digits, '-', '.' and '_', each "
                    + $"once, found {found}.",
                guest,
                "Give other names, such as com.example.0.");
        }

        if (wanted.FirstOrDefault(port => port.Path is not null && Encoding.UTF8.GetByteCount(port.Path) > LongestPath) is { } tooLong)
        {
            throw Unavailable(
                tooLong.Name,
                tooLong.Path!,
                $"a path of more than {LongestPath} bytes",
                "Name a socket in a folder with a shorter path.",
                null);
        }
    }

    /// <summary>Finds out whether the sockets that are asked for could be made, and makes none.</summary>
    /// <param name="wanted">What was asked for.</param>
    /// <param name="has">The names of the ports that the board has.</param>
    /// <param name="guest">The guest's name, for errors.</param>
    /// <exception cref="GuestException">One that was asked for is not there, or a socket could not be made.</exception>
    public static void CheckMake(IReadOnlyList<GuestConsolePortOptions> wanted, IReadOnlyList<string> has, string? guest)
    {
        CheckHas(wanted, has, guest);
        foreach (GuestConsolePortOptions port in wanted)
        {
            if (port.Path is { } path
                && (wanted.First(one => one.Path == path) != port ? "it given for two ports" : PortSocket.WhyNot(path)) is { } why)
            {
                throw Unavailable(port.Name, path, why, AnotherPath, null);
            }
        }
    }

    /// <summary>A board's ports are the guest's from now on; those that have no socket get one.</summary>
    /// <param name="ports">The ports; null: the board has none.</param>
    /// <param name="guest">The guest's name, for errors.</param>
    /// <exception cref="GuestException">One that was asked for is not there, or a socket cannot be made.</exception>
    public void Connect(ConsolePorts? ports, string guest)
    {
        lock (_gate)
        {
            IReadOnlyList<ConsolePort> all = [.. (ports?.All ?? []).Where(port => port.Name != ConsolePorts.Agent)];
            CheckHas(wanted, [.. all.Select(port => port.Name)], guest);
            foreach (ConsolePort port in all)
            {
                PortSocket? socket = _sockets.Find(socket => socket.Name == port.Name);
                if (socket is null)
                {
                    _sockets.Add(socket = Make(port.Name));
                }

                socket.Attach(port);
            }
        }
    }

    /// <summary>They as they are now.</summary>
    public IReadOnlyList<GuestConsolePort> Show()
    {
        lock (_gate)
        {
            return [.. _sockets.Select(socket => socket.Show())];
        }
    }

    /// <summary>Another life of the guest has them, too.</summary>
    public PortSockets Share()
    {
        lock (_gate)
        {
            _lives++;
        }

        return this;
    }

    /// <summary>A life lets go of them.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (--_lives > 0)
            {
                return;
            }

            _sockets.ForEach(socket => socket.Dispose());
            _folder?.Dispose();
        }
    }

    /// <summary>Whether a machine has a device for ports.</summary>
    public static bool AreOf(IEnumerable<DeviceKind> devices) => devices.Contains(VirtioConsole.Kind);

    private static void CheckHas(IReadOnlyList<GuestConsolePortOptions> wanted, IReadOnlyList<string> has, string? guest)
    {
        if (wanted.FirstOrDefault(asked => !has.Contains(asked.Name)) is { } missing)
        {
            throw new GuestException(
                GuestErrorIds.ConsolePortMismatch,
                $"Expected the ports that the guest of the template had ({Listed(has)}), found '{missing.Name}' asked for.",
                guest,
                "Leave it out: a clone has the ports of its template, each with a socket of its own.");
        }
    }

    private static string Listed(IReadOnlyList<string> names) => names.Count == 0 ? "none" : string.Join(", ", names);

    private PortSocket Make(string name)
    {
        string path = wanted.FirstOrDefault(port => port.Name == name)?.Path ?? string.Empty;
        try
        {
            if (path.Length == 0)
            {
                _folder ??= SocketFolder.Make();
                path = Path.Combine(_folder.Path, name);
            }

            return new PortSocket(name, path);
        }
        catch (Exception failure) when (failure is SocketException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw Unavailable(name, path, failure.Message.TrimEnd('.'), AnotherPath, failure);
        }
    }

    private static GuestException Unavailable(string name, string path, string found, string action, Exception? cause) => new(
        GuestErrorIds.ConsolePortUnavailable,
        $"Expected to make the socket '{path}' of port '{name}', found: {found}.",
        path,
        action,
        cause);
}
