using System.Diagnostics;
using System.Text;
using System.Text.Json;
using PsVm.Machine.Agents;
using PsVm.Memory.Tests.Support;

namespace PsVm.Machine.Tests.Agents;

/// <summary>A guest whose commands and files are this machine's, so that real tools answer; a test may answer in their place.</summary>
public abstract class FolderCopyTest : AgentTest, IDisposable
{
    private readonly TestFolder _folder = new();
    private readonly Dictionary<long, FileStream> _files = [];
    private string _ended = "{}";

    protected FolderCopyTest() => Answer = Do;

    /// <summary>What a command of the guest's gives in place of what it would; null: it runs.</summary>
    protected Func<string, byte[]?> Instead { get; set; } = _ => null;

    /// <summary>The commands that ran, by their programs.</summary>
    protected List<string> Ran { get; } = [];

    protected string Guest => In("guest");

    protected string To => In("to");

    public void Dispose()
    {
        foreach (FileStream file in _files.Values)
        {
            file.Dispose();
        }

        _folder.Dispose();
    }

    protected string In(string name) => _folder.In(name);

    private protected Task<GuestFolderCopy> Fetch(long most = 1 << 30) =>
        new FolderFetching(Agent, "web", Guest, To, most).RunAsync(CancellationToken.None);

    private protected async Task<GuestFolderCopy> Send(string from)
    {
        using FolderSending sending = new(Agent, "web", from, Guest);
        return await sending.RunAsync(CancellationToken.None);
    }

    private string Do(string request, JsonElement arguments)
    {
        if (request == "psvm-exec")
        {
            return Unknown; // it is QEMU's
        }

        try
        {
            return Return(request switch
            {
                "guest-exec" => Run(arguments),
                "guest-exec-status" => _ended,
                "guest-file-open" => Open(arguments.GetProperty("path").GetString()!, arguments.GetProperty("mode").GetString()!),
                "guest-file-read" => Read(File(arguments), arguments.GetProperty("count").GetInt32()),
                "guest-file-write" => Write(File(arguments), arguments.GetProperty("buf-b64").GetBytesFromBase64()),
                "guest-file-close" => Close(arguments.GetProperty("handle").GetInt64()),
                _ => "{}",
            });
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException or System.ComponentModel.Win32Exception)
        {
            return "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}}\n";
        }
    }

    private string Run(JsonElement arguments)
    {
        string path = arguments.GetProperty("path").GetString()!;
        Ran.Add(path);
        if (Instead(path) is { } canned)
        {
            _ended = Ended(0, canned, []);
            return "{\"pid\": 1}";
        }

        ProcessStartInfo start = new(path, arguments.GetProperty("arg").EnumerateArray().Select(argument => argument.GetString()!))
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        using Process process = Process.Start(start)!;
        if (arguments.TryGetProperty("input-data", out JsonElement input))
        {
            process.StandardInput.BaseStream.Write(input.GetBytesFromBase64());
        }

        process.StandardInput.Close();
        using MemoryStream output = new();
        process.StandardOutput.BaseStream.CopyTo(output);
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        _ended = Ended(process.ExitCode, output.ToArray(), Encoding.UTF8.GetBytes(error));
        return "{\"pid\": 1}";
    }

    private static string Ended(int code, byte[] output, byte[] error) =>
        $"{{\"exited\": true, \"exitcode\": {code}, \"out-data\": \"{Convert.ToBase64String(output)}\", "
            + $"\"err-data\": \"{Convert.ToBase64String(error)}\"}}";

    private string Open(string path, string mode)
    {
        long handle = _files.Count + 1;
        _files.Add(handle, mode == "w" ? System.IO.File.Create(path) : System.IO.File.OpenRead(path));
        return $"{handle}";
    }

    private FileStream File(JsonElement arguments) => _files[arguments.GetProperty("handle").GetInt64()];

    private static string Read(FileStream file, int count)
    {
        byte[] bytes = new byte[count];
        count = file.Read(bytes);
        return $"{{\"count\": {count}, \"buf-b64\": \"{Convert.ToBase64String(bytes.AsSpan(0, count))}\", "
            + $"\"eof\": {(count == 0 ? "true" : "false")}}}";
    }

    private static string Write(FileStream file, byte[] bytes)
    {
        file.Write(bytes);
        return $"{{\"count\": {bytes.Length}}}";
    }

    private string Close(long handle)
    {
        _files[handle].Dispose();
        return "{}";
    }
}
