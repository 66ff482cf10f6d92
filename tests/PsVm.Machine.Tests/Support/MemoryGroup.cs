using System.Diagnostics;
using System.Globalization;

namespace PsVm.Machine.Tests.Support;

/// <summary>A control group of version 1 with a limit of memory, for a helper process; it goes when that has ended.</summary>
internal sealed class MemoryGroup : IDisposable
{
    private const string Parent = "/sys/fs/cgroup/memory";

    private readonly string _path;

    private MemoryGroup(string path) => _path = path;

    /// <summary>The file of its limit.</summary>
    public string LimitFile => $"{_path}/memory.limit_in_bytes";

    /// <summary>Makes one, or skips the test that needs it.</summary>
    public static MemoryGroup Make(string name, long bytes)
    {
        Skip.IfNot(File.Exists($"{Parent}/memory.limit_in_bytes"), "there is no memory controller of version 1");
        MemoryGroup group = new($"{Parent}/psvm-test-{name}-{Environment.ProcessId}");
        try
        {
            Directory.CreateDirectory(group._path);
            File.WriteAllText(group.LimitFile, bytes.ToString(CultureInfo.InvariantCulture));
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            group.Dispose();
            Skip.If(true, $"no control group can be made: {failure.Message}");
        }

        return group;
    }

    /// <summary>Runs a helper of the tests in it to its end, which must be one of its own.</summary>
    /// <returns>What it prints.</returns>
    public string[] Run(params string[] helperAndArguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(
            "sh", ["-c", $"echo $$ > {_path}/cgroup.procs && exec dotnet exec \"$@\"", "sh", .. helperAndArguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string[] lines = process.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"exit code {process.ExitCode} after: {string.Join(" | ", lines)} {errors.Result}");
        return lines;
    }

    public void Dispose()
    {
        // Its only process has ended; the kernel may need a moment to notice.
        SpinWait.SpinUntil(
            () =>
            {
                try
                {
                    Directory.Delete(_path);
                    return true;
                }
                catch (DirectoryNotFoundException)
                {
                    return true;
                }
                catch (IOException)
                {
                    return false;
                }
            },
            TimeSpan.FromSeconds(10));
    }
}
