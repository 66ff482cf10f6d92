using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using PsVm.Machine.Guests;
using PsVm.Memory;

namespace PsVm.Benchmarks;

/// <summary>
/// What a guest of tests/guests/networks gets of a network by passt here, and of QEMU's in turn, with the same kernel, passt and loads:
/// HTTP to its server by a port of this host.
/// </summary>
internal static class NetworkCommand
{
    /// <summary>The command that a run's process gets.</summary>
    public const string ChildName = "network-child";

    private const string Append = "console=ttyS0 quiet rdinit=/net-init";
    private const int Mtu = 65520;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    /// <summary>Prints a line for each load; the runs go to standard error as they end.</summary>
    public static void Network(string[] words)
    {
        Arguments arguments = new(words);
        string kernel = arguments.Text("--kernel"), initrd = arguments.Text("--initrd");
        string? qemu = arguments.TextOrNull("--qemu");
        int runs = arguments.Number("-n", 3), megabytes = arguments.Number("--size", 200), load = arguments.Number("--load", 2000);
        arguments.Done();
        List<Load> ours = [], peers = [];
        for (int run = 0; run < runs; run++)
        {
            if (qemu is not null)
            {
                peers.AddRange(InQemu(qemu, kernel, initrd, megabytes, load));
            }

            int port = FreePort();
            ours.AddRange(Run("PsVm", Environment.ProcessPath!,
            [
                .. Environment.ProcessPath!.EndsWith("dotnet", StringComparison.Ordinal)
                    ? ["exec", typeof(NetworkCommand).Assembly.Location]
                    : Array.Empty<string>(),
                ChildName, kernel, initrd, port.ToString(CultureInfo.InvariantCulture),
            ], port, megabytes, load));
        }

        foreach (string name in ours.Select(one => one.Name).Distinct())
        {
            double here = Rate(ours, name), there = Rate(peers, name);
            Console.WriteLine(JsonSerializer.Serialize(new
            {
                load = name,
                per_s = Math.Round(here, 1),
                cpu_us_each = Math.Round(Cpu(ours, name), 1),
                qemu_per_s = Math.Round(there, 1),
                qemu_cpu_us_each = there > 0 ? Math.Round(Cpu(peers, name), 1) : 0,
                ratio = there > 0 ? Math.Round(here / there, 2) : 0,
                runs,
            }));
        }
    }

    /// <summary>Boots the guest, passes on what it says, and runs it until this process is ended.</summary>
    public static void RunChild(string[] words)
    {
        (string kernel, string initrd, string port) = (words[0], words[1], words[2]);
        using MemoryBackends backends = new();
        using GuestHost host = new(backends);
        GuestNetworkOptions network = new() { Backend = NetworkBackend.Passt, Mtu = Mtu, Forward = [$"{port}:80"] };
        string guest = host.Start(
            new GuestOptions { Memory = 256 << 20, Kernel = kernel, Initrd = initrd, CommandLine = Append, Networks = [network] },
            CancellationToken.None).Name;
        long position = 0;
        do
        {
            Thread.Sleep(20);
            ConsoleText text = host.ReadConsole(guest, position);
            position = text.NextPosition;
            Console.Write(text.Text);
            Console.Out.Flush();
        }
        while (host.Get(guest).State == GuestState.Running);
    }

