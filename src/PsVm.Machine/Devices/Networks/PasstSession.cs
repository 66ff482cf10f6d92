using System.Buffers;
using System.Buffers.Binary;
using System.Net;
using System.Runtime.InteropServices;
using PsVm.Memory.Native;

namespace PsVm.Machine.Devices.Networks;

/// <summary>
/// A connection with one process of passt's: frames on a stream, each after its length in four bytes. It has what came of a frame, or was
/// sent of one, so far. Safe from any thread.
/// </summary>
/// <remarks>
/// passt drops what its end of the connection has no room for, and sends it again a second or two later. So what it sends is taken at once
/// and waits here for the guest, as far as there is room: a few windows of TCP.
/// </remarks>
internal sealed class PasstSession : IDisposable
{
    private const int PrefixSize = sizeof(uint), EthernetSize = 14;
    private const int MostFrame = INetworkBackend.MostPacket - INetworkBackend.HeaderSize;
    private const int UsualRoom = 128 << 10, MostRoom = 4 << 20;
    private const int MostAtOnce = 256 << 10; // under the gate

    private readonly Lock _receiveGate = new(), _sendGate = new();
    private readonly StreamSocket _socket;
    private readonly Readiness _readiness;
    private readonly Action _ready;
    private readonly Action<string> _lost;
    private readonly IPAddress? _resolver;
    private readonly byte[] _usual = new byte[UsualRoom];
    private byte[] _received; // it, or a larger one while it takes that
    private readonly byte[] _unsent = new byte[PrefixSize + MostFrame]; // of the last frame
    private int _receivedStart, _receivedEnd;
    private int _unsentStart, _unsentEnd;
    private bool _isHungry = true; // who receives has found nothing
    private bool _isStuck; // there is no room to send, and somebody has something
    private int _isLost;

    /// <param name="socket">This end of the connection, its own from here on.</param>
    /// <param name="ready">Called when there may be a frame, or room, again.</param>
    /// <param name="lost">Called once, when the connection is of no use any more, with the reason; it is short.</param>
    /// <param name="resolver">The DNS server that a guest is told of whom passt tells of none; null: none.</param>
    /// <exception cref="IOException">The process has too many open files; the socket is disposed of.</exception>
    public PasstSession(StreamSocket socket, Action ready, Action<string> lost, IPAddress? resolver = null)
    {
        (_socket, _ready, _lost, _resolver, _received) = (socket, ready, lost, resolver, _usual);
        try
        {
            _readiness = new Readiness(socket.Handle, OnReady);
        }
        catch
        {
            socket.Dispose();
            throw;
        }

        _readiness.Arm(reads: true, writes: false);
    }

    /// <summary>It is of no use any more.</summary>
    public bool IsLost => Volatile.Read(ref _isLost) != 0;

    /// <summary>Sends a packet; one that makes no sense is dropped.</summary>
    /// <returns>False: there is no room now.</returns>
    public bool TrySend(ReadOnlySpan<byte> packet)
    {
        if (packet.Length is < INetworkBackend.HeaderSize + EthernetSize or > INetworkBackend.MostPacket)
        {
            return true;
        }

        PacketHeader header = PacketHeader.Read(packet);
        ReadOnlySpan<byte> frame = packet[INetworkBackend.HeaderSize..];
        (int place, ushort checksum) = (0, 0);
        bool isWhole = !header.HasUnfinishedChecksum;
        if ((!isWhole && !FrameOffloads.TryChecksum(header, frame, out place, out checksum))
            || (header.Kind & ~PacketHeader.Ecn) is not (PacketHeader.NoSegments or PacketHeader.Tcp4 or PacketHeader.Tcp6))
        {
            return true;
        }

        // passt takes a segment of TCP of any length.
        Span<byte> prefix = stackalloc byte[PrefixSize];
        BinaryPrimitives.WriteInt32BigEndian(prefix, frame.Length);
        return isWhole
            ? TrySend(prefix, frame, [], [])
            : TrySend(
                prefix, frame[..place], MemoryMarshal.AsBytes(new ReadOnlySpan<ushort>(in checksum)), frame[(place + sizeof(ushort))..]);
    }

    /// <summary>Receives a packet.</summary>
    /// <returns>Bytes of it; 0: there is none now.</returns>
    public int TryReceive(Span<byte> packet)
    {
        lock (_receiveGate)
        {
            while (true)
            {
                bool wasFull = !HasRoom;
                if (TryTake(packet, out int length))
                {
                    if (wasFull && HasRoom)
                    {
                        _readiness.Arm(reads: true, writes: false);
                    }

                    return length;
                }

                if (TryFill() == 0)
                {
                    _isHungry = true;
                    _readiness.Arm(reads: true, writes: false);
                    return 0;
                }
            }
        }
    }

