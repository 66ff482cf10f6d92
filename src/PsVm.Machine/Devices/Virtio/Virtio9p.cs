using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using PsVm.Machine.Devices.Folders;
using PsVm.Machine.State;
using PsVm.Memory.Native;

namespace PsVm.Machine.Devices.Virtio;

/// <summary>
/// A shared folder, by 9P2000.L. Requests are copied and answered on threads of the folder's, several at a time: a hart never waits for the
/// host's file system. What a message says is the server's matter, but for Tflush, which is answered once what it means has been.
/// </summary>
/// <remarks>
/// Source: VIRTIO 1.2, section 5.16 (device 9), and QEMU's hw/9pfs/virtio-9p.h for its configuration; 9P2000's intro(5) and flush(5).
/// </remarks>
internal sealed class Virtio9p : IVirtioDevice
{
    /// <summary>Requests that may be under way at a time.</summary>
    public const int MostInFlight = 64;

    /// <summary>Bytes that those and their answers may take, the last of them included or not: a pause waits for all of it.</summary>
    public const long MostBytesInFlight = 8 << 20;

    private const ulong MountTagFeature = 1 << 0;
    private const int QueueSize = 128, HeaderSize = P9.HeaderSize, ErrorSize = P9.ErrorSize, FlushSize = HeaderSize + 2;
    private const int PieceSize = 128 << 10; // of what is copied under the transport's gate

    private readonly Lock _gate = new(); // taken under the transport's, and never the other way round
    private readonly VirtioPort _port;
    private readonly SharedFolder _folder;
    private readonly byte[] _tag;
    private readonly Dictionary<ushort, Request> _byTag = []; // those under way; of a tag that is used twice, the last
    private int _inFlight;
    private long _bytesInFlight;
    private bool _forgets; // the folder's server is to forget what is open, once nothing is under way
    private bool _isFresh = true; // nothing was asked or restored, but the server may have what a life before had open
    private TaskCompletionSource? _whenIdle; // somebody waits for that

    /// <param name="port">Its transport.</param>
    /// <param name="folder">What it shows; whoever made it disposes of it.</param>
    public Virtio9p(VirtioPort port, SharedFolder folder)
    {
        (_port, _folder) = (port, folder);
        _tag = Encoding.ASCII.GetBytes(folder.Tag);
    }

    public uint DeviceId => 9;

    public ulong Features => MountTagFeature;

    public IReadOnlyList<int> QueueSizes { get; } = [QueueSize];

    public int ConfigSize => 2 + _tag.Length;

    private bool HasRoom => _inFlight < MostInFlight && _bytesInFlight < MostBytesInFlight && !_forgets;