    private static List<Load> InQemu(string qemu, string kernel, string initrd, int megabytes, int load)
    {
        string folder = Directory.CreateTempSubdirectory("psvm-network-").FullName;
        try
        {
            if (OperatingSystem.IsLinux())
            {
                File.SetUnixFileMode(folder, (UnixFileMode)0x1ff); // root's passt is nobody's process
            }

            string socket = Path.Combine(folder, "socket");
            int port = FreePort();
            using Process passt = Process.Start(new ProcessStartInfo("passt",
            [
                "--socket", socket, "--foreground", "--quiet", "--one-off", "--no-map-gw", "--mtu", $"{Mtu}", "--tcp-ports",
                $"127.0.0.1/{port}:80",
                "--udp-ports", "none",
            ])
            {
                RedirectStandardError = true, // what it says before it works
            })!;
            SpinWait.SpinUntil(() => File.Exists(socket), s_patience);
            try
            {
                return Run("QEMU", qemu,
                [
                    "-accel", "tcg", "-machine", "virt", "-smp", "1", "-m", "256M", "-nodefaults", "-display", "none", "-serial", "stdio",
                    "-no-reboot",
                    "-kernel", kernel, "-initrd", initrd, "-append", Append,
                    "-netdev", $"stream,id=n,addr.type=unix,addr.path={socket}", "-device", $"virtio-net-device,netdev=n,host_mtu={Mtu}",
                ], port, megabytes, load);
            }
            finally
            {
                passt.Kill();
                passt.WaitForExit();
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static List<Load> Run(string who, string program, string[] words, int port, int megabytes, int milliseconds)
    {
        using Process process =
            Process.Start(new ProcessStartInfo(program, words) { RedirectStandardOutput = true, RedirectStandardInput = true })!;
        try
        {
            string? line;
            do
            {
                line = process.StandardOutput.ReadLine() ?? throw new BenchmarkException(
                    $"Expected {who}'s guest to say NET-UP, found that it ended.");
            }
            while (!line.Contains("NET-UP", StringComparison.Ordinal));

            byte[] buffer = new byte[256 << 10];
            _ = Exchange(port, 30, buffer, isUp: false); // what is compiled when first used is not measured
            _ = Exchange(port, 30, buffer, isUp: true);
            _ = Requests(port, 1000, buffer, keeps: true);
            _ = Requests(port, 1000, buffer, keeps: false);
            List<Load> loads = [];
            foreach ((string name, Func<(double Count, TimeSpan Time)> run) in (ReadOnlySpan<(string, Func<(double, TimeSpan)>)>)
            [
                ("MB to the guest", () => Exchange(port, megabytes, buffer, isUp: false)),
                ("MB from the guest", () => Exchange(port, megabytes, buffer, isUp: true)),
                ("requests on a connection", () => Requests(port, milliseconds, buffer, keeps: true)),
                ("requests on one each", () => Requests(port, milliseconds, buffer, keeps: false)),
            ])
            {
                TimeSpan before = ProcessCpu.Of(process);
                (double count, TimeSpan time) = run();
                Load load = new(name, count / time.TotalSeconds, (ProcessCpu.Of(process) - before).TotalMicroseconds / count);
                loads.Add(load);
                Console.Error.WriteLine($"{who} {load}");
            }

            return loads;
        }
        finally
        {
            process.Kill();
            process.WaitForExit();
        }
    }

    /// <summary>Moves so many MB by one request.</summary>
    private static (double Count, TimeSpan Time) Exchange(int port, int megabytes, byte[] buffer, bool isUp)
    {
        long bytes = megabytes * 1_000_000L;
        using Socket socket = Connect(port);
        long began = Stopwatch.GetTimestamp();
        Send(
            socket,
            Encoding.ASCII.GetBytes(isUp ? $"GET /{bytes} HTTP/1.1\r\n\r\n" : $"PUT / HTTP/1.1\r\nContent-Length: {bytes}\r\n\r\n"));
        for (long left = isUp ? 0 : bytes; left > 0; left -= buffer.Length)
        {
            Send(socket, buffer.AsSpan(0, (int)Math.Min(left, buffer.Length)));
        }

        ReadAnswer(socket, isUp ? bytes : 0, buffer);
        return (megabytes, Stopwatch.GetElapsedTime(began));
    }

    private static (double Count, TimeSpan Time) Requests(int port, int milliseconds, byte[] buffer, bool keeps)
    {
        byte[] request = Encoding.ASCII.GetBytes("GET /10 HTTP/1.1\r\n\r\n");
        long began = Stopwatch.GetTimestamp();
        int count = 0;
        Socket? socket = null;
        for (; Stopwatch.GetElapsedTime(began).TotalMilliseconds < milliseconds; count++)
        {
            socket ??= Connect(port);
            Send(socket, request);
            ReadAnswer(socket, 10, buffer);
            if (!keeps)
            {
                socket.Dispose();
                socket = null;
            }
        }

        socket?.Dispose();
        return (count, Stopwatch.GetElapsedTime(began));
    }

    private static void Send(Socket socket, ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[socket.Send(bytes)..];
        }
    }

    private static void ReadAnswer(Socket socket, long body, byte[] buffer)
    {
        int have = 0, end;
        while ((end = buffer.AsSpan(0, have).IndexOf("\r\n\r\n"u8)) < 0)
        {
            have += Some(socket.Receive(buffer.AsSpan(have)));
        }

        for (long left = body - (have - end - 4); left > 0;)
        {
            left -= Some(socket.Receive(buffer));
        }
    }

    private static int Some(int count) =>
        count > 0 ? count : throw new BenchmarkException("Expected the guest's answer, found that it closed the connection.");

    private static Socket Connect(int port)
    {
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        socket.SendTimeout = socket.ReceiveTimeout = (int)s_patience.TotalMilliseconds;
        socket.Connect(IPAddress.Loopback, port);
        return socket;
    }

    private static int FreePort()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static double Rate(List<Load> loads, string name) =>
        loads.Where(one => one.Name == name).Select(one => one.PerSecond).ToArray() is { Length: > 0 } rates ? Median.Of(rates) : 0;

    private static double Cpu(List<Load> loads, string name) =>
        Median.Of(loads.Where(one => one.Name == name).Select(one => one.CpuMicroseconds));

    private sealed record Load(string Name, double PerSecond, double CpuMicroseconds);
}
