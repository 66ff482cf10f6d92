using System.Text.Json;
using PsVm.Riscv.Tests;

namespace PsVm.Fuzz;

/// <summary>Runs cases of one target in this process, and tells of findings, one JSON text a line.</summary>
internal static class Worker
{
    /// <summary>The word on the command line that asks for a worker.</summary>
    public const string Command = "worker";

    /// <summary>A case may allocate so much.</summary>
    public const long MostBytes = 1L << 30;

    /// <summary>After so many findings a target is given up.</summary>
    public const int MostFindings = 10;

    private const int CasesPerLookAtMemory = 1024;

    public static void Run(FuzzOptions options, TextWriter output)
    {
        using Beacon beacon = new(options.Beacon!);
        beacon.Case = Beacon.SettingUp;
        using FuzzTarget target = FuzzTargets.Find(options.Target!).Make();
        int findings = 0;
        for (int number = options.First; number < options.First + options.Cases && findings < MostFindings; number++)
        {
            beacon.Case = number;
            if (RunCase(target, options.Seed, number) is var (kind, what))
            {
                findings++;
                output.WriteLine(JsonSerializer.Serialize(new Finding(options.Target!, options.Seed, number, kind, what)));
                output.Flush();
            }
        }
    }

    private static (string Kind, string What)? RunCase(FuzzTarget target, int seed, int number)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            target.Run(new Dice(seed, number));
        }
        catch (WrongException wrong)
        {
            return ("wrong", wrong.Message);
        }
        catch (OutOfMemoryException error)
        {
            return ("memory", error.ToString());
        }
        catch (Exception error)
        {
            return ("error", error.ToString());
        }

        long bytes = GC.GetAllocatedBytesForCurrentThread() - before;
        if (bytes > MostBytes)
        {
            return ("memory", $"{bytes} bytes allocated");
        }

        return number % CasesPerLookAtMemory == 0 && Environment.WorkingSet is var held and > MostBytes
            ? ("memory", $"{held} bytes in memory after this case")
            : null;
    }
}
