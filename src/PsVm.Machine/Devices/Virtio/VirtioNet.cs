using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using PsVm.Machine.Devices.Networks;
using PsVm.Machine.State;
using PsVm.Memory.Native;

namespace PsVm.Machine.Devices.Virtio;

/// <summary>
/// A network adapter. It is the same whatever its frames go to (<see cref="INetworkBackend"/>), so that a template starts with any; what
/// its driver leaves to others goes on to them, and what the driver does not take is done for it.
/// </summary>
/// <remarks>
/// <para>
/// A packet may need several of the driver's buffers. They are held until there are enough, and given back at once; while the guest is held
/// they are in the ring. A packet that came when the guest was checkpointed is not in the template, as one that is lost on its way.
/// </para>
/// <para>
/// The address is the host's to say: a driver may set it to that, and to no other. A clone's driver goes on with that of the template until
/// somebody in the guest sets it, and it is announced then.
/// </para>
/// <para>Source: VIRTIO 1.2, section 5.1.</para>
/// </remarks>
internal sealed class VirtioNet : IVirtioDevice, IDisposable
{
    private const ulong ChecksumFeature = 1 << 0, GuestChecksumFeature = 1 << 1, MtuFeature = 1 << 3, AddressFeature = 1 << 5,
        GuestTcp4Feature = 1 << 7,
        GuestTcp6Feature = 1 << 8, GuestEcnFeature = 1 << 9, HostTcp4Feature = 1 << 11, HostTcp6Feature = 1 << 12, HostEcnFeature = 1 << 13,
        MergeFeature = 1 << 15, StatusFeature = 1 << 16, ControlFeature = 1 << 17, ControlModesFeature = 1 << 18, AnnounceFeature = 1 << 21,
        ControlAddressFeature = 1 << 23;

    private const int Incoming = 0, Outgoing = 1, Control = 2;
    private const int QueueSize = 256, ControlSize = 64;
    private const ushort LinkUp = 1, Announce = 2;
    private const byte Ok = 0, Error = 1;
    private const byte ModesClass = 0, AddressClass = 1, AnnounceClass = 3;
    private const byte TableSet = 0, AddressSet = 1, AnnounceAcknowledged = 0;
    private const byte LastMode = 5; // no broadcasts
    private const int MostStale = 4096; // packets that came before the driver

    // How often a driver announces itself to a back end that is there again. Linux tells of itself before it lets its link be up, so the
    // first is lost where it had seen the link go. QEMU has five rounds, too.
    private const int Rounds = 5;
    private static readonly TimeSpan s_roundPause = TimeSpan.FromMilliseconds(100);

    private readonly VirtioPort _port;
    private readonly NetworkAdapter _adapter;
    private readonly ReceivedPackets _received = new();
    private readonly List<(VirtioChain Chain, uint Written)> _held = []; // for the packet that comes next
    private readonly Lock _gate = new(); // of these
    private readonly bool[] _isBringing = new bool[2];
    private ulong _room; // in those that are held
    private Task _bringing = Task.CompletedTask;
    private ulong _features;
    private ulong _driverAddress;
    private uint _mtu;
    private bool _announces; // the driver is to tell others of its address
    private bool _wasUp;
    private int _restarts; // of the back end that the driver has announced itself to
    private int _rounds; // of announcements that are to follow the next
    private volatile bool _waits; // the back end has no room
    private volatile bool _isDisposed;

    /// <param name="port">Its transport.</param>
    /// <param name="adapter">The adapter that it shows.</param>
    public VirtioNet(VirtioPort port, NetworkAdapter adapter)
    {
        (_port, _adapter) = (port, adapter);
        (_driverAddress, _mtu, _wasUp) = (adapter.Address.Value, (uint)adapter.Mtu, adapter.IsConnected);
    }

    public uint DeviceId => 1;

    public ulong Features =>
        ChecksumFeature | GuestChecksumFeature | MtuFeature | AddressFeature | GuestTcp4Feature | GuestTcp6Feature | GuestEcnFeature
        | HostTcp4Feature | HostTcp6Feature | HostEcnFeature | MergeFeature | StatusFeature | ControlFeature | ControlModesFeature
        | AnnounceFeature | ControlAddressFeature;

    public IReadOnlyList<int> QueueSizes { get; } = [QueueSize, QueueSize, ControlSize];

    public int ConfigSize => 12;

    private ReceiveOffloads Offloads => new(
        Has(GuestChecksumFeature), Has(GuestTcp4Feature), Has(GuestTcp6Feature), Has(GuestEcnFeature));

    public void ReadConfig(Span<byte> config)
    {
        _adapter.Address.Write(config);
        int status = (_adapter.IsConnected ? LinkUp : 0) | (_announces && Has(AnnounceFeature) ? Announce : 0);
        BinaryPrimitives.WriteUInt16LittleEndian(config[6..], (ushort)status);
        BinaryPrimitives.WriteUInt16LittleEndian(config[8..], 1); // pairs of queues
        BinaryPrimitives.WriteUInt16LittleEndian(config[10..], (ushort)_mtu);
    }

