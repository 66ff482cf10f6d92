using System.Globalization;
using PsVm.Machine.Board;
using PsVm.Machine.Guests;
using PsVm.Machine.Tests.Support;
using PsVm.Memory;
using PsVm.Riscv;
using PsVm.Riscv.Tests;

namespace PsVm.Machine.Tests.RamFaults;

/// <summary>
/// The helper process of <see cref="RamFaultTests"/>: runs guests, takes pages away from the RAM of some, and prints a line for each that
/// failed, is alive, or gave an error. It must come to its end.
/// </summary>
internal sealed class RamFaultProgram : IDisposable
{
    /// <summary>The first argument that leads here.</summary>
    public const string Argument = "ram-faults";

    private const long Memory = 8 << 20;
    private const ulong DebugConsole = 0x4442434e, HartState = 0x48534d;
    private const ulong Victim = MemoryMap.RamStart + Memory - 0x20_0000;

    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);
    private static readonly CancellationToken s_none = CancellationToken.None;

    private readonly string _folder;
    private readonly MemoryBackends _backends = new(_ => null);
    private readonly GuestHost _host;

    private RamFaultProgram(string folder, bool translate)
    {
        _folder = folder;
        _host = new GuestHost(_backends, translate ? TranslatorOptions.Default : TranslatorOptions.Off);
    }

    public static void Run(string scenario, string folder, string option)
    {
        using RamFaultProgram program = new(folder, option != "interpreted");
        switch (scenario)
        {
            case "truncated":
                program.FourGuests(share: option != "private", path => SetLength(path, 0), "check");
                break;
            case "full":
                program.FourGuests(share: true, _ => program.FillFileSystem(), "touch 1500");
                break;
            case "memory-error":
                program.FourGuests(share: true, _ => program.LoseMemory(option), "check");
                break;
            case "no-huge-page":
                program.FourGuests(share: true, _ => program.TakeHugePages(), "touch 1500");
                break;
            case "prealloc":
                program.Preallocate();
                break;
            case "unlinked":
                program.FourGuests(share: true, File.Delete, "touch 1500");
                break;
            case "rom":
                program.ReadOnlyMemory();
                break;
            case "harts":
                program.FourHarts();
                break;
            case "thousand":
                program.ManyFaults(int.Parse(option, CultureInfo.InvariantCulture));
                break;
            case "loader":
                program.Loader();
                break;
            case "sbi":
                program.FirmwareCall();
                break;
            case "checkpoint":
                program.CheckpointOfHeldGuest();
                break;
            case "checkpoint-running":
                program.CheckpointOfRunningGuest(share: option == "shared");
                break;
            case "clones":
                program.Clones();
                break;
            default:
                throw new ArgumentException(scenario);
        }

        Console.WriteLine("end");
    }

    public void Dispose()
    {
        _host.Dispose();
        _backends.Dispose();
    }

    /// <summary>Four embedded guests, each with a file; the third one's is harmed, and the third guest is given something to do.</summary>
    private void FourGuests(bool share, Action<string> harm, string command)
    {
        string[] guests = [.. Enumerable.Range(0, 4).Select(number => Boot($"g{number}", share))];
        harm(In("g2"));
        TryType("g2", command);
        _host.WaitForState("g2", GuestState.Failed, TimeSpan.FromSeconds(harm == File.Delete ? 2 : 60), s_none);
        foreach (string guest in guests)
        {
            Tell(guest);
        }
    }

    /// <summary>Has the kernel find an error in a page of the third guest, or say that it did where it cannot be asked to.</summary>
    private void LoseMemory(string way)
    {
        nint page = _backends.Get("g2").Address + (nint)(Victim - MemoryMap.RamStart);
        if ((way == "real" ? HostMemoryError.Inject(page) : HostMemoryError.Announce(page)) is { } refusal)
        {
            Console.WriteLine($"unavailable: {refusal}");
            Environment.Exit(0);
        }
    }

    /// <summary>Discards half of the third guest's huge pages, and takes those and all others that are free.</summary>
    private void TakeHugePages()
    {
        const long huge = 2 << 20;
        const string pool = "/sys/kernel/mm/hugepages/hugepages-2048kB";
        _backends.Get("g2").Discard(Memory / 2, Memory / 2);
        long free = Number("free_hugepages") - Number("resv_hugepages");
        _backends.Create(new MemoryBackendOptions { Path = In("filler"), Size = free * huge, Share = true, Prealloc = true });

        static long Number(string name) => long.Parse(File.ReadAllText(Path.Combine(pool, name)), CultureInfo.InvariantCulture);
    }

    private void ReadOnlyMemory()
    {
        File.WriteAllBytes(In("rom"), new byte[Memory]);
        _backends.Create(new MemoryBackendOptions { Id = "ram", Size = Memory });
        _backends.Create(new MemoryBackendOptions { Id = "rom", Path = In("rom"), Size = Memory, ReadOnly = true });
        StartKernel("g", 1, Loop(MemoryMap.RamStart + Memory, 1), "ram", "rom");
        Thread.Sleep(20);
        SetLength(In("rom"), 0);
        Await("g");
    }

    /// <summary>Harts that all walk over the same pages when these go.</summary>
    private void FourHarts()
    {
        Boot("honest", share: true);
        for (int round = 0; round < 20; round++)
        {
            string name = $"g{round}";
            string backend = NewBackend(name, share: round % 2 == 0);
            StartKernel(name, 4, OnAllHarts(4), backend);
            Thread.Sleep(20);
            SetLength(In(name), 0x30_0000);
            Await(name);
        }

        Tell("honest");
    }

    private void ManyFaults(int count)
    {
        string[] honest = [.. Enumerable.Range(0, 3).Select(number => Boot($"honest{number}", share: true))];
        byte[] program = Loop(Victim, 1);
        int failed = 0;
        for (int round = 0; round < count; round++)
        {
            string name = $"g{round}";
            string backend = NewBackend(name, share: round % 2 == 0);
            StartKernel(name, 1, program, backend);
            SetLength(In(name), 0x30_0000);
            bool inTime = _host.WaitForState(name, GuestState.Failed, s_patience, s_none);
            GuestInfo guest = _host.Get(name);
            failed += inTime && guest.StopReason!.Contains(In(name), StringComparison.Ordinal) ? 1 : 0;
            if (!inTime)
            {
                _host.Stop(name);
            }

            _host.Remove(name);
            _backends.Remove(backend);
            File.Delete(In(name));
        }

        Console.WriteLine($"failed: {failed} of {count}");
        Array.ForEach(honest, Tell);
    }

    /// <summary>What is foretold and done where memory is limited to less than is asked for.</summary>
    private void Preallocate()
    {
        MemoryBackendOptions options = new() { Size = 1L << 30, Prealloc = true };
        Console.WriteLine(string.Join(", ", _backends.Test(options).Errors));
        Try("create", () => _backends.Create(options));
    }

    private void Loader()
    {
        Boot("honest", share: true);
        string backend = NewBackend("g", share: true);
        SetLength(In("g"), 0);
        Try("start", () => StartKernel("g", 1, GuestProgram.Spin, backend));
        Try("again", () => StartKernel("g", 1, GuestProgram.Spin, backend));
        _backends.Remove(backend);
        Tell("honest");
    }

    /// <summary>A guest that has the built-in SBI print what is not there.</summary>
    private void FirmwareCall()
    {
        Boot("honest", share: true);
        NewBackend("block", share: true);
        _backends.Create(new MemoryBackendOptions { Id = "ram", Size = Memory });
        GuestProgram program = new();
        int loop = program.Here;
        program.Call(DebugConsole, 0, 8, MemoryMap.RamStart + Memory + 0x10_0000, 0).Jump(loop);
        StartKernel("g", 1, program.ToKernel(), "ram", "block");
        Thread.Sleep(20);
        SetLength(In("block"), 0);
        Await("g");
        Tell("honest");
    }

    private void CheckpointOfHeldGuest()
    {
        Boot("honest", share: true);
        Boot("g", share: false);
        _host.Suspend("g");
        SetLength(In("g"), 0);
        Try("checkpoint", () => _host.Checkpoint("g", new CheckpointOptions { Path = In("template") }, null, s_none));
        Await("g");
        Console.WriteLine($"template: {Directory.Exists(In("template"))}");
        Tell("honest");
    }

    /// <summary>The guest runs, and dies of its RAM while that is copied.</summary>
    private void CheckpointOfRunningGuest(bool share)
    {
        Boot("honest", share: true);
        NewBackend("g", share);
        StartKernel("g", 1, Loop(Victim, 64), "g");
        using ManualResetEventSlim isCopying = new(), goOn = new();
        Task checkpoint = Task.Run(() => Try("checkpoint", () => _host.Checkpoint(
            "g",
            new CheckpointOptions { Path = In("template") },
            new Reported(_ =>
            {
                isCopying.Set();
                goOn.Wait();
            }),
            s_none)));
        isCopying.Wait();
        SetLength(In("g"), 0);
        goOn.Set();
        checkpoint.Wait();
        Await("g");
        Console.WriteLine($"template: {Directory.Exists(In("template"))}");
        Tell("honest");
    }

    /// <summary>Fifty clones of a template, of which ten run when its file is truncated.</summary>
    private void Clones()
    {
        Boot("honest", share: true);
        NewBackend("origin", share: true);
        StartKernel("origin", 1, Loop(Victim, 1), "origin");
        _host.Checkpoint("origin", new CheckpointOptions { Path = In("template") }, null, s_none);
        string[] clones = [.. Enumerable.Range(0, 50).Select(number => $"c{number}")];
        foreach (string clone in clones)
        {
            _host.Start(new GuestOptions { Name = clone, Template = In("template") }, s_none);
            if (!clone.EndsWith('0') && !clone.EndsWith('5'))
            {
                _host.Suspend(clone);
            }
        }

        string ram = Path.Combine(In("template"), "ram0.bin");
        File.SetUnixFileMode(ram, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        SetLength(ram, 0);
        foreach (string clone in clones.Where(clone => clone.EndsWith('0') || clone.EndsWith('5')))
        {
            Await(clone);
        }

        Console.WriteLine($"suspended: {clones.Count(clone => _host.Get(clone).State == GuestState.Suspended)}");
        Console.WriteLine($"origin: {_host.Get("origin").State}");
        Tell("honest");
    }

    private string In(string name) => Path.Combine(_folder, name);

    /// <summary>A backend on a sparse file of its own.</summary>
    private string NewBackend(string name, bool share)
    {
        string path = In(name);
        using (FileStream file = File.Create(path))
        {
            file.SetLength(Memory);
        }

        return _backends.Create(new MemoryBackendOptions { Id = name, Path = path, Size = Memory, Share = share, Reserve = false }).Id;
    }

    private string Boot(string name, bool share)
    {
        _host.Start(new GuestOptions { Name = name, BackendIds = [NewBackend(name, share)] }, s_none);
        return _host.WaitForText(name, "GUEST-UP", s_patience, s_none) ? name : throw new TimeoutException(name);
    }

    private void StartKernel(string name, int harts, byte[] kernel, params string[] backends)
    {
        string path = In($"{name}.kernel");
        File.WriteAllBytes(path, kernel);
        _host.Start(new GuestOptions { Name = name, Kernel = path, BackendIds = [.. backends], Harts = harts }, s_none);
        File.Delete(path);
    }

    /// <summary>Loads from one page after the other, for ever.</summary>
    private static byte[] Loop(ulong start, ulong pages) => AddLoop(new GuestProgram(), start, pages).ToKernel();

    private static GuestProgram AddLoop(GuestProgram program, ulong start, ulong pages)
    {
        int again = program.Here;
        program.Load(Asm.T0, start).Load(Asm.T1, 4096).Load(Asm.T2, start + (4096 * pages));
        int loop = program.Here;
        return program.Emit(Asm.Ld(Asm.A0, Asm.T0, 0), Asm.Add(Asm.T0, Asm.T0, Asm.T1)).JumpIfDifferent(Asm.T0, Asm.T2, loop).Jump(again);
    }

    /// <summary>The same loop on several harts: the first one starts the others where it goes on itself.</summary>
    private static byte[] OnAllHarts(int harts)
    {
        const int loop = 200;
        GuestProgram program = new();
        ulong start = program.Address + (4 * loop);
        for (int hart = 1; hart < harts; hart++)
        {
            program.Call(HartState, 0, (ulong)hart, start, 0);
        }

        program.PadTo(loop);
        return AddLoop(program, Victim, 64).ToKernel();
    }

    private static void SetLength(string path, long length)
    {
        using FileStream file = new(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        file.SetLength(length);
    }

    private void FillFileSystem()
    {
        using FileStream file = new(In("filler"), FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
        byte[] bytes = new byte[1 << 20];
        for (int length = bytes.Length; length >= 4096; length /= 2)
        {
            try
            {
                while (true)
                {
                    file.Write(bytes, 0, length);
                }
            }
            catch (IOException)
            {
                // Full, but for less than that.
            }
        }
    }

    private void TryType(string guest, string command)
    {
        try
        {
            _host.WriteConsole(guest, command + "\r");
        }
        catch (GuestException)
        {
            // Failed already: it ticks.
        }
    }

    private void Await(string guest)
    {
        _host.WaitForState(guest, GuestState.Failed, s_patience, s_none);
        Tell(guest);
    }

    /// <summary>Prints whether a guest failed, or answers.</summary>
    private void Tell(string guest)
    {
        GuestInfo info = _host.Get(guest);
        if (info.State != GuestState.Running)
        {
            Console.WriteLine($"{info.State}: {guest}: {info.StopReason}");
            return;
        }

        long position = _host.ReadConsole(guest, 0).NextPosition;
        TryType(guest, "check");
        SpinWait.SpinUntil(
            () => _host.ReadConsole(guest, position).Text.Contains("\ncheck: ok ", StringComparison.Ordinal)
                || _host.Get(guest).State != GuestState.Running,
            s_patience);
        bool answers = _host.ReadConsole(guest, position).Text.Contains("\ncheck: ok ", StringComparison.Ordinal);
        Console.WriteLine($"{_host.Get(guest).State}: {guest}: {(answers ? "answers" : "is silent")}");
    }

    private static void Try(string what, Action action)
    {
        try
        {
            action();
            Console.WriteLine($"{what}: done");
        }
        catch (PsVmException error)
        {
            Console.WriteLine($"{what}: {error.ErrorId}: {error.Message}");
        }
    }
}