    /// <summary>Gives the connection up.</summary>
    /// <param name="why">Why.</param>
    public void Lose(string why)
    {
        if (Interlocked.Exchange(ref _isLost, 1) == 0)
        {
            _readiness.Dispose();
            _socket.Cut();
            _lost(why);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _isLost = 1;
        _readiness.Dispose();
        _socket.Cut();
        _socket.Dispose();
        lock (_receiveGate)
        {
            (_receivedStart, _receivedEnd) = (0, 0);
            Shrink();
        }
    }

    private bool TrySend(ReadOnlySpan<byte> prefix, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, ReadOnlySpan<byte> third)
    {
        lock (_sendGate)
        {
            try
            {
                int sent = TrySendRest() ? _socket.TrySend(prefix, first, second, third) : 0;
                if (sent == 0)
                {
                    _isStuck = true;
                    _readiness.Arm(reads: false, writes: true);
                    return false;
                }

                KeepRest(prefix, ref sent);
                KeepRest(first, ref sent);
                KeepRest(second, ref sent);
                KeepRest(third, ref sent);
                if (_unsentEnd > 0)
                {
                    _readiness.Arm(reads: false, writes: true);
                }

                return true;
            }
            catch (Exception failure) when (failure is IOException or ObjectDisposedException)
            {
                Lose(failure.Message);
                return true;
            }
        }
    }

    private void KeepRest(ReadOnlySpan<byte> piece, ref int sent)
    {
        int done = Math.Min(sent, piece.Length);
        sent -= done;
        piece[done..].CopyTo(_unsent.AsSpan(_unsentEnd));
        _unsentEnd += piece.Length - done;
    }

    /// <summary>Sends what is left of the frame before.</summary>
    /// <returns>Nothing is left.</returns>
    private bool TrySendRest()
    {
        if (_unsentEnd > 0)
        {
            _unsentStart += _socket.TrySend(_unsent.AsSpan(_unsentStart.._unsentEnd), [], [], []);
            if (_unsentStart < _unsentEnd)
            {
                return false;
            }

            (_unsentStart, _unsentEnd) = (0, 0);
        }

        return true;
    }

    /// <summary>Takes a frame out of what was received.</summary>
    private bool TryTake(Span<byte> packet, out int length)
    {
        length = 0;
        ReadOnlySpan<byte> received = _received.AsSpan(_receivedStart.._receivedEnd);
        if (received.Length < PrefixSize)
        {
            return false;
        }

        uint size = BinaryPrimitives.ReadUInt32BigEndian(received);
        if (size is < EthernetSize or > MostFrame)
        {
            _receivedStart = _receivedEnd; // nothing behind it can be understood
            Lose($"it sent a frame of {size} bytes");
            return false;
        }

        if (received.Length < PrefixSize + (int)size)
        {
            return false;
        }

        // passt makes the frames in memory of this host, from what the host's kernel has checked: nothing could garble them on their way.
        new PacketHeader { Flags = PacketHeader.DataValid }.Write(packet);
        received.Slice(PrefixSize, (int)size).CopyTo(packet[INetworkBackend.HeaderSize..]);
        _receivedStart += PrefixSize + (int)size;
        length = INetworkBackend.HeaderSize + (int)size;
        length = _resolver is null ? length : DhcpAnswer.AddServer(packet, length, _resolver);
        return true;
    }

    private bool HasRoom => _receivedEnd - _receivedStart <= MostRoom - MostAtOnce;

    /// <summary>Receives more, where there is room for it.</summary>
    /// <returns>Bytes that came; 0: there are none now.</returns>
    private int TryFill()
    {
        if (IsLost || !HasRoom)
        {
            return 0;
        }

        MakeRoom();
        try
        {
            int count = _socket.TryReceive(_received.AsSpan(_receivedEnd, Math.Min(MostAtOnce, _received.Length - _receivedEnd)));
            _receivedEnd += count;
            return count;
        }
        catch (Exception failure) when (failure is IOException or ObjectDisposedException)
        {
            Lose(failure.Message);
            return 0;
        }
    }

    private void MakeRoom()
    {
        Span<byte> left = _received.AsSpan(_receivedStart.._receivedEnd);
        if (left.IsEmpty)
        {
            (_receivedStart, _receivedEnd) = (0, 0);
            Shrink();
        }
        else if (_received.Length - _receivedEnd < UsualRoom / 2)
        {
            byte[] before = _received;
            if (left.Length > before.Length / 2 && before.Length < MostRoom)
            {
                _received = ArrayPool<byte>.Shared.Rent(2 * before.Length);
            }

            left.CopyTo(_received);
            (_receivedStart, _receivedEnd) = (0, left.Length);
            if (before != _received)
            {
                Return(before);
            }
        }
    }

    private void Shrink()
    {
        Return(_received);
        _received = _usual;
    }

    private void Return(byte[] buffer)
    {
        if (buffer != _usual)
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private void OnReady()
    {
        bool tells = TrySendWhatWaits() | TakeWhatCame();
        if (tells)
        {
            _ready();
        }
    }

    /// <returns>There is room for who had none.</returns>
    private bool TrySendWhatWaits()
    {
        lock (_sendGate)
        {
            try
            {
                if (!TrySendRest())
                {
                    _readiness.Arm(reads: false, writes: true);
                    return false;
                }
            }
            catch (Exception failure) when (failure is IOException or ObjectDisposedException)
            {
                Lose(failure.Message);
            }

            bool wasStuck = _isStuck;
            _isStuck = false;
            return wasStuck;
        }
    }

    /// <returns>There is something for who found nothing.</returns>
    private bool TakeWhatCame()
    {
        bool tells = false;
        while (true)
        {
            lock (_receiveGate)
            {
                int count = TryFill();
                tells |= _isHungry && (count > 0 || IsLost);
                _isHungry &= !tells;
                if (count == 0)
                {
                    if (HasRoom)
                    {
                        _readiness.Arm(reads: true, writes: false);
                    }

                    return tells;
                }
            }
        }
    }
}
