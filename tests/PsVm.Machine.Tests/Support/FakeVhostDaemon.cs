using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;
using PsVm.Machine.Devices.VhostUser;
using PsVm.Memory.Native;

namespace PsVm.Machine.Tests.Support;

/// <summary>
/// The other end of vhost-user, in this process: answers as a daemon would, or as a test wants it to, and keeps what it was told.
/// </summary>
internal sealed class FakeVhostDaemon : IVhostDaemon
{
    public const ulong Version1 = 1ul << 32, ProtocolFeatures = 1ul << 30, Flush = 1 << 9;

    private readonly string _name;
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly ConcurrentQueue<Message> _told = new();
    private volatile DescriptorSocket? _connection;

    /// <param name="path">Where it listens; null: where only who has it finds it.</param>
    public FakeVhostDaemon(string? path = null)
    {
        _name = path ?? $"\0psvm-test-{Guid.NewGuid():n}";
        _listener.Bind(new UnixDomainSocketEndPoint(_name));
        _listener.Listen();
        new Thread(Serve) { IsBackground = true }.Start();
    }

    public string Name => "the daemon of the test";

    public int? ProcessId => null;

    public ulong Features { get; set; } = Version1 | ProtocolFeatures | Flush | (1ul << 29) | (1ul << 34) | (1ul << 11);

    public ulong Protocol { get; set; } = (1 << 0) | (1 << 3) | (1 << 9) | (1 << 12) | (1 << 5);

    public byte[] Config { get; set; } = [.. Enumerable.Range(0, 60).Select(value => (byte)value)];

    /// <summary>Where queues are when they are taken back.</summary>
    public ushort Base { get; set; }

    /// <summary>Answers in another way; null: as it would.</summary>
    public Func<Message, Answer?>? Instead { get; set; }

    /// <summary>How often somebody connected.</summary>
    public int Connections { get; private set; }

    /// <summary>How often it was to end.</summary>
    public int Ends { get; private set; }

    /// <summary>Descriptors of the queues' events, by request and queue.</summary>
    public ConcurrentDictionary<(VhostRequest Request, int Queue), SafeFileHandle> Events { get; } = new();

    /// <summary>Identity of what it gave for requests under way, and of what it was given last.</summary>
    public (string? Given, string? Got) Inflight { get; private set; }

    public Message[] Told => [.. _told];

    public int Count(VhostRequest request) => _told.Count(message => message.Request == request);

    public Message Last(VhostRequest request) => _told.Last(message => message.Request == request);

    public Socket Connect(CancellationToken stop)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(_name));
        return socket;
    }

    public void End() => Ends++;

    /// <summary>Goes, as one that is killed.</summary>
    public void Die() => _connection?.Cut();

    /// <summary>Waits for a request, the last of which is given.</summary>
    public Message Wait(VhostRequest request, int count = 1)
    {
        Assert.True(
            SpinWait.SpinUntil(() => Count(request) >= count, TimeSpan.FromSeconds(30)), $"{count} of {request}, found {Count(request)}");
        return Last(request);
    }

    /// <summary>Tells of something by an event of a queue.</summary>
    public unsafe void Signal(VhostRequest request, int queue)
    {
        using FileStream events = new(
            new SafeFileHandle(Events[(request, queue)].DangerousGetHandle(), ownsHandle: false), FileAccess.Write, 0);
        events.Write(BitConverter.GetBytes(1ul));
    }

    public void Dispose()
    {
        _listener.Dispose();
        _connection?.Dispose();
    }

    public static byte[] Header(uint request, uint flags, int length)
    {
        byte[] header = new byte[VhostChannel.HeaderSize];
        BinaryPrimitives.WriteUInt32LittleEndian(header, request);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(4), flags);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(8), length);
        return header;
    }

    private void Serve()
    {
        try
        {
            while (true)
            {
                using DescriptorSocket connection = new(_listener.Accept());
                Connections++;
                _connection = connection;
                try
                {
                    while (true)
                    {
                        Serve(connection);
                    }
                }
                catch (Exception over) when (over is IOException or ObjectDisposedException)
                {
                    // The next one may connect.
                }
            }
        }
        catch (Exception over) when (over is SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private void Serve(DescriptorSocket connection)
    {
        const long noDeadline = int.MaxValue;
        List<SafeFileHandle> descriptors = [];
        byte[] header = new byte[VhostChannel.HeaderSize];
        connection.Receive(header, descriptors, Environment.TickCount64 + noDeadline);
        byte[] content = new byte[BinaryPrimitives.ReadInt32LittleEndian(header.AsSpan(8))];
        connection.Receive(content, descriptors, Environment.TickCount64 + noDeadline);
        Message message = new((VhostRequest)BinaryPrimitives.ReadUInt32LittleEndian(header), content, descriptors.Count);
        bool wantsReply = (BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(4)) & 8) != 0;
        Answer? answer = Instead?.Invoke(message) ?? Usual(message, descriptors, wantsReply);
        _told.Enqueue(message);
        if (answer is null)
        {
            return;
        }

        if (answer.Dies)
        {
            connection.Cut();
            return;
        }

        byte[] whole = answer.Raw ?? [.. Header((uint)message.Request, 5, answer.Content.Length), .. answer.Content];
        if (whole.Length > 0)
        {
            connection.Send(whole, answer.Descriptors ?? [], Environment.TickCount64 + noDeadline);
        }
    }

    private Answer? Usual(Message message, List<SafeFileHandle> descriptors, bool wantsReply)
    {
        switch (message.Request)
        {
            case VhostRequest.GetFeatures:
                return new(BitConverter.GetBytes(Features));
            case VhostRequest.GetProtocolFeatures:
                return new(BitConverter.GetBytes(Protocol));
            case VhostRequest.GetQueueCount:
                return new(BitConverter.GetBytes(2ul));
            case VhostRequest.GetConfig:
                return new([.. message.Content[..12], .. Config]);
            case VhostRequest.GetQueueBase:
                return new([.. message.Content[..4], .. BitConverter.GetBytes((uint)Base)]);
            case VhostRequest.GetInflight:
                byte[] place = [.. message.Content];
                BinaryPrimitives.WriteUInt64LittleEndian(place, 4096);
                BinaryPrimitives.WriteUInt64LittleEndian(place.AsSpan(8), 512);
                SafeFileHandle memory = File.OpenHandle(
                    Path.GetTempFileName(), FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, FileOptions.DeleteOnClose);
                Inflight = (Target(memory), null);
                return new(place, [memory]);
            case VhostRequest.SetInflight:
                Inflight = (Inflight.Given, Target(descriptors.Single()));
                break;
            case VhostRequest.SetQueueKick or VhostRequest.SetQueueCall or VhostRequest.SetQueueError:
                Events[(message.Request, (int)BinaryPrimitives.ReadUInt64LittleEndian(message.Content))] = descriptors.Single();
                break;
        }

        return wantsReply ? new(new byte[8]) : null;
    }

    private static string Target(SafeFileHandle file) =>
        File.ResolveLinkTarget($"/proc/self/fd/{file.DangerousGetHandle()}", false)!.FullName.Split(' ')[0];

    /// <summary>What it was told.</summary>
    internal sealed record Message(VhostRequest Request, byte[] Content, int Descriptors);

    /// <summary>What it answers: content under the right header, or raw bytes; it may go instead.</summary>
    internal sealed record Answer(byte[] Content, SafeFileHandle[]? Descriptors = null, byte[]? Raw = null, bool Dies = false);
}
