using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using PsVm.Machine.Devices.Disks;
using PsVm.Machine.State;
using PsVm.Memory.Files;
using PsVm.Memory.Native;

namespace PsVm.Machine.Devices.Virtio;

/// <summary>
/// A disk. What is in memory is read and written at once, on the thread of the hart that asks; all else on threads of the disk's, several
/// at a time: a hart never waits for the host's disk.
/// </summary>
/// <remarks>Source: VIRTIO 1.2, section 5.2.</remarks>
internal sealed class VirtioBlk : IVirtioDevice
{
    /// <summary>Requests that may be under way at a time.</summary>
    public const int MostInFlight = 64;

    /// <summary>Bytes that those may move, the last of them included or not: a pause waits for all of it.</summary>
    public const long MostBytesInFlight = 8 << 20;

    private const int MostAtOnce = 128 << 10; // of what a hart's thread copies for one request

    private const ulong SegmentSizeFeature = 1 << 1, SegmentsFeature = 1 << 2, ReadOnlyFeature = 1 << 5, BlockSizeFeature = 1 << 6,
        FlushFeature = 1 << 9, TopologyFeature = 1 << 10, DiscardFeature = 1 << 13, WriteZeroesFeature = 1 << 14;

    private const int QueueSize = 256, HeaderSize = 16, RangeSize = 16, NameSize = 20;
    private const int MostSegments = QueueSize - 2; // a request has a header and a status, too

    // A request that keeps to these has 15.9 MiB; that it takes no longer bounds what a pause waits for.
    private const uint MostSegmentSize = 64 << 10;
    private const ulong MostData = MostSegments * (ulong)MostSegmentSize;

    private const int MostRanges = 16;
    private const uint MostSectors = (64 << 20) / DiskFile.SectorSize; // of a range that is discarded or zeroed

    private const int PieceSize = 128 << 10;

    private const byte Ok = 0, IoError = 1, Unsupported = 2;

    private readonly Lock _gate = new();
    private readonly VirtioPort _port;
    private readonly Disk _disk;
    private readonly DiskThreads _threads;
    private int _inFlight;
    private long _bytesInFlight;
    private TaskCompletionSource? _whenIdle; // somebody waits for that
    private int _stale; // of these, those of a driver that is gone
    private int _life;
    private bool _writesThrough;

    /// <param name="port">Its transport.</param>
    /// <param name="disk">What it shows; whoever made it disposes of it.</param>
    public VirtioBlk(VirtioPort port, Disk disk) => (_port, _disk, _threads) = (port, disk, disk.Threads);

    /// <summary>What a request is to do (<c>virtio_blk_req.type</c>).</summary>
    private enum Kind : uint
    {
        Read = 0,
        Write = 1,
        Flush = 4,
        GetName = 8,
        Discard = 11,
        WriteZeroes = 13,
    }

    public uint DeviceId => 2;

    public ulong Features => SegmentSizeFeature | SegmentsFeature | BlockSizeFeature | FlushFeature | TopologyFeature
        | (_disk.IsReadOnly ? ReadOnlyFeature : DiscardFeature | WriteZeroesFeature);

    public IReadOnlyList<int> QueueSizes { get; } = [QueueSize];

    public int ConfigSize => 60;

    public void ReadConfig(Span<byte> config)
    {
        BinaryPrimitives.WriteInt64LittleEndian(config, _disk.Size / DiskFile.SectorSize);
        BinaryPrimitives.WriteUInt32LittleEndian(config[8..], MostSegmentSize);
        BinaryPrimitives.WriteUInt32LittleEndian(config[12..], MostSegments);
        BinaryPrimitives.WriteUInt32LittleEndian(config[20..], DiskFile.SectorSize);
        config[24] = 3; // eight sectors are a block of the host's, mostly
        BinaryPrimitives.WriteUInt16LittleEndian(config[26..], 1);
        BinaryPrimitives.WriteUInt16LittleEndian(config[34..], 1);
        BinaryPrimitives.WriteUInt32LittleEndian(config[36..], MostSectors);
        BinaryPrimitives.WriteUInt32LittleEndian(config[40..], MostRanges);
        BinaryPrimitives.WriteUInt32LittleEndian(config[44..], IDiskOverlay.BlockSize / DiskFile.SectorSize);
        BinaryPrimitives.WriteUInt32LittleEndian(config[48..], MostSectors);
        BinaryPrimitives.WriteUInt32LittleEndian(config[52..], MostRanges);
        config[56] = 1; // zeroed ranges may be given back
    }

    // Who does not know of flushes counts on what was written being written.
    public void Activate(ulong features) => _writesThrough = (features & FlushFeature) == 0;

