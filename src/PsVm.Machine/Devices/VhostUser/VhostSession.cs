using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;
using PsVm.Machine.Devices.Virtio;
using PsVm.Memory.Native;

namespace PsVm.Machine.Devices.VhostUser;

/// <summary>
/// A connection with a daemon that does a device's work: what both agreed on, and the steps by which queues are handed over and taken back.
/// One thread at a time.
/// </summary>
/// <remarks>
/// What the daemon is told as "user addresses" are the guest's physical ones: all that they are for is to say where in the memory table a
/// ring is, and where this process has its memory is nobody else's matter. Source: QEMU, docs/interop/vhost-user.rst.
/// </remarks>
internal sealed class VhostSession : IDisposable
{
    /// <summary>The most ranges of memory that a daemon has to take.</summary>
    public const int MostRegions = 8;

    private const ulong ProtocolFeatures = 1ul << 30, Version1 = 1ul << 32;
    private const VhostProtocol Known =
        VhostProtocol.QueueCount | VhostProtocol.Acknowledge | VhostProtocol.Config | VhostProtocol.Inflight;
    private const int RegionSize = 32, InflightSize = 24, ConfigHeaderSize = 12;
    private const ulong MostInflight = 16 << 20;

    private readonly VhostChannel _channel;
    private readonly ulong _offered;
    private readonly VhostProtocol _protocol;

    private VhostSession(VhostChannel channel, ulong offered, VhostProtocol protocol) =>
        (_channel, _offered, _protocol) = (channel, offered, protocol);

    /// <summary>What the daemon can, of what is known of its kind of device.</summary>
    public ulong Features { get; private init; }

    /// <summary>The device's configuration space, as the daemon has it.</summary>
    public byte[] Config { get; private set; } = [];

    /// <summary>The connection, to be waited for.</summary>
    public DescriptorSocket Socket => _channel.Socket;

    /// <summary>Finds out what the daemon can, and agrees on the protocol.</summary>
    /// <param name="socket">The connection, the session's from here on.</param>
    /// <param name="traits">What is known of the kind of device.</param>
    /// <param name="patience">The longest that an answer may take now.</param>
    /// <exception cref="VhostException">The daemon cannot do what is needed, or makes no sense; the connection is closed.</exception>
    public static VhostSession Open(DescriptorSocket socket, VhostTraits traits, Func<TimeSpan> patience)
    {
        VhostChannel channel = new(socket, patience);
        try
        {
            ulong offered = channel.AskNumber(VhostRequest.GetFeatures);
            if ((offered & Version1) == 0)
            {
                throw new VhostException(
                    $"expected a daemon for devices of VIRTIO 1.0 or later, found one with the features 0x{offered:x}");
            }

            VhostProtocol protocol = VhostProtocol.None;
            if ((offered & ProtocolFeatures) != 0)
            {
                protocol = (VhostProtocol)channel.AskNumber(VhostRequest.GetProtocolFeatures) & Known;
                channel.TellNumber(VhostRequest.SetProtocolFeatures, (ulong)protocol);
                channel.Acknowledges = protocol.HasFlag(VhostProtocol.Acknowledge);
            }

            channel.Tell(VhostRequest.SetOwner, []);
            ulong wanted = (ulong)traits.QueueSizes.Count;
            ulong queues = protocol.HasFlag(VhostProtocol.QueueCount) ? channel.AskNumber(VhostRequest.GetQueueCount) : wanted;
            if (queues < wanted)
            {
                throw new VhostException($"expected a daemon for {traits.QueueSizes.Count} queues, found one for {queues}");
            }

            VhostSession session = new(channel, offered, protocol) { Features = offered & traits.Features };
            if (traits.ConfigSize > 0)
            {
                session.Config = session.ReadConfig(traits.ConfigSize);
            }

            return session;
        }
        catch
        {
            channel.Dispose();
            throw;
        }
    }

