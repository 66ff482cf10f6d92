using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace PsVm.Memory.Tests.Qemu;

/// <summary>A real QEMU, paused and without a machine: it maps what its arguments say, and nothing else happens.</summary>
internal sealed class QemuProcess : IDisposable
{
    /// <summary>Names the program; else it is looked for on the PATH.</summary>
    public const string Variable = "PSVM_QEMU";

    private const string Name = "qemu-system-riscv64";
    private readonly Process _process;
    private readonly Task<string> _errors;

    private QemuProcess(IEnumerable<string> arguments)
    {
        ProcessStartInfo start = new(Program!, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        _process = Process.Start(start)!;
        _errors = _process.StandardError.ReadToEndAsync();
    }

    /// <summary>The program; null: there is none.</summary>
    public static string? Program { get; } = Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } named
        ? named
        : (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':')
            .Select(folder => Path.Combine(folder, Name)).FirstOrDefault(File.Exists);

    /// <summary>Its version; null: there is none.</summary>
    public static Version? Version { get; } = ReadVersion();

    /// <summary>Skips where there is no QEMU of at least a version.</summary>
    public static void Needs(string version)
    {
        Skip.If(Program is null, $"no {Name} on the PATH, and {Variable} names none");
        Skip.If(Version < System.Version.Parse(version), $"'{Program}' is QEMU {Version}; this needs {version} or newer");
    }

    /// <summary>Runs QEMU paused with memory backends until it answers on its monitor, or has ended.</summary>
    /// <returns>The process, and null; or null and what it said when it ended.</returns>
    public static (QemuProcess? Running, string? Refusal) Start(IEnumerable<string> arguments, string machine = "none")
    {
        QemuProcess qemu = new(
            ["-S", "-display", "none", "-serial", "none", "-nodefaults", "-machine", machine, "-qmp", "stdio", .. arguments]);

        // It answers when all is made: it greets before.
        if (qemu.Ask("qmp_capabilities") is not null)
        {
            return (qemu, null);
        }

        qemu._process.WaitForExit();
        string said = $"{qemu._errors.Result.Trim()} (exit code {qemu._process.ExitCode})";
        qemu.Dispose();
        return (null, said);
    }

    public int Id => _process.Id;

    /// <summary>Lines of /proc/PID/maps about a file.</summary>
    public IReadOnlyList<string> MappingLines(string path) => MappingLines(Id, path);

    /// <summary>The memory backends as QEMU tells of them (QMP query-memdev), by id.</summary>
    public IReadOnlyDictionary<string, JsonElement> Backends() =>
        Ask("query-memdev")!.Value.EnumerateArray().ToDictionary(backend => backend.GetProperty("id").GetString()!);

    /// <summary>Protection and sharing of the mappings of a file, such as <c>rw-p</c>; each once.</summary>
    public static IReadOnlyList<string> Mappings(int process, string path) =>
        [.. MappingLines(process, path).Select(line => line.Split(' ')[1]).Distinct()];

    /// <summary>How a file is open: O_RDONLY or O_RDWR; each once.</summary>
    public static IReadOnlyList<string> OpenFlags(int process, string path)
    {
        List<string> found = [];
        foreach (string link in Directory.GetFileSystemEntries($"/proc/{process}/fd"))
        {
            if (new FileInfo(link).LinkTarget == path)
            {
                string flags = File.ReadLines($"/proc/{process}/fdinfo/{Path.GetFileName(link)}")
                    .First(line => line.StartsWith("flags:", StringComparison.Ordinal));
                found.Add((Convert.ToInt32(flags["flags:".Length..].Trim(), 8) & 3) == 0 ? "O_RDONLY" : "O_RDWR");
            }
        }

        return [.. found.Distinct()];
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            _process.WaitForExit();
        }

        _process.Dispose();
    }

    private static List<string> MappingLines(int process, string path) =>
        [.. File.ReadLines($"/proc/{process}/maps").Where(line => line.EndsWith($" {path}", StringComparison.Ordinal))];

    /// <summary>What it answers; null: it has ended.</summary>
    private JsonElement? Ask(string command)
    {
        try
        {
            _process.StandardInput.WriteLine($"{{\"execute\":\"{command}\"}}");
            _process.StandardInput.Flush();
        }
        catch (IOException)
        {
            return null;
        }

        while (_process.StandardOutput.ReadLine() is { } line)
        {
            using JsonDocument reply = JsonDocument.Parse(line);
            if (reply.RootElement.TryGetProperty("return", out JsonElement answer))
            {
                return answer.Clone();
            }

            Assert.False(reply.RootElement.TryGetProperty("error", out _), line);
        }

        return null;
    }

    private static Version? ReadVersion()
    {
        if (Program is null)
        {
            return null;
        }

        using Process process = Process.Start(new ProcessStartInfo(Program, "--version") { RedirectStandardOutput = true })!;
        string[] words = process.StandardOutput.ReadToEnd().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        process.WaitForExit();
        string[] numbers = words[Array.IndexOf(words, "version") + 1].Split('.');
        return new Version(int.Parse(numbers[0], CultureInfo.InvariantCulture), int.Parse(numbers[1], CultureInfo.InvariantCulture));
    }
}
