using PsVm.Machine.Guests;
using PsVm.Memory;

namespace PsVm.Machine.Tests.Overcommit;

/// <summary>
/// The helper process of <see cref="OvercommitTests"/>, in a control group of 2 GiB: 200 clones, of which one begins to write all of its
/// RAM, which is more than the group may have. It prints who is in what state, and must come to its end.
/// </summary>
internal static class OvercommitProgram
{
    /// <summary>The argument that leads here.</summary>
    public const string Argument = "overcommit";

    private const int Clones = 200;
    private const long Memory = 4L << 30;

    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);
    private static readonly CancellationToken s_none = CancellationToken.None;

    public static void Run(string folder)
    {
        using MemoryBackends backends = new(_ => null);
        using GuestHost host = new(backends);
        string template = Path.Combine(folder, "t");
        host.Start(new GuestOptions { Name = "source", Memory = Memory }, s_none);
        host.WaitForText("source", "GUEST-UP", s_patience, s_none);
        host.Checkpoint("source", new CheckpointOptions { Path = template }, null, s_none);
        host.Stop("source");
        Console.WriteLine($"reserve: {backends.MemoryReserve >> 20}");

        string[] clones = [.. Enumerable.Range(0, Clones).Select(number => $"c{number}")];
        Array.ForEach(clones, clone => host.Start(new GuestOptions { Name = clone, Template = template }, s_none));
        Array.ForEach(clones, clone => host.WaitForText(clone, "TICK ", s_patience, s_none));
        host.WriteConsole("c7", "touch 1000000\r");
        host.WaitForState("c7", GuestState.Suspended, s_patience, s_none);

        Console.WriteLine($"c7: {host.Get("c7").State}: {host.Get("c7").SuspendReason}");
        Console.WriteLine($"own: {host.Measure("c7", detailed: false).OwnBytes >> 20}");
        foreach (string clone in clones)
        {
            if (clone != "c7" && !Answers(host, clone))
            {
                Console.WriteLine($"{clone}: {host.Get(clone).State}: {host.Get(clone).SuspendReason ?? "silent"}");
            }
        }

        Console.WriteLine("end");
    }

    private static bool Answers(GuestHost host, string clone)
    {
        long position = host.WriteConsole(clone, "check\r");
        return host.WaitForOutput(
            clone, new ConsoleExpectation { Pattern = "check: ok ", From = position }, s_patience, s_none) is not null;
    }
}