    public void Activate(ulong features)
    {
        _features = features;
        _waits = false;
        _adapter.DriverAddress = new MacAddress(_driverAddress);
        if (_adapter.Backend is { } backend)
        {
            backend.Ready = OnReady;
            if (!TryDropStale(backend))
            {
                _port.Kick(Incoming);
            }
        }

        if (_announces || _wasUp != _adapter.IsConnected)
        {
            _wasUp = _adapter.IsConnected;
            _port.NotifyConfigChanged();
        }
    }

    public bool Accepts(int queue) => queue switch
    {
        Incoming => !Volatile.Read(ref _isBringing[Incoming]) && _adapter.Backend is { } backend
            && _received.TryHave(backend, Offloads, _adapter.CountReceivedDropped),
        Outgoing => !_waits && !Volatile.Read(ref _isBringing[Outgoing]),
        _ => true,
    };

    public void Handle(int queue, VirtioChain chain)
    {
        switch (queue)
        {
            case Incoming:
                Receive(chain);
                break;
            case Outgoing:
                Send(chain);
                break;
            default:
                Obey(chain);
                break;
        }
    }

    public void Reset()
    {
        lock (_gate)
        {
            Forget();
        }

        _received.Dispose();
        (_features, _waits, _announces, _rounds) = (0, false, false, 0);
        _driverAddress = _adapter.Address.Value; // which a driver that begins reads
    }

    public void Drain(CancellationToken cancellation)
    {
        Task bringing;
        VirtioChain[] held;
        lock (_gate)
        {
            bringing = _bringing;
            held = TakeHeld();
        }

        PutBack(held); // for which the transport's gate is needed
        bringing.Wait(cancellation);
    }

    public void Transfer(StateStream state)
    {
        state.Transfer(ref _mtu);
        state.Transfer(ref _driverAddress);
        state.Transfer(ref _announces);
        if (state.IsReading)
        {
            if (_mtu != _adapter.Mtu || new MacAddress(_driverAddress) is not { IsGroup: false, Value: < 1ul << 48 })
            {
                throw new InvalidDataException(
                    $"an adapter with an MTU of {_mtu} and the address {_driverAddress:x}, expected one with {_adapter.Mtu}");
            }

            _announces |= _driverAddress == _adapter.Address.Value;
            _wasUp = true; // what the driver saw is unknown, so it is told where that is not so
        }
    }

    public void Dispose()
    {
        _isDisposed = true;
        _received.Dispose();
    }

    private bool Has(ulong feature) => (_features & feature) != 0;

    /// <summary>The back end has something, or room, or is there again, or gone; on a thread that has no gate.</summary>
    private void OnReady()
    {
        bool waited = _waits;
        _waits = false;
        _adapter.TellOfFault();
        bool isUp = _adapter.IsConnected;
        int restarts = _adapter.Backend?.Restarts ?? 0;
        if (_wasUp != isUp || _restarts != restarts)
        {
            (_wasUp, _restarts) = (isUp, restarts);
            _announces |= isUp;
            Volatile.Write(ref _rounds, isUp ? Rounds - 1 : 0);
            _port.NotifyConfigChanged();
        }

        _port.KickHere(Incoming);
        if (waited)
        {
            _port.KickHere(Outgoing);
        }
    }

    /// <summary>What came before there was a driver is nothing that it has asked for.</summary>
    /// <returns>There is nothing any more: the back end tells of what comes next.</returns>
    private static bool TryDropStale(INetworkBackend backend)
    {
        byte[] packet = ArrayPool<byte>.Shared.Rent(INetworkBackend.MostPacket);
        bool isEmpty = false;
        for (int i = 0; i < MostStale && !isEmpty; i++)
        {
            isEmpty = backend.TryReceive(packet.AsSpan(0, INetworkBackend.MostPacket)) == 0;
        }

        ArrayPool<byte>.Shared.Return(packet);
        return isEmpty;
    }

    private void Receive(VirtioChain chain)
    {
        lock (_gate)
        {
            if (_held is [var (first, _), ..] && first.Life != chain.Life)
            {
                Forget();
            }

            if (chain.WritableLength == 0 || (_held.Count == 0 && chain.WritableLength < INetworkBackend.HeaderSize))
            {
                _port.Break(
                    $"expected a buffer to receive into, of {INetworkBackend.HeaderSize} bytes at least, found {chain.WritableLength}");
                return;
            }

            Span<byte> packet = _received.Current;
            if (packet.IsEmpty || !TryHave(Incoming, chain))
            {
                _port.PutBack(chain);
                return;
            }

            _room += chain.WritableLength;
            _held.Add((chain, 0));
            if (_room >= (uint)packet.Length)
            {
                Deliver(packet);
            }
            else if (!Has(MergeFeature) || _held.Count >= chain.Queue.Size)
            {
                // The one that it may take, or all that the driver can give, has no room for it; it has for others.
                PutBack(TakeHeld());
                _received.Next();
                _adapter.CountReceivedDropped();
            }
        }
    }

