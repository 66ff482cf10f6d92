using System.Buffers.Binary;
using System.Runtime.InteropServices;
using PsVm.Memory.Native;

namespace PsVm.Machine.Devices.Networks;

/// <summary>
/// A connection with one process of passt's: frames on a stream, each after its length in four bytes. It has what came of a frame, or was sent of
/// one, so far. Safe from any thread.
/// </summary>
internal sealed class PasstSession : IDisposable
{
    private const int PrefixSize = sizeof(uint), EthernetSize = 14;
    private const int MostFrame = INetworkBackend.MostPacket - INetworkBackend.HeaderSize;
    private const int ReceiveRoom = 128 << 10;

    private readonly Lock _receiveGate = new(), _sendGate = new();
    private readonly StreamSocket _socket;
    private readonly Readiness _readiness;
    private readonly Action _ready;
    private readonly Action<string> _lost;
    private readonly byte[] _received = new byte[ReceiveRoom];
    private readonly byte[] _unsent = new byte[PrefixSize + MostFrame]; // of the last frame
    private int _receivedStart, _receivedEnd;
    private int _unsentStart, _unsentEnd;
    private int _isLost;

    /// <param name="socket">This end of the connection, its own from here on.</param>
    /// <param name="ready">Called when there may be a frame, or room, again.</param>
    /// <param name="lost">Called once, when the connection is of no use any more, with the reason; it is short.</param>
    /// <exception cref="IOException">The process has too many open files; the socket is disposed of.</exception>
    public PasstSession(StreamSocket socket, Action ready, Action<string> lost)
    {
        (_socket, _ready, _lost) = (socket, ready, lost);
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
            : TrySend(prefix, frame[..place], MemoryMarshal.AsBytes(new ReadOnlySpan<ushort>(in checksum)), frame[(place + sizeof(ushort))..]);
    }

    /// <summary>Receives a packet.</summary>
    /// <returns>Bytes of it; 0: there is none now.</returns>
    public int TryReceive(Span<byte> packet)
    {
        lock (_receiveGate)
        {
            while (true)
            {
                if (TryTake(packet, out int length))
                {
                    return length;
                }

                if (!TryFill())
                {
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
        return true;
    }

    /// <summary>Receives more.</summary>
    /// <returns>False: there is none now.</returns>
    private bool TryFill()
    {
        Span<byte> left = _received.AsSpan(_receivedStart.._receivedEnd);
        left.CopyTo(_received);
        (_receivedStart, _receivedEnd) = (0, left.Length);
        try
        {
            int count = !IsLost ? _socket.TryReceive(_received.AsSpan(_receivedEnd)) : 0;
            _receivedEnd += count;
            if (count == 0)
            {
                _readiness.Arm(reads: true, writes: false);
            }

            return count > 0;
        }
        catch (Exception failure) when (failure is IOException or ObjectDisposedException)
        {
            Lose(failure.Message);
            return false;
        }
    }

    private void OnReady()
    {
        lock (_sendGate)
        {
            try
            {
                if (!TrySendRest())
                {
                    _readiness.Arm(reads: false, writes: true);
                }
            }
            catch (Exception failure) when (failure is IOException or ObjectDisposedException)
            {
                Lose(failure.Message);
            }
        }

        _ready();
    }
}
