using System.Net.Sockets;
using PsVm.Machine.Devices;
using PsVm.Memory.Tests.Support;

namespace PsVm.Machine.Tests.Devices;

/// <summary>Programs of the host at the sockets of named ports, and guests that read, write, do not, and begin again.</summary>
public sealed class PortSocketTests : IDisposable
{
    private const int Many = 2 << 20;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private readonly TestFolder _folder = new();
    private readonly ConsolePort _port = new("p", keepsOutput: true);
    private readonly PortSocket _socket;

    public PortSocketTests()
    {
        _socket = new PortSocket("p", At("p"));
        _socket.Attach(_port);
    }

    public void Dispose()
    {
        _socket.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Bytes_go_both_ways_in_order()
    {
        using Socket program = Connect();
        _port.SetOpen(true);
        byte[] there = Pattern(Many, 1), back = Pattern(Many, 2);
        Task sending = Task.Run(() => program.Send(there));
        Task receiving = Task.Run(() => Assert.Equal(back, Receive(program, Many)));

        byte[] got = new byte[Many];
        for (int taken = 0, given = 0; taken < Many || given < Many;)
        {
            taken += _port.Take(got.AsSpan(taken));
            if (given < Many && _port.TakesOutput)
            {
                int count = Math.Min(100_000, Many - given);
                _port.Put(back.AsSpan(given, count));
                given += count;
            }
        }

        await Task.WhenAll(sending, receiving).WaitAsync(s_patience);
        Assert.Equal(there, got);
        Assert.Equal(new GuestConsolePort { Name = "p", Path = At("p"), Open = true, Connected = true }, _socket.Show());
    }

    [Fact]
    public void A_program_that_never_reads_has_the_guest_wait_and_no_more()
    {
        using Socket program = Connect();
        _port.SetOpen(true);
        byte[] piece = new byte[ConsolePort.MostBuffer];

        // Until nothing moves any more: the port's room, and what sockets and one piece on its way take.
        int pieces = 0;
        while (SpinWait.SpinUntil(() => _port.TakesOutput, TimeSpan.FromMilliseconds(300)))
        {
            _port.Put(piece);
            Assert.InRange(++pieces, 1, 64);
        }

        Assert.Equal((long)pieces * piece.Length, Receive(program, pieces * piece.Length).Length);
        Assert.True(SpinWait.SpinUntil(() => _port.TakesOutput, s_patience));
    }

    [Fact]
    public void A_guest_that_never_reads_has_the_program_wait_and_no_more()
    {
        using Socket program = Connect();
        _port.SetOpen(true);
        program.Blocking = false;
        byte[] piece = new byte[64 << 10];
        long sent = 0;
        while (SpinWait.SpinUntil(() => program.Poll(0, SelectMode.SelectWrite), TimeSpan.FromMilliseconds(300)))
        {
            sent += program.Send(piece, SocketFlags.None, out SocketError error);
            Assert.True(error is SocketError.Success or SocketError.WouldBlock);
            Assert.InRange(sent, 0, 4 << 20);
        }

        long got = 0;
        byte[] taken = new byte[64 << 10];
        Assert.True(SpinWait.SpinUntil(() => (got += _port.Take(taken)) == sent, s_patience));
    }

    [Fact]
    public void What_a_guest_wrote_and_closed_is_what_the_next_program_gets_and_one_program_comes_after_the_other()
    {
        _port.SetOpen(true);
        _port.Put("first"u8);
        _port.SetOpen(false);
        using (Socket program = Connect())
        {
            Assert.Equal("first"u8.ToArray(), Receive(program, 5));
            program.Send("left"u8); // for whoever opens it
        }

        using Socket next = Connect();
        byte[] got = new byte[16];
        Assert.Equal(0, _port.Take(got));
        _port.SetOpen(true);
        Assert.True(SpinWait.SpinUntil(() => _port.HasInput, s_patience));
        Assert.Equal(4, _port.Take(got));
        _port.Put("second"u8);
        Assert.Equal("second"u8.ToArray(), Receive(next, 6));
    }

    [Fact]
    public void What_a_guest_writes_when_the_program_has_gone_and_nobody_has_noticed_is_the_next_programs()
    {
        _port.SetOpen(true);
        for (int i = 0; i < 50; i++)
        {
            using (Socket program = Connect())
            {
                _port.Put("a"u8);
                Receive(program, 1);
            }

            _port.Put("late"u8);
            using Socket next = Connect();
            Assert.Equal("late"u8.ToArray(), Receive(next, 4));
        }
    }

    [Fact]
    public void Who_would_have_its_socket_takes_nothing_of_it()
    {
        _port.SetOpen(true);
        _port.Put("waits"u8);
        for (int i = 0; i < 20; i++)
        {
            Assert.NotNull(PortSocket.WhyNot(At("p")));
            Assert.Throws<SocketException>(() => new PortSocket("p", At("p")));
        }

        Assert.False(_socket.Show().Connected);
        using Socket program = Connect();
        Assert.Equal("waits"u8.ToArray(), Receive(program, 5));
    }

    [Fact]
    public void It_goes_on_with_the_port_of_the_guests_next_life()
    {
        using Socket program = Connect();
        _port.SetOpen(true);
        _port.Put("a"u8);
        Assert.Equal("a"u8.ToArray(), Receive(program, 1));
        ConsolePort next = new("p", keepsOutput: true);

        _port.Close();
        program.Send("early"u8);
        _socket.Attach(next);
        next.SetOpen(true);

        byte[] got = new byte[16];
        Assert.True(SpinWait.SpinUntil(() => next.HasInput, s_patience));
        Assert.Equal(5, next.Take(got));
        next.Put("b"u8);
        Assert.Equal("b"u8.ToArray(), Receive(program, 1));
    }

    [Fact]
    public void The_socket_is_its_users_alone_takes_the_place_of_one_that_was_left_and_of_nothing_else()
    {
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(At("p")));
        Assert.Equal(SocketError.AddressAlreadyInUse, Assert.Throws<SocketException>(() => new PortSocket("p", At("p"))).SocketErrorCode);
        File.WriteAllText(At("file"), "text");
        Assert.Equal(
            SocketError.AddressAlreadyInUse, Assert.Throws<SocketException>(() => new PortSocket("p", At("file"))).SocketErrorCode);
        Assert.Equal("text", File.ReadAllText(At("file")));

        Leave(At("left"));
        Assert.Null(PortSocket.WhyNot(At("left")));
        Assert.True(File.Exists(At("left")));
        using (PortSocket again = new("p", At("left")))
        {
            Connect("left").Dispose();
        }

        Assert.False(File.Exists(At("left")));
        using Socket program = Connect();
    }

