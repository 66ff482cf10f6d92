using System.Net.Sockets;
using System.Text;

namespace PsVm.Machine.Tests.Templates;

/// <summary>Named ports of guests: sockets over their lives, in their templates and of their clones.</summary>
public sealed class GuestConsolePortTests : TemplateTest
{
    [Fact]
    public void A_guest_has_a_socket_for_each_port_over_its_lives_and_none_is_left()
    {
        string guest = Boot(
            Ported(
                new GuestConsolePortOptions { Name = "com.example.0" }, new GuestConsolePortOptions { Name = "b", Path = At("b.sock") }));

        GuestInfo info = Host.Get(guest);
        Assert.Equal(("virt-1.4", "com.example.0, b"), (info.MachineType, string.Join(", ", info.ConsolePorts)));
        string own = info.ConsolePorts[0].Path, folder = Path.GetDirectoryName(own)!;
        Assert.Equal(("com.example.0", At("b.sock")), (Path.GetFileName(own), info.ConsolePorts[1].Path));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(folder));
        Assert.All(
            info.ConsolePorts, port => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(port.Path)));
        using Socket program = Connect(own);
        Assert.True(SpinWait.SpinUntil(() => Host.Get(guest).ConsolePorts[0].Connected, Patience));

        Host.Stop(guest);
        Assert.True(File.Exists(own));
        Host.StartAgain(guest, CancellationToken.None);
        Assert.Equal((own, true), (Host.Get(guest).ConsolePorts[0].Path, Host.Get(guest).ConsolePorts[0].Connected));
        End(guest);
        Assert.Equal((false, false, false), (File.Exists(own), File.Exists(At("b.sock")), Directory.Exists(folder)));
        Assert.Equal(0, program.Receive(new byte[1]));
    }

    [Fact]
    public void Clones_have_the_ports_of_their_template_and_sockets_of_their_own()
    {
        string guest = Boot(Ported(new GuestConsolePortOptions { Name = "a" }));
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t") });

        string[] clones = [Clone(template), Clone(template)];
        string[] paths = [.. clones.Append(guest).Select(one => Assert.Single(Host.Get(one).ConsolePorts).Path)];
        Assert.Equal(3, paths.Distinct().Count());
        Host.Reset(clones[0]);
        Assert.Equal(paths[0], Host.Get(clones[0]).ConsolePorts[0].Path);
        Connect(paths[0]).Dispose();
        string named = Clone(
            new GuestOptions
            {
                Template = template.Path, ConsolePorts = [new GuestConsolePortOptions { Name = "a", Path = At("a.sock") }],
            });
        Assert.Equal(At("a.sock"), Host.Get(named).ConsolePorts[0].Path);

        GuestOptions other = new() { Template = template.Path, ConsolePorts = [new GuestConsolePortOptions { Name = "other" }] };
        Assert.Equal(GuestErrorIds.ConsolePortMismatch, ErrorOf(() => Host.CheckStart(other)));
        Assert.Equal(GuestErrorIds.ConsolePortMismatch, ErrorOf(() => Clone(other)));
        GuestOptions taken =
            new() { Template = template.Path, ConsolePorts = [new GuestConsolePortOptions { Name = "a", Path = At("a.sock") }] };
        Assert.Equal(GuestErrorIds.ConsolePortUnavailable, ErrorOf(() => Host.CheckStart(taken)));
        Assert.Equal(GuestErrorIds.ConsolePortUnavailable, ErrorOf(() => Clone(taken)));
        Assert.Equal(4, Host.List().Count);
        Assert.Empty(PsVm.Machine.Templates.GuestTemplates.Test(template.Path, verify: true).Errors);
    }

    [Fact]
    public void What_cannot_be_is_refused_before_anything_is_made()
    {
        GuestOptions old = Ported(new GuestConsolePortOptions { Name = "a" }) with { MachineType = "virt-1.2" };
        Assert.Equal(GuestErrorIds.ConsolePortUnavailable, ErrorOf(() => Host.CheckStart(old)));
        Assert.Equal(
            GuestErrorIds.ConsolePortUnavailable,
            ErrorOf(() => Clone(Ported(new GuestConsolePortOptions { Name = "a", Path = At("none/a") }))));
        Assert.Equal(
            GuestErrorIds.ConsolePortNameInvalid, ErrorOf(() => Host.CheckStart(Ported(new GuestConsolePortOptions { Name = "a b" }))));
        Assert.Empty(Host.List());
    }

    [Fact]
    public void What_is_foretold_of_sockets_is_what_becomes_of_them_and_makes_none()
    {
        File.WriteAllText(At("file"), "text");
        string guest = Boot(Ported(new GuestConsolePortOptions { Name = "a", Path = At("a.sock") }));
        GuestConsolePortOptions[][] wrong =
        [
            [new() { Name = "a", Path = At("a.sock") }],
            [new() { Name = "a", Path = At("file") }],
            [new() { Name = "a", Path = At("none/a.sock") }],
            [new() { Name = "a", Path = At("file/a.sock") }],
            [new() { Name = "a", Path = At("b.sock") }, new() { Name = "b", Path = At("b.sock") }],
        ];
        foreach (GuestConsolePortOptions[] ports in wrong)
        {
            Assert.Equal(GuestErrorIds.ConsolePortUnavailable, ErrorOf(() => Host.CheckStart(Ported(ports))));
            Assert.Equal(GuestErrorIds.ConsolePortUnavailable, ErrorOf(() => Boot(Ported(ports))));
            Assert.False(File.Exists(At("b.sock")));
        }

        GuestOptions good = Ported(
            new GuestConsolePortOptions { Name = "a", Path = At("b.sock") }, new GuestConsolePortOptions { Name = "b" });
        Host.CheckStart(good);
        Assert.False(File.Exists(At("b.sock")));
        End(Boot(good));

        // What the guest has already is no obstacle to its next life.
        Host.Stop(guest);
        Host.CheckStartAgain(guest);
        Host.StartAgain(guest, CancellationToken.None);
        Host.CheckRestart(guest);
        Assert.Equal("text", File.ReadAllText(At("file")));
    }

    [SkippableFact]
    public void Linux_opens_it_by_its_name_and_its_clones_do()
    {
        LinuxGuest linux = LinuxGuest.GetOrSkip();
        string modules = Path.Combine(Path.GetDirectoryName(linux.Kernel)!, "modules");
        Skip.IfNot(Directory.Exists(modules), $"no {modules}: tests/guests/get-linux.sh fetches them");
        string guest = Boot(new GuestOptions
        {
            Memory = 128 << 20, Kernel = linux.Kernel, Initrd = linux.Initrd, CommandLine = "console=ttyS0 quiet",
            ConsolePorts = [new GuestConsolePortOptions { Name = "com.example.0" }],
        });
        const string find = "port=/dev/$(grep -l com.example.0 /sys/class/virtio-ports/*/name | cut -d/ -f5)";

        // More than all that waits on the way.
        Run(guest, $"{find}; (dd if=/dev/zero bs=64k count=24 2>/dev/null | tr '\\0' 'x' >$port; echo written >/tmp/done) & true");
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t") });
        Assert.Equal(24 << 16, Count(Host.Get(guest).ConsolePorts[0].Path, 24 << 16));
        Assert.True(SpinWait.SpinUntil(() => Run(guest, "cat /tmp/done 2>/dev/null") == "written", Patience));

        // A clone of a guest that is in the midst of it goes on with a socket of its own; what was on its way is its template's guest's.
        string clone = Clone(template);
        using (Socket program = Connect(Host.Get(clone).ConsolePorts[0].Path))
        {
            Assert.Equal((byte)'x', Receive(program, 1)[0]);
            Task.Run(() => program.CopyTo());
            Assert.True(SpinWait.SpinUntil(() => Run(clone, "cat /tmp/done 2>/dev/null") == "written", Patience));
        }

        // And what is given to one is not the other's.
        Run(clone, $"{find}; (head -n 1 $port >/tmp/got) & true");
        using (Socket program = Connect(Host.Get(clone).ConsolePorts[0].Path))
        {
            program.Send("hello\n"u8);
            Assert.True(SpinWait.SpinUntil(() => Run(clone, "cat /tmp/got") == "hello", Patience));
        }

        Assert.Equal("", Complaints(clone));
    }

    private static GuestOptions Ported(params GuestConsolePortOptions[] ports) => new() { Memory = Memory, ConsolePorts = ports };

    private static Socket Connect(string path)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(path));
        socket.ReceiveTimeout = (int)Patience.TotalMilliseconds;
        return socket;
    }

    private static byte[] Receive(Socket socket, int most)
    {
        byte[] bytes = new byte[most];
        return bytes[..socket.Receive(bytes)];
    }

    private static int Count(string path, int wanted)
    {
        using Socket program = Connect(path);
        int count = 0;
        while (count < wanted && Receive(program, 1 << 16) is { Length: > 0 } bytes)
        {
            Assert.Equal(new string('x', bytes.Length), Encoding.ASCII.GetString(bytes));
            count += bytes.Length;
        }

        return count;
    }
}

/// <summary>What a test does with a socket.</summary>
file static class SocketTaking
{
    /// <summary>Takes all that comes, until the other end has closed.</summary>
    public static void CopyTo(this Socket socket)
    {
        byte[] bytes = new byte[1 << 16];
        try
        {
            while (socket.Receive(bytes) > 0)
            {
            }
        }
        catch (Exception over) when (over is SocketException or ObjectDisposedException)
        {
            // The test has closed it.
        }
    }
}
