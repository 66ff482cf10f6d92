using System.Diagnostics;
using System.Globalization;
using PsVm.Memory.Native;

namespace PsVm.Machine.Devices.Networks;

/// <summary>
/// The host's networks, by a process of passt's (passt.top): it makes what the guest sends into connections of the host's, as any user may.
/// It ends with this process, and is started anew when it ends before. Safe from any thread.
/// </summary>
/// <remarks>Starting it anew takes what connections there were; addresses, routes and forwards stay.</remarks>
internal sealed class PasstNetwork : INetworkBackend
{
    /// <summary>Bytes of the largest packet that passt is best with: few of them go a long way.</summary>
    public const int UsualMtu = 65520;

    private const string UsualProgram = "passt";

    private static readonly TimeSpan s_firstPause = TimeSpan.FromMilliseconds(10), s_longestPause = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_settled = TimeSpan.FromSeconds(10), s_patience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(2), s_lastWords = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly string _name, _program;
    private readonly int _mtu;
    private readonly IReadOnlyList<PortForward> _forwards;
    private readonly Func<string, string?>? _files;
    private volatile PasstSession? _session;
    private ChildProgram? _child;
    private long _beganAt;
    private int _restarts;
    private TimeSpan _pause = s_firstPause;
    private volatile string? _fault;
    private volatile Action? _ready;

    /// <summary>Starts passt.</summary>
    /// <param name="name">The adapter's name, for messages.</param>
    /// <param name="mtu">Most bytes of a packet of IP, which the guest is told.</param>
    /// <param name="forwards">Ports of the host that lead to the guest's.</param>
    /// <param name="program">passt, by its name or path.</param>
    /// <param name="files">Gives the text of a file that says which DNS servers there are; null: the host's.</param>
    /// <exception cref="GuestException">It cannot be had.</exception>
    public PasstNetwork(
        string name, int mtu, IReadOnlyList<PortForward> forwards, string program = UsualProgram, Func<string, string?>? files = null)
    {
        (_name, _mtu, _forwards, _program, _files) = (name, mtu, forwards, program, files);
        Begin();
    }

    /// <inheritdoc/>
    public Action? Ready
    {
        set => _ready = value;
    }

    /// <inheritdoc/>
    public string? Fault => _fault;

    /// <inheritdoc/>
    public int Restarts => Volatile.Read(ref _restarts);

    /// <summary>Its process, while it runs.</summary>
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

    /// <summary>Looks whether it could be started now, and starts nothing.</summary>
    /// <param name="name">The adapter's name, for messages.</param>
    /// <param name="forwards">Ports of the host that are to lead to the guest's.</param>
    /// <exception cref="GuestException">It could not.</exception>
    public static void Check(string name, IReadOnlyList<PortForward> forwards)
    {
        _ = Find(name, UsualProgram);
        CheckPorts(name, forwards);
    }

    /// <inheritdoc/>
    public bool TrySend(ReadOnlySpan<byte> packet) => _session?.TrySend(packet) ?? true;

