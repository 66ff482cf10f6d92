using System.Globalization;
using Mono.Unix.Native;
using PsVm.Memory.Native;

namespace PsVm.Machine.Devices.Networks;

/// <summary>
/// A TAP device of the host that is there already, and is taken again where it was removed and made anew. What a guest leaves to others is
/// left to the host's kernel. Safe from any thread.
/// </summary>
internal sealed class TapNetwork : INetworkBackend
{
    private const int LongestName = 15; // IFNAMSIZ
    private const int IsTap = 2, HasSeveralQueues = 0x100; // IFF_TAP, IFF_MULTI_QUEUE
    private const int IsUp = 1; // IFF_UP

    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(500);

    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly string _name, _device;
    private volatile Attached? _attached; // null: the device has gone
    private volatile string? _fault;
    private volatile Action? _ready;
    private int _restarts;

    /// <summary>Takes a device.</summary>
    /// <param name="name">The adapter's name, for messages.</param>
    /// <param name="device">The device's.</param>
    /// <exception cref="GuestException">It cannot be had.</exception>
    public TapNetwork(string name, string device)
    {
        (_name, _device) = (name, device);
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

    /// <summary>Looks whether there is such a device, and takes nothing.</summary>
    /// <param name="name">The adapter's name, for messages.</param>
    /// <param name="device">The device's.</param>
    /// <exception cref="GuestException">There is not.</exception>
    public static void Check(string name, string device) => _ = Look(name, device);

    /// <inheritdoc/>
    public bool TrySend(ReadOnlySpan<byte> packet)
    {
        if (_fault is not null || _attached is not { } attached)
        {
            return true;
        }

        switch (TryWrite(attached.Tap, packet))
        {
            case Errno.EAGAIN:
                attached.Readiness.Arm(reads: false, writes: true);
                return false;
            case Errno.EBADFD or Errno.ENODEV or Errno.EBADF:
                Go(attached);
                return true;
            case Errno.EIO:
                GoDown(attached);
                return true;
            default:
                return true; // it is sent, or the kernel says that it makes no sense
        }
    }

    /// <inheritdoc/>
    public int TryReceive(Span<byte> packet)
    {
        while (_attached is { } attached)
        {
            Errno error;
            int count;
            try
            {
                error = attached.Tap.TryRead(packet, out count);
            }
            catch (ObjectDisposedException)
            {
                return 0;
            }

            if (error == 0)
            {
                return count;
            }

            if (error == Errno.EAGAIN)
            {
                attached.Readiness.Arm(reads: true, writes: false);
                return 0;
            }

            if (error != Errno.EINTR)
            {
                Go(attached);
            }
        }

        return 0;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stop.Cancel();
        lock (_gate)
        {
            _ready = null;
            _attached?.Dispose();
            _attached = null;
        }
    }

    private static string PathOf(string device, string file) => $"/sys/class/net/{device}/{file}";

    /// <summary>Finds a device, and how it was made.</summary>
    private static int Look(string name, string device)
    {
        bool isName = device.Length is > 0 and <= LongestName && device is not ("." or "..")
            && device.All(letter => letter is > ' ' and < '\x7f' and not ('/' or ':' or '%'));
        if (!isName)
        {
            throw new GuestException(
                GuestErrorIds.TapInvalid,
                $"Network adapter '{name}': expected the name of a TAP device, of 1 to {LongestName} characters, found "
                    + $"'{VisibleText.Of(device)}'.",
                name,
                "Give the name that 'ip tuntap' shows.");
        }

        if (!Directory.Exists($"/sys/class/net/{device}"))
        {
            throw new GuestException(
                GuestErrorIds.TapNotFound,
                $"Network adapter '{name}': expected a TAP device '{device}' on this host, found none.",
                device,
                $"Make it first, as root: ip tuntap add dev {device} mode tap user {Environment.UserName} && ip link set {device} up.");
        }

        int flags = Number(PathOf(device, "tun_flags"));
        return (flags & IsTap) != 0 ? flags : throw new GuestException(
            GuestErrorIds.TapInvalid,
            $"Network adapter '{name}': expected a TAP device, found '{device}', which is "
                + $"{(flags == 0 ? "another kind of device" : "a TUN device")}.",
            device,
            "Give a device that was made with 'mode tap'; it may be a port of a bridge.");
    }

    private static GuestException Refusal(string name, string device, Errno error)
    {
        (string id, string found, string action) = error switch
        {
            Errno.EBUSY => (GuestErrorIds.TapInUse, "another process, or guest, has it", "Give each guest a device of its own."),
            Errno.EPERM or Errno.EACCES => (
                GuestErrorIds.TapNotPermitted,
                "this user may not use it",
                $"Make it for this user, as root: ip tuntap add dev {device} mode tap user {Environment.UserName}; and let it open "
                    + $"{TapDescriptor.Clone}."),
            Errno.ENOENT or Errno.ENXIO => (
                GuestErrorIds.TapNotPermitted, $"this host has no {TapDescriptor.Clone}", "Load the kernel's module: modprobe tun."),
            Errno.EMFILE or Errno.ENFILE => (
                GuestErrorIds.NetworkProgramFailed, "there are too many open files", "See to the limit of open files (ulimit -n)."),
            _ => (
                GuestErrorIds.TapInvalid,
                $"the kernel says {error} ({Stdlib.strerror(error)})",
                "Make it with 'ip tuntap add mode tap', without further options."),
        };
        return new GuestException(id, $"Network adapter '{name}': expected to have TAP device '{device}', but {found}.", device, action);
    }

    private static int Number(string path)
    {
        try
        {
            string text = File.ReadAllText(path).Trim();
            return text.StartsWith("0x", StringComparison.Ordinal)
                && int.TryParse(text.AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out int number) ? number : 0;
        }
        catch (Exception missing) when (missing is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }

    /// <summary>Takes the device, which is there.</summary>
    /// <exception cref="GuestException">It cannot be had.</exception>
    private void Begin()
    {
        int flags = Look(_name, _device);
        Errno error = TapDescriptor.TryOpen(_device, (flags & HasSeveralQueues) != 0, out TapDescriptor? tap);
        if (error != 0)
        {
            throw Refusal(_name, _device, error);
        }

        Attached attached;
        try
        {
            attached = new Attached(tap!, new Readiness(tap!.Handle, OnReady));
        }
        catch (IOException failure)
        {
            tap!.Dispose();
            throw new GuestException(
                GuestErrorIds.NetworkProgramFailed,
                $"Network adapter '{_name}': expected to wait for TAP device '{_device}', but {failure.Message}.", _name,
                "See to the limit of open files (ulimit -n).", failure);
        }

        lock (_gate)
        {
            if (_stop.IsCancellationRequested)
            {
                attached.Dispose();
                return;
            }

            (_attached, _fault) = (attached, null);
        }

        attached.Readiness.Arm(reads: true, writes: false);
        if ((Number(PathOf(_device, "flags")) & IsUp) == 0)
        {
            GoDown(attached);
        }
    }

    /// <summary>Takes the device again as soon as it is there again and can be had.</summary>
    private async Task BeginAgainAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            await Task.Delay(s_look, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            try
            {
                if (!_stop.IsCancellationRequested && Directory.Exists(PathOf(_device, string.Empty)))
                {
                    Begin();
                    Interlocked.Increment(ref _restarts);
                    _ready?.Invoke();
                    return;
                }
            }
            catch (GuestException refused)
            {
                SetFault($"TAP device '{_device}' has gone, and cannot be had again: {refused.Message.TrimEnd('.')}");
            }
        }
    }

    private static Errno TryWrite(TapDescriptor tap, ReadOnlySpan<byte> packet)
    {
        try
        {
            return tap.TryWrite(packet);
        }
        catch (ObjectDisposedException)
        {
            return Errno.EBADF;
        }
    }

    /// <summary>A device that is down takes nothing, and has no room until it is up.</summary>
    private void GoDown(Attached attached)
    {
        SetFault($"TAP device '{_device}' is down: ip link set {_device} up");
        attached.Readiness.Arm(reads: false, writes: true);
    }

    private void Go(Attached attached)
    {
        lock (_gate)
        {
            if (_attached != attached)
            {
                return;
            }

            _attached = null;
        }

        attached.Dispose();
        SetFault($"TAP device '{_device}' has gone");
        _ = BeginAgainAsync();
    }

    private void SetFault(string? fault)
    {
        bool isOther = _fault != fault;
        _fault = fault;
        if (isOther)
        {
            ThreadPool.UnsafeQueueUserWorkItem(_ => _ready?.Invoke(), null); // who sends or receives has locks
        }
    }

    private void OnReady()
    {
        if (_attached is not null)
        {
            _fault = null; // where it is not up, the next packet tells
        }

        _ready?.Invoke();
    }

    /// <summary>A device that is open.</summary>
    private sealed class Attached(TapDescriptor tap, Readiness readiness) : IDisposable
    {
        public TapDescriptor Tap => tap;

        public Readiness Readiness => readiness;

        public void Dispose()
        {
            readiness.Dispose();
            tap.Dispose();
        }
    }
}
