using System.Text;
using PsVm.Machine.Guests;
using PsVm.Memory;
using PsVm.Riscv.Tests;

namespace PsVm.Fuzz.Targets;

/// <summary>
/// Guests with a device of each kind, whose kernels store anything to all of the board without end, and an operator who does anything with
/// them meanwhile: what he asks for is done, or refused with a documented error, and when they are gone nothing of theirs is left. Which of
/// it meets differs from run to run.
/// </summary>
internal sealed class LifeTarget : FuzzTarget
{
    private const long Memory = 16 << 20;
    private const string Base = "base";

    // What this process has for itself is about 70.
    private const int MostOpen = 200;

    private readonly DirectoryInfo _folder = Directory.CreateDirectory(Path.Combine("/dev/shm", $"psvm-fuzz-life-{Environment.ProcessId}"));
    private int _cases;

    /// <summary>Lives a little, so that .NET's compiling of all that counts for no case.</summary>
    public LifeTarget()
    {
        for (int life = 0; life < 8; life++)
        {
            Run(new Dice(life, life));
        }
    }

    public override void Run(Dice dice)
    {
        string folder = _folder.CreateSubdirectory($"{_cases++ % 4}").FullName;
        Directory.CreateDirectory(In(folder, "shared"));
        using (FileStream disk = File.Create(In(folder, "disk")))
        {
            disk.SetLength(1 << 20);
        }

        File.WriteAllBytes(In(folder, "kernel"), MonkeyProgram.Write(dice));
        List<string> did = [];
        try
        {
            Live(dice, folder, did);
            int open = Directory.GetFileSystemEntries("/proc/self/fd").Length;
            WrongException.ThrowIfNot(open < MostOpen, $"{open} descriptors are open without a guest");
        }
        catch (Exception failure) when (failure is not WrongException)
        {
            throw new InvalidOperationException($"{failure.Message} after {string.Join(", ", did)}", failure);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    public override void Dispose() => _folder.Delete(recursive: true);

    private static string In(string folder, string name) => Path.Combine(folder, name);

    private static void Live(Dice dice, string folder, List<string> did)
    {
        using MemoryBackends backends = new(_ => null);
        using GuestHost host = new(backends);
        Try(() => host.Start(First(dice, folder), CancellationToken.None));
        for (int acts = dice.Next(4, 16); acts > 0; acts--)
        {
            IReadOnlyList<GuestInfo> guests = host.List();
            if (guests.Count == 0)
            {
                return;
            }

            string guest = guests[dice.Next(guests.Count)].Name;
            int act = dice.Next(24);
            did.Add($"{act} of {guest}");
            using CancellationTokenSource patience = new();
            if (dice.OneIn(6))
            {
                patience.CancelAfter(dice.Next(20));
            }

            try
            {
                if (Try(() => Act(dice, host, guest, act, folder, patience.Token)) is { } refused)
                {
                    did.Add(refused.ErrorId);
                }
            }
            catch (OperationCanceledException) when (patience.IsCancellationRequested)
            {
                did.Add("given up");
            }

            Thread.Sleep(dice.Next(4));
        }

        foreach (GuestInfo left in host.List())
        {
            host.Stop(left.Name);
            host.Remove(left.Name);
        }

        WrongException.ThrowIfNot(host.List().Count == 0, "guests that were removed are there");
    }

    private static GuestOptions First(Dice dice, string folder) => new()
    {
        Name = Base,
        Memory = Memory,
        Kernel = In(folder, "kernel"),
        Harts = dice.Next(1, 4),
        MachineType = "virt-1.4",
        Balloon = dice.OneIn(4) ? null : true,
        Disks = dice.OneIn(4) ? [] : [Disk(dice, folder, "disk")],
        SharedFolders = dice.OneIn(4) ? [] : [new() { Path = In(folder, "shared"), Tag = "shared", ReadOnly = dice.OneIn(3) }],
        Networks = dice.OneIn(4) ? [] : [new() { Backend = NetworkBackend.Hub, Hub = "hub", Name = "net" }],
        ConsolePorts = dice.OneIn(4) ? [] : [new() { Name = "port" }],
        OwnMemoryLimit = dice.OneIn(4) ? 4 << 20 : null,
        CpuLimit = dice.OneIn(4) ? 0.25 : null,
        NoReboot = dice.OneIn(2),
    };

    private static GuestDiskOptions Disk(Dice dice, string folder, string name) => new()
    {
        Path = In(folder, "disk"),
        Name = name,
        Overlay = dice.Pick<DiskOverlay>([DiskOverlay.Memory, DiskOverlay.File]),
        OverlayPath = null,
    };

    private static void Act(Dice dice, GuestHost host, string guest, int act, string folder, CancellationToken stop)
    {
        string template = In(folder, $"template{dice.Next(2)}");
        switch (act)
        {
            case 0:
                host.Suspend(guest, stop);
                break;
            case 1:
                host.Resume(guest, stop);
                break;
            case 2 or 3 or 4:
                host.Reset(guest, dice.OneIn(2), stop);
                break;
            case 5 or 6 or 7:
                CheckpointOptions options = new() { Path = template, Force = true, Differential = dice.OneIn(3), Digest = dice.OneIn(4) };
                host.Checkpoint(guest, options, null, stop);
                break;
            case 8 or 9 or 10:
                long? limit = dice.OneIn(4) ? 2 << 20 : null;
                host.Start(new GuestOptions { Template = template, Lazy = dice.OneIn(4), OwnMemoryLimit = limit }, stop);
                break;
            case 11:
                host.Stop(guest, stop);
                break;
            case 12:
                host.StartAgain(guest, null, stop);
                break;
            case 13:
                host.SetMemoryTarget(guest, dice.Next(1, 17) << 20, stop);
                break;
            case 14:
                host.SharedFolders.Remove(guest, "shared", stop);
                break;
            case 15:
                host.SharedFolders.Add(guest, new GuestSharedFolderOptions { Path = In(folder, "shared"), Tag = "shared" }, stop);
                break;
            case 16:
                host.Networks.Remove(guest, "net", stop);
                break;
            case 17:
                host.Networks.Add(guest, new GuestNetworkOptions { Backend = NetworkBackend.Hub, Hub = "hub", Name = "net" }, stop);
                break;
            case 18:
                host.WriteConsole(guest, "hello\n", stop);
                host.ReadConsole(guest, 0, stop);
                break;
            case 19:
                host.Measure(guest, detailed: true, stop);
                host.GetDisks(guest, stop);
                host.SharedFolders.Get(guest, stop);
                break;
            case 20:
                using (CancellationTokenSource soon = CancellationTokenSource.CreateLinkedTokenSource(stop))
                {
                    soon.CancelAfter(10);
                    Task asked = dice.OneIn(2) ? host.Agents.RunAsync(guest, new GuestCommand("true"), null, soon.Token)
                        : host.Agents.WaitForAddressAsync(guest, TimeSpan.FromMilliseconds(5), soon.Token);
                    try
                    {
                        asked.GetAwaiter().GetResult();
                    }
                    catch (OperationCanceledException)
                    {
                        // Nobody answers.
                    }
                }

                break;
            case 21:
                host.Disks.Save(guest, "disk", null, stop);
                break;
            case 22:
                host.Disks.Reset(guest, "disk", stop);
                break;
            default:
                host.Stop(guest, stop);
                host.Remove(guest, stop);
                break;
        }
    }
}