    /// <inheritdoc/>
    public int TryReceive(Span<byte> packet) => _session?.TryReceive(packet) ?? 0;

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            _stop.Cancel();
            _ready = null;
            End();
        }
    }

    private static string Find(string name, string program) => ChildProgram.Find([program]) ?? throw new GuestException(
        GuestErrorIds.NetworkProgramMissing,
        $"Network adapter '{name}': expected the program '{program}', found none.",
        name,
        "Install it (apt install passt), or give another back end, such as Hub.");

    private static void CheckPorts(string name, IReadOnlyList<PortForward> forwards)
    {
        foreach (PortForward forward in forwards)
        {
            if (forward.WhyNot() is { } why)
            {
                throw new GuestException(
                    GuestErrorIds.NetworkPortUnavailable,
                    $"Network adapter '{name}': expected to have {forward.ToHost()} for the guest's port {forward.GuestPort}, but {why}.",
                    forward.ToHost(),
                    "Forward another port of the host, 1024 or above, or end what has it.");
            }
        }
    }

    /// <summary>
    /// Its arguments. A guest never gets at what listens on the host's loopback addresses, which passt would let it by the gateway's.
    /// </summary>
    private string[] Arguments(int descriptor, ResolverPlan resolvers)
    {
        string[] of(bool isUdp) => [.. _forwards.Where(forward => forward.IsUdp == isUdp).SelectMany(forward =>
            (string[])[isUdp ? "--udp-ports" : "--tcp-ports", forward.ToPasst()])];
        string[] udp = of(isUdp: true);
        return
        [
            "--fd", descriptor.ToString(CultureInfo.InvariantCulture), "--foreground", "--quiet", "--no-map-gw",
            "--mtu", _mtu.ToString(CultureInfo.InvariantCulture), .. of(isUdp: false), .. udp.Length == 0 ? ["--udp-ports", "none"] : udp,
            .. resolvers.Arguments,
        ];
    }

    /// <summary>Starts passt, connects with it, and waits until it has the ports: whether it can be had is known then.</summary>
    private void Begin()
    {
        string program = Find(_name, _program);
        ResolverPlan resolvers = HostResolvers.Plan(_files);
        ChildProgram? child = null;
        PasstSession? session = null;
        try
        {
            (StreamSocket ours, StreamSocket its) = StreamSocket.Pair();
            using (its)
            {
                PasstSession? begun = null;
                begun = session = new PasstSession(ours, () => _ready?.Invoke(), why => Lost(begun!, why), resolvers.Offered);
                child = ChildProgram.Start(
                    program, Arguments((int)its.Handle.DangerousGetHandle(), resolvers), its.Handle, () => begun.Lose("it has ended"));
            }

            WaitUntilItHasBegun(child);
            lock (_gate)
            {
                _stop.Token.ThrowIfCancellationRequested();
                (_session, _child, _beganAt, _fault) = (session, child, Stopwatch.GetTimestamp(), null);
            }

            if (session.IsLost)
            {
                Lost(session, "it has ended"); // nobody had it when that was told
            }
        }
        catch (Exception failure)
        {
            session?.Dispose();
            child?.End();
            if (failure is IOException)
            {
                throw new GuestException(
                    GuestErrorIds.NetworkProgramFailed, $"Network adapter '{_name}': expected to start '{program}', but {failure.Message}.",
                    _name,
                    "See to the limits of open files and processes (ulimit -n, -u).", failure);
            }

            throw;
        }
    }

    private void WaitUntilItHasBegun(ChildProgram child)
    {
        for (long began = Stopwatch.GetTimestamp(); !HasBegun(child.Id) && Stopwatch.GetElapsedTime(began) < s_patience;)
        {
            if (child.HowEnded(s_look) is { } how)
            {
                CheckPorts(_name, _forwards);
                throw new GuestException(
                    GuestErrorIds.NetworkProgramFailed,
                    $"Network adapter '{_name}': expected passt to run, but it {how}{LastOf(child)}.",
                    _name,
                    "It needs a network with a default route on the host; see to what it says.");
            }
        }
    }

    /// <summary>Whether it has the ports: the last that it does before it works is to give up most system calls.</summary>
    private static bool HasBegun(int? process)
    {
        try
        {
            return process is { } id && File.ReadAllText($"/proc/{id}/status").Contains("Seccomp:\t2", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false; // it has ended
        }
    }

    // It tells the system's log, and says so where there is none; and what it always says to root.
    private static string LastOf(ChildProgram child) =>
        child.Said.LastOrDefault(line => !line.EndsWith("to syslog", StringComparison.Ordinal)
            && !line.StartsWith("Don't run as root", StringComparison.Ordinal)) is { } said ? $": {said.TrimEnd('.')}" : "";

    private void Lost(PasstSession session, string why) => ThreadPool.UnsafeQueueUserWorkItem(_ => OnLost(session, why), null);

    private void OnLost(PasstSession session, string why)
    {
        lock (_gate)
        {
            if (_session != session || _stop.IsCancellationRequested)
            {
                return; // it never was the one, and whoever began it knows
            }

            why = _child?.HowEnded(s_lastWords) is { } how ? $"it {how}{LastOf(_child)}" : why;
            _fault = $"passt has gone ({why}); it is started anew";
            _pause = Stopwatch.GetElapsedTime(_beganAt) > s_settled ? s_firstPause
                : _pause * 2 > s_longestPause ? s_longestPause
                : _pause * 2;
            End();
        }

        _ready?.Invoke();
        _ = BeginAgainAsync();
    }

    private async Task BeginAgainAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                await Task.Delay(_pause, _stop.Token).ConfigureAwait(false);
                Begin();
                Interlocked.Increment(ref _restarts);
                _ready?.Invoke();
                return;
            }
            catch (GuestException failure)
            {
                _fault = $"passt has gone, and cannot be started anew: {failure.Message}";
                _pause = _pause * 2 > s_longestPause ? s_longestPause : _pause * 2;
            }
            catch (Exception ended) when (ended is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
        }
    }

    private void End()
    {
        PasstSession? session = _session;
        _session = null;
        session?.Dispose();
        _child?.End();
        _child = null;
    }
}