    /// <summary>Hands memory and queues over; the daemon works on them from then on.</summary>
    /// <param name="life">What is handed over. It gets what the daemon notes requests under way in.</param>
    /// <param name="bases">Which buffer of each queue is the next.</param>
    /// <exception cref="VhostException">The daemon refuses, makes no sense, or is gone.</exception>
    public void Begin(VhostLife life, ReadOnlySpan<ushort> bases)
    {
        if ((life.Features & ~_offered) != 0)
        {
            throw new VhostException($"expected the features that the guest's driver uses (0x{life.Features:x}), found 0x{_offered:x}");
        }

        _channel.TellNumber(VhostRequest.SetFeatures, life.Features | (_offered & ProtocolFeatures));
        TellMemory(life.Regions);
        if (_protocol.HasFlag(VhostProtocol.Inflight))
        {
            TellInflight(life);
        }

        for (int i = 0; i < life.Queues.Count; i++)
        {
            VirtioQueuePlace queue = life.Queues[i];
            TellState(VhostRequest.SetQueueSize, queue.Number, (uint)queue.Size);
            TellState(VhostRequest.SetQueueBase, queue.Number, bases[i]);
            TellAddresses(queue);
            TellEvent(VhostRequest.SetQueueCall, queue.Number, life.Wires.Calls[queue.Number]);
            TellEvent(VhostRequest.SetQueueError, queue.Number, life.Wires.Errors[queue.Number]);
            TellEvent(VhostRequest.SetQueueKick, queue.Number, life.Wires.Kicks[queue.Number]);
        }

        // Without protocol features a queue is enabled by its kick.
        for (int i = 0; i < life.Queues.Count && (_offered & ProtocolFeatures) != 0; i++)
        {
            TellState(VhostRequest.SetQueueEnabled, life.Queues[i].Number, 1);
        }
    }

    /// <summary>
    /// Takes queues back: when this returns the daemon has finished what it began, and touches neither them nor their buffers.
    /// </summary>
    /// <returns>Which buffer of each is the next.</returns>
    /// <exception cref="VhostException">The daemon makes no sense, does not answer, or is gone.</exception>
    public ushort[] End(IReadOnlyList<VirtioQueuePlace> queues)
    {
        ushort[] bases = new ushort[queues.Count];
        Span<byte> state = stackalloc byte[8];
        for (int i = 0; i < bases.Length; i++)
        {
            BinaryPrimitives.WriteInt32LittleEndian(state, queues[i].Number);
            BinaryPrimitives.WriteUInt32LittleEndian(state[4..], 0);
            _channel.Ask(VhostRequest.GetQueueBase, state, state);
            (uint number, uint next) =
                (BinaryPrimitives.ReadUInt32LittleEndian(state), BinaryPrimitives.ReadUInt32LittleEndian(state[4..]));
            bases[i] = number == (uint)queues[i].Number && next <= ushort.MaxValue
                ? (ushort)next
                : throw new VhostException($"expected where queue {queues[i].Number} is, found place {next} of queue {number}");
        }

        return bases;
    }

    /// <inheritdoc/>
    public void Dispose() => _channel.Dispose();

    private byte[] ReadConfig(int size)
    {
        if (!_protocol.HasFlag(VhostProtocol.Config))
        {
            throw new VhostException(
                "expected a daemon that tells the device's configuration (VHOST_USER_PROTOCOL_F_CONFIG), found one that does not");
        }

        byte[] asked = new byte[ConfigHeaderSize + size], answer = new byte[ConfigHeaderSize + size];
        BinaryPrimitives.WriteInt32LittleEndian(asked.AsSpan(4), size);
        _channel.Ask(VhostRequest.GetConfig, asked, answer);
        (uint offset, uint told) =
            (BinaryPrimitives.ReadUInt32LittleEndian(answer), BinaryPrimitives.ReadUInt32LittleEndian(answer.AsSpan(4)));
        return offset == 0 && told == (uint)size
            ? answer[ConfigHeaderSize..]
            : throw new VhostException($"expected {size} bytes of configuration, found {told}");
    }

