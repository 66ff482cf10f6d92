using System.Diagnostics;
using System.Globalization;

namespace PsVm.Benchmarks;

/// <summary>Runs the same boot here and with a peer in turn, so that both see the same machine.</summary>
internal static class CompareCommand
{
    /// <summary>Prints a table; the runs go to standard error as they end.</summary>
    public static void Compare(string[] words)
    {
        Arguments arguments = new(words);
        string peer = arguments.Text("--peer");
        BootOptions options = new(arguments);
        arguments.Done();

        List<BootResult> ours = [], peers = [];
        for (int run = 0; run < options.Runs; run++)
        {
            Add(peers, "peer", RunPeer(peer, options));
            Add(ours, "PsVm", BootCommand.RunChildProcess(options));
        }

        Console.Write(Comparison.Of(ours, peers));
    }

    private static void Add(List<BootResult> results, string who, BootResult result)
    {
        Console.Error.WriteLine($"{who} {result}");
        results.Add(result);
    }

    private static BootResult RunPeer(string script, BootOptions options)
    {
        ProcessStartInfo start = new("python3",
        [
            script, "boot", "--kernel", options.Kernel, "--initrd", options.Initrd, "--append", options.Append, "--until", options.Until,
            "--mem", options.Megabytes.ToString(CultureInfo.InvariantCulture), "-n", "1",
        ])
        {
            RedirectStandardOutput = true,
        };
        using Process process = Process.Start(start)!;
        string? line = process.StandardOutput.ReadLine();
        process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0
            ? BootResult.Parse(line)
            : throw new BenchmarkException($"Expected {script} to end with 0, found {process.ExitCode}.");
    }
}