    private bool HasRoom => _inFlight < MostInFlight && _bytesInFlight < MostBytesInFlight && _stale == 0;

    public bool Accepts(int queue)
    {
        lock (_gate)
        {
            return HasRoom;
        }
    }

    public void Handle(int queue, VirtioChain chain)
    {
        Span<byte> header = stackalloc byte[HeaderSize];
        if (chain.Read(0, header) < HeaderSize || chain.WritableLength < 1)
        {
            _port.Break($"expected a request with a header of {HeaderSize} bytes and a byte for its status, found "
                + $"{chain.ReadableLength} bytes and {chain.WritableLength}");
            return;
        }

        Request request = new(
            this,
            chain,
            (Kind)BinaryPrimitives.ReadUInt32LittleEndian(header),
            BinaryPrimitives.ReadUInt64LittleEndian(header[8..]),
            _life);
        if (request.TryAtOnce())
        {
            return;
        }

        lock (_gate)
        {
            _inFlight++;
            _bytesInFlight += request.Bytes;
        }

        _threads.Do(request);
    }

    public void Reset()
    {
        lock (_gate)
        {
            _stale = _inFlight;
            _life++;
        }
    }

    public void Drain(CancellationToken cancellation)
    {
        Task idle;
        lock (_gate)
        {
            if (_inFlight == 0)
            {
                return;
            }

            _whenIdle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            idle = _whenIdle.Task;
        }

        idle.Wait(cancellation); // what was begun takes as long as the host's disk does
    }

    public void Transfer(StateStream state) => _disk.Transfer(state);

    private void Finish(Request request, byte status, uint written)
    {
        Complete(request.Chain, status, written);
        bool goesOn;
        TaskCompletionSource? whenIdle = null;
        lock (_gate)
        {
            bool hadRoom = HasRoom;
            _inFlight--;
            _bytesInFlight -= request.Bytes;
            _stale -= request.Life != _life ? 1 : 0;
            goesOn = !hadRoom && HasRoom;
            if (_inFlight == 0)
            {
                (whenIdle, _whenIdle) = (_whenIdle, null);
            }
        }

        if (goesOn)
        {
            _port.Kick(0);
        }

        whenIdle?.SetResult(); // last of all: who waits for this may dispose of what is used above
    }

    private void Complete(VirtioChain chain, byte status, uint written)
    {
        _port.Use(chain, whole => whole.Write(whole.WritableLength - 1, [status]));
        _port.Complete(chain, written);
    }

    /// <summary>A request.</summary>
    private sealed class Request(VirtioBlk device, VirtioChain chain, Kind kind, ulong sector, int life) : IThreadPoolWorkItem
    {
        public VirtioChain Chain => chain;

        public int Life => life;

        /// <summary>What it moves; of one that asks for too much, nothing.</summary>
        public long Bytes =>
            Math.Max(chain.WritableLength, chain.ReadableLength) is var bytes && bytes <= MostData + HeaderSize ? (long)bytes : 0;

        private Disk Disk => device._disk;

