using System.Buffers.Binary;
using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;
using PsVm.Machine.Devices.VhostUser;
using PsVm.Machine.Devices.Virtio;
using PsVm.Memory.Native;
using PsVm.Riscv.Tests;

namespace PsVm.Fuzz.Targets;

/// <summary>
/// Answers of a mad vhost-user daemon: each conversation is one that a sane daemon would have, altered in bytes, lengths, descriptors or
/// order, or cut off. The front end gets to its end, or says that the connection is of no use; it waits for nobody, and what it has got is
/// what the daemon said.
/// </summary>
internal sealed class VhostTarget : FuzzTarget
{
    private const ulong Features = (1ul << 32) | (1ul << 30) | (1 << 9);

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20); // nothing waits: what comes is there, or the end

    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly UnixDomainSocketEndPoint _place = new($"\0psvm-fuzz-{Guid.NewGuid():n}");
    private readonly SafeFileHandle _file = File.OpenHandle("/dev/null", FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
    private readonly VhostWires _wires = new(1);

    public VhostTarget()
    {
        _listener.Bind(_place);
        _listener.Listen();
    }

    public override void Run(Dice dice)
    {
        Socket client = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        client.Connect(_place);
        using DescriptorSocket daemon = new(_listener.Accept());
        ulong protocol = (1 << 0) | (1 << 9) | (dice.OneIn(2) ? 1u << 3 : 0) | (dice.OneIn(2) ? 1u << 12 : 0);
        bool isAltered = !dice.OneIn(4);
        int wrong = isAltered ? dice.Next(20) : -1;
        int number = 0;
        bool acknowledges = (protocol & (1 << 3)) != 0, notes = (protocol & (1 << 12)) != 0;
        byte[] config = new byte[60];
        BinaryPrimitives.WriteUInt64LittleEndian(config, dice.Bits());
        Say(VhostRequest.GetFeatures, BitConverter.GetBytes(Features | (dice.Bits() << 40)));
        Say(VhostRequest.GetProtocolFeatures, BitConverter.GetBytes(protocol));
        Acknowledge(VhostRequest.SetOwner);
        Say(VhostRequest.GetQueueCount, BitConverter.GetBytes(1ul));
        Say(VhostRequest.GetConfig, [0, 0, 0, 0, 60, 0, 0, 0, 0, 0, 0, 0, .. config]);
        Acknowledge(VhostRequest.SetFeatures);
        Acknowledge(VhostRequest.SetMemoryTable);
        if (notes)
        {
            Say(VhostRequest.GetInflight, [0, 16, .. new byte[22]], 1);
            Acknowledge(VhostRequest.SetInflight);
        }

        foreach (VhostRequest request in (ReadOnlySpan<VhostRequest>)
        [
            VhostRequest.SetQueueSize, VhostRequest.SetQueueBase, VhostRequest.SetQueueAddresses, VhostRequest.SetQueueCall,
            VhostRequest.SetQueueError,
            VhostRequest.SetQueueKick, VhostRequest.SetQueueEnabled,
        ])
        {
            Acknowledge(request);
        }

        ushort place = (ushort)dice.Bits();
        Say(VhostRequest.GetQueueBase, [0, 0, 0, 0, .. BitConverter.GetBytes((uint)place)]);
        daemon.CutWrites();
        Converse(new DescriptorSocket(client), config, place, isSane: !isAltered || wrong >= number);

        void Acknowledge(VhostRequest request)
        {
            if (acknowledges)
            {
                Say(request, new byte[8]);
            }
        }

        void Say(VhostRequest request, byte[] content, int descriptors = 0)
        {
            byte[] header = new byte[VhostChannel.HeaderSize];
            BinaryPrimitives.WriteUInt32LittleEndian(header, (uint)request);
            BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(4), 5);
            BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(8), content.Length);
            byte[] message = [.. header, .. content];
            if (number++ == wrong)
            {
                message = dice.OneIn(8) ? [] : Odd.Mutate(dice, message);
                descriptors = dice.OneIn(3) ? dice.Next(9) : descriptors;
            }

            if (message.Length > 0)
            {
                daemon.Send(message, [.. Enumerable.Repeat(_file, descriptors)], Environment.TickCount64 + 10_000);
            }
        }
    }

    public override void Dispose()
    {
        _listener.Dispose();
        _file.Dispose();
        _wires.Dispose();
    }

    private void Converse(DescriptorSocket socket, byte[] config, ushort place, bool isSane)
    {
        try
        {
            using VhostSession session = VhostSession.Open(socket, VhostTraits.Block with { QueueSizes = [8] }, () => s_patience);
            WrongException.ThrowIfNot(
                session.Config.Length == 60 && (session.Features & ~VhostTraits.Block.Features) == 0, "features that nobody knows");
            using VhostLife life = new(
                session.Features,
                [new VirtioQueuePlace(0, 8, 0x8000_0000, 0x8000_1000, 0x8000_2000)],
                [new VhostRegion(0x8000_0000, 1 << 20, _file, 0)],
                _wires);
            session.Begin(life, [3]);
            ushort[] bases = session.End(life.Queues);
            WrongException.ThrowIfNot(
                !isSane || (bases[0] == place && session.Config.AsSpan().SequenceEqual(config)), "something else than the daemon said");
        }
        catch (VhostException) when (!isSane)
        {
            // It was altered, and that was noticed.
        }
    }
}
