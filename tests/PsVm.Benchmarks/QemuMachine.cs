using System.Diagnostics;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace PsVm.Benchmarks;

/// <summary>A QEMU that is told what to do by its monitor (QMP).</summary>
internal sealed class QemuMachine : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    private readonly Process _process;
    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly StreamReader _reader;
    private readonly StreamWriter _writer;
    private readonly List<(string Event, double Seconds)> _events = [];

    /// <summary>Starts a machine that boots a kernel.</summary>
    /// <param name="qemu">The program.</param>
    /// <param name="folder">Where its socket comes.</param>
    /// <param name="kernel">The kernel.</param>
    /// <param name="megabytes">RAM.</param>
    /// <exception cref="BenchmarkException">It does not start.</exception>
    public QemuMachine(string qemu, string folder, string kernel, int megabytes)
    {
        string monitor = Path.Combine(folder, "qmp");
        _process = Process.Start(qemu,
        [
            "-accel", "tcg", "-machine", "virt", "-smp", "1", "-m", $"{megabytes}M", "-nodefaults", "-display", "none", "-kernel", kernel,
            "-qmp", $"unix:{monitor},server=on,wait=off",
        ]);
        for (long began = Stopwatch.GetTimestamp(); !_socket.Connected;)
        {
            try
            {
                _socket.Connect(new UnixDomainSocketEndPoint(monitor));
            }
            catch (SocketException) when (!_process.HasExited && Stopwatch.GetElapsedTime(began) < s_patience)
            {
                Thread.Sleep(10);
            }
        }

        NetworkStream stream = new(_socket);
        _reader = new StreamReader(stream);
        _writer = new StreamWriter(stream) { AutoFlush = true };
        _ = Read();
        Do("qmp_capabilities");
    }

    /// <summary>What it has told of what happened by itself: names and moments in seconds.</summary>
    public IReadOnlyList<(string Event, double Seconds)> Events => _events;

    /// <summary>Has it do something.</summary>
    /// <exception cref="BenchmarkException">It refuses.</exception>
    public JsonNode? Do(string command, JsonObject? arguments = null)
    {
        _writer.WriteLine(new JsonObject { ["execute"] = command, ["arguments"] = arguments ?? [] }.ToJsonString());
        while (true)
        {
            JsonNode reply = Read();
            if (reply["error"] is { } error)
            {
                throw new BenchmarkException($"Expected QEMU to do '{command}', found: {error["desc"]}");
            }

            if (reply["return"] is { } result)
            {
                return result;
            }
        }
    }

    /// <summary>Saves the machine to a file, and waits until that is done.</summary>
    /// <exception cref="BenchmarkException">It fails.</exception>
    public void Save(string file)
    {
        Do("migrate", new JsonObject { ["uri"] = $"exec:cat > {file}" });
        while (Do("query-migrate")?["status"]?.GetValue<string>() is var status && status != "completed")
        {
            if (status is "failed" or "cancelled")
            {
                throw new BenchmarkException($"Expected QEMU to save its machine, found that it {status}.");
            }

            Thread.Sleep(1);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
        _socket.Dispose();
    }

    private JsonNode Read()
    {
        JsonNode reply =
            JsonNode.Parse(_reader.ReadLine() ?? throw new BenchmarkException("Expected QEMU to answer, found that it ended."))!;
        if (reply["event"] is { } happened)
        {
            JsonNode moment = reply["timestamp"]!;
            _events.Add(
                (happened.GetValue<string>(), moment["seconds"]!.GetValue<long>() + (moment["microseconds"]!.GetValue<long>() / 1e6)));
        }

        return reply;
    }
}
