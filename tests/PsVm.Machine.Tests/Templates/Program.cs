using PsVm.Machine.Guests;
using PsVm.Machine.Templates;
using PsVm.Machine.Tests.Devices.Disks;
using PsVm.Machine.Tests.Overcommit;
using PsVm.Machine.Tests.RamFaults;
using PsVm.Machine.Tests.Templates.Lazy;
using PsVm.Machine.Tests.Templates.Travel;
using PsVm.Memory;

namespace PsVm.Machine.Tests.Templates;

/// <summary>
/// The helper process of tests that need one. For <see cref="CrashTests"/> it makes the same template again and again until it is killed.
/// </summary>
internal static class Program
{
    /// <summary>What it prints before it begins.</summary>
    public const string Ready = "ready";

    public static void Main(string[] arguments)
    {
        if (arguments is [RamFaultProgram.Argument, var scenario, var folder, var option])
        {
            RamFaultProgram.Run(scenario, folder, option);
            return;
        }

        if (arguments is [OvercommitProgram.Argument, var place])
        {
            OvercommitProgram.Run(place);
            return;
        }

        if (arguments is [RamFileLockTests.Argument, var file, var besideOthers])
        {
            RamFileLockTests.HoldRamFile(file, bool.Parse(besideOthers));
            return;
        }

        if (arguments is [LocklessHostTests.Argument, var folderOfFiles])
        {
            LocklessHostTests.Work(folderOfFiles);
            return;
        }

        if (arguments is [MergeCrashTests.Argument, var top, var destination])
        {
            MergeCrashTests.MergeForEver(top, destination);
            return;
        }

        if (arguments is [VerifiedCacheTests.Argument, var copied])
        {
            VerifiedCacheTests.StartOnce(copied);
            return;
        }

        if (arguments is [RunningCrashTests.Argument, var kind, var folderOfMade])
        {
            RunningCrashTests.CheckpointForEver(kind, folderOfMade);
            return;
        }

        if (arguments is [LazyCrashTests.Argument, var copiedTemplate, var folderOfCopies])
        {
            LazyCrashTests.StartForEver(copiedTemplate, folderOfCopies);
            return;
        }

        if (arguments is [TravelCrashTests.Argument, var folderOfTemplates, var hasFlags])
        {
            TravelCrashTests.Travel(folderOfTemplates, bool.Parse(hasFlags));
            return;
        }

        if (arguments is [LinuxDiskTests.Argument, var kernel, var initrd, var image, var overlay])
        {
            LinuxDiskTests.Write(kernel, initrd, image, overlay);
            return;
        }

        if (arguments is [FileOverlayTests.Argument, var under, var over])
        {
            FileOverlayTests.WriteForEver(under, over);
            return;
        }

        using MemoryBackends backends = new();
        using GuestHost host = new(backends);
        string guest = host.Start(new GuestOptions { Memory = 4 << 20 }, CancellationToken.None).Name;
        host.WaitForText(guest, "GUEST-UP", Timeout.InfiniteTimeSpan, CancellationToken.None);

        // The first one is slow, since all code is new; it goes elsewhere.
        GuestTemplate first = host.Checkpoint(
            guest, new CheckpointOptions { Path = arguments[0] + ".first" }, null, CancellationToken.None);
        GuestTemplates.Remove(first.Path);
        Console.WriteLine(Ready);
        while (true)
        {
            host.Checkpoint(guest, new CheckpointOptions { Path = arguments[0], Force = true }, null, CancellationToken.None);
        }
    }
}
