using System.Globalization;
using Mono.Unix.Native;
using PsVm.Memory.Native;

namespace PsVm.Machine.Devices.Networks;

/// <summary>A TAP device of the host that is there already. What a guest leaves to others is left to the host's kernel. Safe from any thread.</summary>
internal sealed class TapNetwork : INetworkBackend
{
    private const int LongestName = 15; // IFNAMSIZ
    private const int IsTap = 2, HasSeveralQueues = 0x100; // IFF_TAP, IFF_MULTI_QUEUE
    private const int IsUp = 1; // IFF_UP

    private readonly string _device;
    private readonly TapDescriptor _tap;
    private readonly Readiness _readiness;
    private volatile string? _fault;
    private volatile bool _isGone;
    private volatile Action? _ready;

    /// <summary>Takes a device.</summary>
    /// <param name="name">The adapter's name, for messages.</param>
    /// <param name="device">The device's.</param>
    /// <exception cref="GuestException">It cannot be had.</exception>
    public TapNetwork(string name, string device)
    {
        int flags = Look(name, device);
        Errno error = TapDescriptor.TryOpen(device, (flags & HasSeveralQueues) != 0, out TapDescriptor? tap);
        if (error != 0)
        {
            throw Refusal(name, device, error);
        }

        (_device, _tap) = (device, tap!);
        try
        {
            _readiness = new Readiness(_tap.Handle, OnReady);
        }
        catch (IOException failure)
        {
            _tap.Dispose();
            throw new GuestException(
                GuestErrorIds.NetworkProgramFailed, $"Network adapter '{name}': expected to wait for TAP device '{device}', but {failure.Message}.", name,
                "See to the limit of open files (ulimit -n).", failure);
        }

        _readiness.Arm(reads: true, writes: false);
        if ((Number(PathOf(device, "flags")) & IsUp) == 0)
        {
            GoDown();
        }
    }

    /// <inheritdoc/>
    public Action? Ready
    {
        set => _ready = value;
    }

    /// <inheritdoc/>
    public string? Fault => _fault;

    /// <summary>Looks whether there is such a device, and takes nothing.</summary>
    /// <param name="name">The adapter's name, for messages.</param>
    /// <param name="device">The device's.</param>
    /// <exception cref="GuestException">There is not.</exception>
    public static void Check(string name, string device) => _ = Look(name, device);

    /// <inheritdoc/>
    public bool TrySend(ReadOnlySpan<byte> packet)
    {
        if (_fault is not null)
        {
            return true;
        }

        switch (TryWrite(packet))
        {
            case Errno.EAGAIN:
                _readiness.Arm(reads: false, writes: true);
                return false;
            case Errno.EBADFD or Errno.ENODEV or Errno.EBADF:
                Go();
                return true;
            case Errno.EIO:
                GoDown();
                return true;
            default:
                return true; // it is sent, or the kernel says that it makes no sense
        }
    }

    /// <inheritdoc/>
    public int TryReceive(Span<byte> packet)
    {
        while (!_isGone)
        {
            Errno error;
            int count;
            try
            {
                error = _tap.TryRead(packet, out count);
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
                _readiness.Arm(reads: true, writes: false);
                return 0;
            }

            if (error != Errno.EINTR)
            {
                Go();
            }
        }

        return 0;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        (_isGone, _ready) = (true, null);
        _readiness.Dispose();
        _tap.Dispose();
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
                $"Network adapter '{name}': expected the name of a TAP device, of 1 to {LongestName} characters, found '{VisibleText.Of(device)}'.",
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
            $"Network adapter '{name}': expected a TAP device, found '{device}', which is {(flags == 0 ? "another kind of device" : "a TUN device")}.",
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
                $"Make it for this user, as root: ip tuntap add dev {device} mode tap user {Environment.UserName}; and let it open {TapDescriptor.Clone}."),
            Errno.ENOENT or Errno.ENXIO => (
                GuestErrorIds.TapNotPermitted, $"this host has no {TapDescriptor.Clone}", "Load the kernel's module: modprobe tun."),
            Errno.EMFILE or Errno.ENFILE => (
                GuestErrorIds.NetworkProgramFailed, "there are too many open files", "See to the limit of open files (ulimit -n)."),
            _ => (GuestErrorIds.TapInvalid, $"the kernel says {error} ({Stdlib.strerror(error)})", "Make it with 'ip tuntap add mode tap', without further options."),
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

    private Errno TryWrite(ReadOnlySpan<byte> packet)
    {
        try
        {
            return _tap.TryWrite(packet);
        }
        catch (ObjectDisposedException)
        {
            return Errno.EBADF;
        }
    }

    /// <summary>A device that is down takes nothing, and has no room until it is up.</summary>
    private void GoDown()
    {
        SetFault($"TAP device '{_device}' is down: ip link set {_device} up");
        _readiness.Arm(reads: false, writes: true);
    }

    private void Go()
    {
        if (!_isGone)
        {
            _isGone = true;
            _readiness.Dispose();
            SetFault($"TAP device '{_device}' has gone");
        }
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
        if (!_isGone)
        {
            _fault = null; // where it is not up, the next packet tells
        }

        _ready?.Invoke();
    }
}
