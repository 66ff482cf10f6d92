using System.Buffers.Binary;
using PsVm.Machine.Devices.Networks;
using PsVm.Memory.Native;

namespace PsVm.Machine.Tests.Devices.Networks;

/// <summary>The stream to passt, whose other end is the test.</summary>
public sealed class PasstSessionTests : IDisposable
{
    private const int Header = INetworkBackend.HeaderSize;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private readonly StreamSocket _other;
    private readonly PasstSession _session;
    private int _told;
    private readonly TaskCompletionSource<string> _lost = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly byte[] _packet = new byte[INetworkBackend.MostPacket];

    public PasstSessionTests()
    {
        (StreamSocket one, _other) = StreamSocket.Pair();
        _session = new PasstSession(one, () => Interlocked.Increment(ref _told), _lost.SetResult);
    }

    public void Dispose()
    {
        _session.Dispose();
        _other.Dispose();
    }

    [Fact]
    public async Task Frames_come_whole_in_whatever_pieces_they_are_sent()
    {
        byte[][] frames = [.. new[] { 14, 60, 1514, 65_534, 65_553, 20 }.Select(RandomFrame)];
        byte[] stream = [.. frames.SelectMany(Prefixed)];
        Task sending = Task.Run(() =>
        {
            Random random = new(3);
            for (int done = 0; done < stream.Length;)
            {
                int sent = _other.TrySend(stream.AsSpan(done, Math.Min(random.Next(1, 30_000), stream.Length - done)), [], [], []);
                done += sent;
            }
        });

        foreach (byte[] frame in frames)
        {
            int length = Receive();
            Assert.Equal(frame, _packet[Header..length]);
            Assert.Equal(PacketHeader.DataValid, _packet[0]);
            Assert.Equal(new byte[Header - 1], _packet[1..Header]);
        }

        await sending;
        Assert.Equal(0, _session.TryReceive(_packet));
    }

    [Fact]
    public void What_there_is_no_room_for_waits_and_comes_in_order()
    {
        List<byte[]> sent = [];
        while (true)
        {
            byte[] packet = TestFrames.Tcp(isIpv4: true, 60_000 + sent.Count, segment: 1448);
            if (!_session.TrySend(packet))
            {
                break;
            }

            sent.Add(packet);
            Assert.InRange(sent.Count, 1, 1000);
        }

        Assert.NotEmpty(sent);
        for (int i = 0; i < sent.Count; i++)
        {
            byte[] frame = ReadFrame();
            Assert.Equal(sent[i].Length - Header, frame.Length);
            byte[] packet = [.. new byte[Header], .. frame];
            Assert.True(TestFrames.HasRightSums(packet, isIpv4: true));
        }

        Assert.True(IsTold(), "there is room, and nobody was told");
        Assert.True(_session.TrySend(TestFrames.Tcp(isIpv4: false, 100, segment: 0)));
        Assert.True(TestFrames.HasRightSums([.. new byte[Header], .. ReadFrame()], isIpv4: false));
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(13u)]
    [InlineData(65_554u)]
    [InlineData(uint.MaxValue)]
    public async Task A_length_that_none_has_ends_the_connection(uint length)
    {
        byte[] prefix = new byte[64];
        BinaryPrimitives.WriteUInt32BigEndian(prefix, length);
        _ = _other.TrySend(prefix, [], [], []);
        Assert.True(IsTold());

        Assert.Equal(0, _session.TryReceive(_packet));

        Assert.Contains($"{length} bytes", await _lost.Task.WaitAsync(s_patience), StringComparison.Ordinal);
        Assert.True(_session.IsLost);
        Assert.Equal(0, _session.TryReceive(_packet));
        Assert.True(_session.TrySend(TestFrames.Tcp(isIpv4: true, 10, 0)));
    }

    [Fact]
    public async Task The_other_end_may_go()
    {
        _ = _other.TrySend(Prefixed(RandomFrame(100)), [], [], []);
        _other.Dispose();
        Assert.True(IsTold());

        Assert.Equal(Header + 100, _session.TryReceive(_packet)); // what came before is not lost
        Assert.Equal(0, _session.TryReceive(_packet));

        Assert.Contains("closed", await _lost.Task.WaitAsync(s_patience), StringComparison.Ordinal);
        Assert.True(_session.TrySend(TestFrames.Tcp(isIpv4: true, 10, 0)));
    }

    [Fact]
    public void The_end_that_another_process_gets_waits_for_room()
    {
        const int nonBlocking = 0x800; // O_NONBLOCK
        string line = File.ReadLines($"/proc/self/fdinfo/{(int)_other.Handle.DangerousGetHandle()}")
            .Single(line => line.StartsWith("flags:", StringComparison.Ordinal));
        Assert.Equal(0, Convert.ToInt32(line[6..].Trim(), 8) & nonBlocking);
    }

    [Fact]
    public void What_makes_no_sense_is_not_sent()
    {
        byte[] outside = TestFrames.Tcp(isIpv4: true, 10, 0);
        (PacketHeader.Read(outside) with { ChecksumStart = 60_000 }).Write(outside);
        byte[] unknown = TestFrames.Tcp(isIpv4: true, 10, 0);
        (PacketHeader.Read(unknown) with { Kind = 3 }).Write(unknown);

        Assert.All([outside, unknown, [], new byte[Header], new byte[Header + 13], new byte[INetworkBackend.MostPacket + 1]], packet =>
            Assert.True(_session.TrySend(packet)));

        byte[] last = [.. new byte[Header], .. RandomFrame(99)];
        Assert.True(_session.TrySend(last));
        Assert.Equal(last[Header..], ReadFrame());
    }

    private bool IsTold() => SpinWait.SpinUntil(() => Interlocked.Exchange(ref _told, 0) > 0, s_patience);

    private static byte[] RandomFrame(int length)
    {
        byte[] frame = new byte[length];
        new Random(length).NextBytes(frame);
        return frame;
    }

    private static byte[] Prefixed(byte[] frame)
    {
        byte[] prefix = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(prefix, frame.Length);
        return [.. prefix, .. frame];
    }

    private int Receive()
    {
        while (true)
        {
            if (_session.TryReceive(_packet) is var length and not 0)
            {
                return length;
            }

            Assert.True(IsTold(), "there is something, and nobody was told");
        }
    }

    private byte[] ReadFrame() => Read(BinaryPrimitives.ReadInt32BigEndian(Read(4)));

    private byte[] Read(int count)
    {
        byte[] bytes = new byte[count];
        for (int done = 0; done < count;)
        {
            int got = _other.TryReceive(bytes.AsSpan(done));
            Assert.True(got > 0 || SpinWait.SpinUntil(() => (got = _other.TryReceive(bytes.AsSpan(done))) > 0, s_patience));
            done += got;
        }

        return bytes;
    }
}