    private void TellMemory(IReadOnlyList<VhostRegion> regions)
    {
        Span<byte> table = stackalloc byte[8 + (MostRegions * RegionSize)];
        table.Clear();
        BinaryPrimitives.WriteInt32LittleEndian(table, regions.Count);
        for (int i = 0; i < regions.Count; i++)
        {
            Span<byte> region = table.Slice(8 + (i * RegionSize), RegionSize);
            BinaryPrimitives.WriteUInt64LittleEndian(region, regions[i].Address);
            BinaryPrimitives.WriteUInt64LittleEndian(region[8..], regions[i].Size);
            BinaryPrimitives.WriteUInt64LittleEndian(region[16..], regions[i].Address);
            BinaryPrimitives.WriteUInt64LittleEndian(region[24..], regions[i].Offset);
        }

        _channel.Tell(VhostRequest.SetMemoryTable, table[..(8 + (regions.Count * RegionSize))], [.. regions.Select(region => region.File)]);
    }

    /// <summary>
    /// Has the daemon note what it has under way in memory that outlives it, so that the next one finishes it. This process keeps the
    /// descriptor and never looks inside.
    /// </summary>
    private void TellInflight(VhostLife life)
    {
        Span<byte> place = stackalloc byte[InflightSize];
        if (life.Inflight is null)
        {
            place.Clear();
            WriteInflight(place, (0, 0), life);
            SafeFileHandle file = _channel.AskForDescriptor(VhostRequest.GetInflight, place, place);
            ulong size = BinaryPrimitives.ReadUInt64LittleEndian(place), offset = BinaryPrimitives.ReadUInt64LittleEndian(place[8..]);
            if (size is 0 or > MostInflight || offset > MostInflight)
            {
                file.Dispose();
                throw new VhostException($"expected 1 byte to 16 MiB for requests under way, found {size} bytes at {offset}");
            }

            life.Inflight = (file, size, offset);
        }

        place.Clear();
        WriteInflight(place, (life.Inflight.Value.Size, life.Inflight.Value.Offset), life);
        _channel.Tell(VhostRequest.SetInflight, place, life.Inflight.Value.File);
    }

    private static void WriteInflight(Span<byte> place, (ulong Size, ulong Offset) memory, VhostLife life)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(place, memory.Size);
        BinaryPrimitives.WriteUInt64LittleEndian(place[8..], memory.Offset);
        BinaryPrimitives.WriteUInt16LittleEndian(place[16..], (ushort)life.Wires.Kicks.Count);
        BinaryPrimitives.WriteUInt16LittleEndian(place[18..], (ushort)life.Queues.Max(queue => queue.Size));
    }

    private void TellState(VhostRequest request, int queue, uint number)
    {
        Span<byte> content = stackalloc byte[8];
        BinaryPrimitives.WriteInt32LittleEndian(content, queue);
        BinaryPrimitives.WriteUInt32LittleEndian(content[4..], number);
        _channel.Tell(request, content);
    }

    private void TellAddresses(VirtioQueuePlace queue)
    {
        Span<byte> content = stackalloc byte[40];
        content.Clear();
        BinaryPrimitives.WriteInt32LittleEndian(content, queue.Number);
        BinaryPrimitives.WriteUInt64LittleEndian(content[8..], queue.Descriptors);
        BinaryPrimitives.WriteUInt64LittleEndian(content[16..], queue.Device);
        BinaryPrimitives.WriteUInt64LittleEndian(content[24..], queue.Driver);
        _channel.Tell(VhostRequest.SetQueueAddresses, content);
    }

    private void TellEvent(VhostRequest request, int queue, EventDescriptor happened)
    {
        Span<byte> content = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(content, (ulong)queue);
        _channel.Tell(request, content, happened.Handle);
    }
}