    private void Deliver(Span<byte> packet)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(packet[10..], (ushort)_held.Count);
        int done = 0;
        for (int i = 0; i < _held.Count; i++)
        {
            VirtioChain chain = _held[i].Chain;
            int count = (int)Math.Min(chain.WritableLength, (uint)(packet.Length - done));
            chain.Write(0, packet.Slice(done, count));
            _held[i] = (chain, (uint)count);
            done += count;
        }

        _held[^1].Chain.Charge(packet.Length); // which was copied once more, and what is in the others
        _port.Complete(CollectionsMarshal.AsSpan(_held));
        _adapter.CountReceived(packet.Length - INetworkBackend.HeaderSize);
        Forget();
        _received.Next();
    }

    private void Send(VirtioChain chain)
    {
        if (chain.ReadableLength > INetworkBackend.MostPacket || _adapter.Backend is not { Fault: null } backend)
        {
            _adapter.CountSentDropped();
            _port.Complete(chain, 0);
            return;
        }

        if (!TryHave(Outgoing, chain))
        {
            _port.PutBack(chain);
            return;
        }

        int length = (int)chain.ReadableLength;
        byte[] buffer = ArrayPool<byte>.Shared.Rent(Math.Max(1, length));
        Span<byte> packet = buffer.AsSpan(0, length);
        chain.Read(0, packet);
        bool isSent = SentPacket.TryClean(packet, Has(ChecksumFeature), Has(HostTcp4Feature), Has(HostTcp6Feature));
        if (isSent)
        {
            _waits = true; // before it is tried: room may come, and be told of, at once
            if (!backend.TrySend(packet))
            {
                ArrayPool<byte>.Shared.Return(buffer);
                _port.PutBack(chain);
                return;
            }

            _waits = false;
            _adapter.CountSent(length - INetworkBackend.HeaderSize);
        }
        else
        {
            _adapter.CountSentDropped();
        }

        ArrayPool<byte>.Shared.Return(buffer);
        _port.Complete(chain, 0);
    }

    /// <summary>Does what the driver says by a command; what makes no sense is answered with an error.</summary>
    private void Obey(VirtioChain chain)
    {
        Span<byte> command = stackalloc byte[2 + MacAddress.Size];
        int length = chain.Read(0, command);
        if (length < 2 || chain.WritableLength < 1)
        {
            _port.Break(
                $"expected a command of 2 bytes at least and a byte for its answer, found {chain.ReadableLength} "
                    + $"and {chain.WritableLength}");
            return;
        }

        byte answer = (command[0], command[1]) switch
        {
            (ModesClass, <= LastMode) => Ok, // filters are the driver's: it gets what is for its address or for several
            (AddressClass, TableSet) => Ok,
            (AddressClass, AddressSet) when length == command.Length => SetAddress(MacAddress.Read(command[2..])),
            (AnnounceClass, AnnounceAcknowledged) => HasAnnounced(),
            _ => Error,
        };
        chain.Write(0, [answer]);
        _port.Complete(chain, 1);
    }

    private byte SetAddress(MacAddress address)
    {
        if (address != _adapter.Address)
        {
            return Error;
        }

        if (_driverAddress != address.Value)
        {
            _driverAddress = address.Value;
            _adapter.DriverAddress = address;
            _announces = true;
            _port.NotifyConfigChanged();
        }

        return Ok;
    }

    private byte HasAnnounced()
    {
        _announces = false;
        if (_rounds > 0)
        {
            _rounds--;
            _ = AnnounceLaterAsync();
        }

        return Ok;
    }

    /// <summary>Has the driver announce itself once more, a moment later.</summary>
    private async Task AnnounceLaterAsync()
    {
        await Task.Delay(s_roundPause).ConfigureAwait(false);
        if (!_isDisposed && _adapter.IsConnected && Has(AnnounceFeature))
        {
            _announces = true;
            _port.NotifyConfigChanged();
        }
    }

    /// <summary>Whether a buffer's RAM is there; else it is brought, and the queue looked at again then.</summary>
    private bool TryHave(int queue, VirtioChain chain)
    {
        if (chain.TryHave())
        {
            return true;
        }

        lock (_gate)
        {
            Volatile.Write(ref _isBringing[queue], true);
            Task bring = Task.Run(() =>
            {
                TimeSpan began = KernelCalls.ThreadCpuTime;
                chain.Bring();
                _port.Charge(KernelCalls.ThreadCpuTime - began);
                Volatile.Write(ref _isBringing[queue], false);
                _port.Kick(queue);
            });
            _bringing = _bringing.IsCompleted ? bring : Task.WhenAll(_bringing, bring);
        }

        return false;
    }

    private VirtioChain[] TakeHeld()
    {
        VirtioChain[] held = [.. _held.Select(one => one.Chain)];
        Forget();
        return held;
    }

    private void PutBack(VirtioChain[] held)
    {
        for (int i = held.Length - 1; i >= 0; i--)
        {
            _port.PutBack(held[i]);
        }
    }

    private void Forget()
    {
        _held.Clear();
        _room = 0;
    }
}