    [Theory]
    [InlineData("")]
    [InlineData(".hidden")]
    [InlineData("a/b")]
    [InlineData("org.qemu.guest_agent.0")]
    [InlineData("twice")]
    [InlineData("many")]
    public void Names_that_cannot_be_are_refused(string name)
    {
        GuestConsolePortOptions[] ports = [.. (name == "many" ? Enumerable.Range(0, 7).Select(i => $"p{i}") : [name, "twice"]).Select(
            one => new GuestConsolePortOptions { Name = one })];

        Assert.Equal(GuestErrorIds.ConsolePortNameInvalid, Assert.Throws<GuestException>(() => PortSockets.Check(ports, "g")).ErrorId);
        Assert.Equal(
            GuestErrorIds.ConsolePortUnavailable,
            Assert.Throws<GuestException>(() => PortSockets.Check(
                [new GuestConsolePortOptions { Name = "p", Path = "/" + new string('x', 107) }], "g")).ErrorId);
    }

    // As a process that was killed does.
    private static void Leave(string path)
    {
        int fd = Mono.Unix.Native.Syscall.socket(
            Mono.Unix.Native.UnixAddressFamily.AF_UNIX, Mono.Unix.Native.UnixSocketType.SOCK_STREAM, 0);
        _ = Mono.Unix.Native.Syscall.bind(fd, new Mono.Unix.Native.SockaddrUn(path));
        _ = Mono.Unix.Native.Syscall.close(fd);
        Assert.True(File.Exists(path));
    }

    private string At(string name) => Path.Combine(_folder.Path, name);

    private Socket Connect(string name = "p")
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(At(name)));
        return socket;
    }

    private static byte[] Receive(Socket socket, int count)
    {
        byte[] bytes = new byte[count];
        socket.ReceiveTimeout = (int)s_patience.TotalMilliseconds;
        for (int done = 0; done < count;)
        {
            int got = socket.Receive(bytes.AsSpan(done));
            Assert.True(got > 0, $"ended at {done} of {count}");
            done += got;
        }

        return bytes;
    }

    private static byte[] Pattern(int length, int seed)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }
}