    public void ReadConfig(Span<byte> config)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(config, (ushort)_tag.Length);
        _tag.CopyTo(config[2..]);
    }

    public void Activate(ulong features)
    {
        lock (_gate)
        {
            if (_isFresh)
            {
                Forget();
            }
        }
    }

    public bool Accepts(int queue)
    {
        lock (_gate)
        {
            return HasRoom;
        }
    }

    public void Handle(int queue, VirtioChain chain)
    {
        byte[] header = new byte[FlushSize];
        int count = chain.Read(0, header);
        uint size = BinaryPrimitives.ReadUInt32LittleEndian(header);
        if (count < HeaderSize || size < HeaderSize || size > chain.ReadableLength || chain.WritableLength < ErrorSize)
        {
            _port.Break($"expected a message of at least {HeaderSize} bytes and room for an answer of {ErrorSize}, found one of {size} in "
                + $"{chain.ReadableLength} bytes, and room for {chain.WritableLength}");
            return;
        }

        Request request = new(this, chain, header, (int)Math.Min(chain.WritableLength, (ulong)_folder.MostMessage));
        bool waits;
        lock (_gate)
        {
            _inFlight++;
            _bytesInFlight += request.Bytes;
            Request? other = request.FlushedTag is { } flushed ? _byTag.GetValueOrDefault(flushed) : null;
            waits = other is not null;
            other?.Waiting.Add(request);

            _byTag[request.Tag] = request;
        }

        if (request.FlushedTag is null)
        {
            _folder.Threads.Do(request);
        }
        else if (!waits)
        {
            Finish(request);
        }
    }

    public void Reset()
    {
        lock (_gate)
        {
            _byTag.Clear();
            Forget();
        }
    }

    public void Drain(CancellationToken cancellation)
    {
        Task idle;
        lock (_gate)
        {
            if (_inFlight == 0 && !_forgets)
            {
                return;
            }

            _whenIdle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            idle = _whenIdle.Task;
        }

        idle.Wait(cancellation); // what was begun takes as long as the host's file system does
    }

    public void Transfer(StateStream state)
    {
        _folder.Transfer(state);
        _isFresh &= !state.IsReading;
    }

    /// <summary>
    /// Has the server forget what is open, on a thread that may wait, when nothing is under way; nothing is begun until then. Under the
    /// gate.
    /// </summary>
    private void Forget()
    {
        _isFresh = false;
        if (!_forgets)
        {
            _forgets = true;
            if (_inFlight == 0)
            {
                _folder.Threads.Do(new Forgetting(this));
            }
        }
    }

    /// <summary>Ends requests that have been answered, with those that wait for them. Not under this device's gate.</summary>
    private void Finish(Request request)
    {
        Queue<Request> finished = new([request]);
        while (finished.TryDequeue(out Request? next))
        {
            if (next.FlushedTag is not null)
            {
                next.AnswerFlush();
            }

            Leave(next).ForEach(finished.Enqueue);
        }
    }

    /// <summary>Takes a request that was answered from those under way.</summary>
    /// <returns>Those that waited for its answer.</returns>
    private List<Request> Leave(Request request)
    {
        bool goesOn;
        TaskCompletionSource? whenIdle = null;
        lock (_gate)
        {
            bool hadRoom = HasRoom;
            _inFlight--;
            _bytesInFlight -= request.Bytes;
            if (_byTag.TryGetValue(request.Tag, out Request? last) && last == request)
            {
                _byTag.Remove(request.Tag);
            }

            goesOn = !hadRoom && HasRoom;
            if (_inFlight == 0 && _forgets)
            {
                _folder.Threads.Do(new Forgetting(this));
            }
            else if (_inFlight == 0)
            {
                (whenIdle, _whenIdle) = (_whenIdle, null);
            }
        }

        if (goesOn)
        {
            _port.Kick(0);
        }

        whenIdle?.SetResult(); // last of all: who waits for this may dispose of what is used above
        return request.Waiting; // it can be found by nobody any more
    }

    private void HasForgotten()
    {
        TaskCompletionSource? whenIdle;
        lock (_gate)
        {
            _forgets = false;
            (whenIdle, _whenIdle) = (_whenIdle, null);
        }

        _port.Kick(0);
        whenIdle?.SetResult();
    }

    /// <summary>Forgets what is open.</summary>
    private sealed class Forgetting(Virtio9p device) : IThreadPoolWorkItem
    {
        public void Execute()
        {
            TimeSpan began = KernelCalls.ThreadCpuTime;
            try
            {
                device._folder.Reset();
            }
            catch (Exception failure)
            {
                device._port.Break($"the device failed: {failure.Message}");
            }
            finally
            {
                device._port.Charge(KernelCalls.ThreadCpuTime - began);
                device.HasForgotten();
            }
        }
    }

    /// <summary>A request.</summary>
    /// <param name="device">The device.</param>
    /// <param name="chain">Its buffer.</param>
    /// <param name="header">How it begins, which was read once and counts.</param>
    /// <param name="room">Bytes that the answer may have.</param>
    private sealed class Request(Virtio9p device, VirtioChain chain, byte[] header, int room) : IThreadPoolWorkItem
    {
        private readonly uint _size = BinaryPrimitives.ReadUInt32LittleEndian(header);

        public ushort Tag { get; } = BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(5));

        /// <summary>The tag of the request that this one waits for; null: it is no Tflush.</summary>
        public ushort? FlushedTag => (P9Request)header[4] == P9Request.FlushRequest && _size == FlushSize
            ? BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(HeaderSize))
            : null;

        /// <summary>What it takes of the host's memory.</summary>
        public long Bytes => Math.Min(_size, device._folder.MostMessage) + room;

        /// <summary>Tflush that wait for its answer; under the device's gate, while it is under way.</summary>
        public List<Request> Waiting { get; } = [];

        public void AnswerFlush()
        {
            byte[] answer = new byte[HeaderSize];
            GiveBack(answer, Put(answer, HeaderSize, P9Request.FlushRequest + 1));
        }

        public void Execute()
        {
            TimeSpan began = KernelCalls.ThreadCpuTime;
            try
            {
                Do();
            }
            catch (Exception failure)
            {
                // A mistake of ours; the guest's driver sees a device that needs a reset.
                device._port.Break($"the device failed: {failure.Message}");
            }
            finally
            {
                device._port.Charge(KernelCalls.ThreadCpuTime - began);
                device.Finish(this);
            }
        }

        private void Do()
        {
            byte[] answer = ArrayPool<byte>.Shared.Rent(room);
            try
            {
                if (_size > device._folder.MostMessage)
                {
                    BinaryPrimitives.WriteUInt32LittleEndian(answer.AsSpan(HeaderSize), P9Error.MessageSize);
                    GiveBack(answer, Put(answer, ErrorSize, P9Request.ErrorAnswer));
                    return;
                }

                chain.Bring(); // what is not there of it comes before the transport's gate is taken: that is the harts', too
                byte[] request = ArrayPool<byte>.Shared.Rent((int)_size);
                try
                {
                    if (TryCopy(request))
                    {
                        GiveBack(answer, device._folder.Answer(request.AsSpan(0, (int)_size), answer.AsSpan(0, room)));
                    }
                }
                finally
                {
                    ArrayPool<byte>.Shared.Return(request);
                }
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(answer);
            }
        }

        /// <summary>Copies the message out of the guest's RAM, by pieces.</summary>
        /// <returns>False: the driver is gone.</returns>
        private bool TryCopy(byte[] to)
        {
            for (int done = 0; done < _size;)
            {
                int count = Math.Min((int)_size - done, PieceSize);
                if (!device._port.Use(chain, from => from.Read((ulong)done, to.AsSpan(done, count))))
                {
                    return false;
                }

                done += count;
            }

            header.AsSpan(0, Math.Min(header.Length, (int)_size)).CopyTo(to);
            return true;
        }

        private void GiveBack(byte[] answer, int length)
        {
            for (int done = 0; done < length; done += PieceSize)
            {
                int count = Math.Min(length - done, PieceSize);
                if (!device._port.Use(chain, to => to.Write((ulong)done, answer.AsSpan(done, count))))
                {
                    return;
                }
            }

            device._port.Complete(chain, (uint)length);
        }

        private int Put(byte[] answer, int length, P9Request type)
        {
            BinaryPrimitives.WriteInt32LittleEndian(answer, length);
            answer[4] = (byte)type;
            BinaryPrimitives.WriteUInt16LittleEndian(answer.AsSpan(5), Tag);
            return length;
        }
    }
}