        /// <summary>
        /// Does it on this thread, under the transport's gate, where that needs no wait: neither for the disk nor for the guest's RAM.
        /// </summary>
        public bool TryAtOnce()
        {
            ulong length = kind switch
            {
                Kind.Read => chain.WritableLength - 1,
                Kind.Write when !Disk.IsReadOnly => chain.ReadableLength - HeaderSize,
                _ => 0,
            };
            if (length is 0 or > MostAtOnce || !IsInside(length) || !chain.TryHave())
            {
                return false;
            }

            byte[] buffer = ArrayPool<byte>.Shared.Rent((int)length);
            try
            {
                Span<byte> bytes = buffer.AsSpan(0, (int)length);
                long offset = (long)sector * DiskFile.SectorSize;
                if (kind == Kind.Read ? !Disk.TryReadNow(offset, bytes) : chain.Read(HeaderSize, bytes) < bytes.Length
                    || !Disk.TryWriteNow(offset, bytes))
                {
                    return false;
                }

                uint written = kind == Kind.Read ? (uint)chain.Write(0, bytes) + 1 : 1;
                device.Complete(chain, Ok, written);
                return true;
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }

        public void Execute()
        {
            TimeSpan began = KernelCalls.ThreadCpuTime;
            (byte status, uint written) = (IoError, 0);
            try
            {
                (status, written) = Do();
            }
            catch (Exception failure)
            {
                // A mistake of ours; the guest sees an error, and goes on.
                device._port.Break($"the device failed: {failure.Message}");
            }
            finally
            {
                device._port.Charge(KernelCalls.ThreadCpuTime - began);
                device.Finish(this, status, written);
            }
        }

        private (byte Status, uint Written) Do()
        {
            chain.Bring(); // what is not there of it comes before the transport's gate is taken: that is the harts', too
            switch (kind)
            {
                case Kind.Read:
                    ulong wanted = chain.WritableLength - 1;
                    bool isRead = IsInside(wanted) && InPieces(wanted, ReadPiece);
                    return isRead ? (Ok, (uint)wanted + 1) : (IoError, 0);
                case Kind.Write:
                    ulong given = chain.ReadableLength - HeaderSize;
                    bool isWritten = !Disk.IsReadOnly && IsInside(given) && InPieces(given, WritePiece)
                        && (!device._writesThrough || Disk.TryFlush());
                    return (isWritten ? Ok : IoError, 1);
                case Kind.Flush:
                    return (Disk.TryFlush() ? Ok : IoError, 1);
                case Kind.GetName:
                    Span<byte> name = stackalloc byte[NameSize];
                    name.Clear();
                    Encoding.ASCII.GetBytes(Disk.Name.AsSpan(0, Math.Min(Disk.Name.Length, NameSize)), name);
                    byte[] copy = name.ToArray();
                    ulong room = Math.Min(NameSize, chain.WritableLength - 1);
                    device._port.Use(chain, to => to.Write(0, copy.AsSpan(0, (int)room)));
                    return (Ok, (uint)room + 1);
                case Kind.Discard or Kind.WriteZeroes:
                    return (Ranges(), 1);
                default:
                    return (Unsupported, 1);
            }
        }

        /// <summary>Whole sectors of the disk, and no more than a driver may ask for.</summary>
        private bool IsInside(ulong length) =>
            length % DiskFile.SectorSize == 0 && length <= MostData && IsInside(sector, length / DiskFile.SectorSize);

        private bool IsInside(ulong first, ulong sectors)
        {
            ulong all = (ulong)Disk.Size / DiskFile.SectorSize;
            return first <= all && sectors <= all - first;
        }

        /// <summary>Does something by pieces of a buffer of the host's: none of the guest's RAM is in the hands of a system call.</summary>
        private static bool InPieces(ulong length, Func<ulong, Memory<byte>, bool> piece)
        {
            byte[] buffer = ArrayPool<byte>.Shared.Rent((int)Math.Min(length, PieceSize));
            try
            {
                for (ulong done = 0; done < length;)
                {
                    int count = (int)Math.Min(length - done, (ulong)Math.Min(buffer.Length, PieceSize));
                    if (!piece(done, buffer.AsMemory(0, count)))
                    {
                        return false;
                    }

                    done += (uint)count;
                }

                return true;
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }

        private bool ReadPiece(ulong done, Memory<byte> buffer) =>
            Disk.TryRead((long)((sector * DiskFile.SectorSize) + done), buffer.Span)
                && device._port.Use(chain, to => to.Write(done, buffer.Span));

        private bool WritePiece(ulong done, Memory<byte> buffer) =>
            device._port.Use(chain, from => from.Read(HeaderSize + done, buffer.Span))
            && Disk.TryWrite((long)((sector * DiskFile.SectorSize) + done), buffer.Span);

        /// <summary>Discards ranges, or has them read zeros.</summary>
        private byte Ranges()
        {
            const uint giveBack = 1;
            ulong length = chain.ReadableLength - HeaderSize;
            if (Disk.IsReadOnly || length == 0 || length % RangeSize != 0 || length > MostRanges * RangeSize)
            {
                return IoError;
            }

            byte[] ranges = new byte[length];
            if (!device._port.Use(chain, from => from.Read(HeaderSize, ranges)))
            {
                return IoError;
            }

            for (int at = 0; at < ranges.Length; at += RangeSize)
            {
                ulong first = BinaryPrimitives.ReadUInt64LittleEndian(ranges.AsSpan(at));
                uint sectors = BinaryPrimitives.ReadUInt32LittleEndian(ranges.AsSpan(at + 8));
                uint flags = BinaryPrimitives.ReadUInt32LittleEndian(ranges.AsSpan(at + 12));
                if ((flags & ~giveBack) != 0 || (kind == Kind.Discard && flags != 0))
                {
                    return Unsupported;
                }

                if (sectors > MostSectors || !IsInside(first, sectors))
                {
                    return IoError;
                }

                (long offset, long bytes) = ((long)first * DiskFile.SectorSize, (long)sectors * DiskFile.SectorSize);
                bool isDone = bytes == 0
                    || (kind == Kind.Discard ? Disk.TryDiscard(offset, bytes) : Disk.TryZero(offset, bytes, (flags & giveBack) != 0));
                if (!isDone)
                {
                    return IoError;
                }
            }

            return Ok;
        }
    }
}
