using System.Security.Cryptography;
using PsVm;
using PsVm.Machine.Guests;
using PsVm.Memory;
using PsVm.Memory.Options;

// One RAM file, four guests: the first writes it through a shared mapping, three more start from it on private mappings.

if (!OperatingSystem.IsLinux())
{
    Console.Error.WriteLine("PsVm maps guest RAM on Linux only.");
    return 1;
}

const long Memory = 64 << 20;
TimeSpan patience = TimeSpan.FromMinutes(1);

string folder = Directory.CreateTempSubdirectory("psvm-quickstart-").FullName;
string ramFile = Path.Combine(folder, "ram.img");
using var backends = new MemoryBackends();
using var host = new GuestHost(backends);
try
{
    Title("How the file of a backend is opened, and why");
    bool[] switches = [false, true];
    PrintTable(
        ["Share", "ReadOnly", "FileAccessMode", "Opened", "Reason"],
        from share in switches
        from readOnly in switches
        from mode in Enum.GetValues<FileAccessMode>()
        let options = new MemoryBackendOptions { Path = ramFile, Size = Memory, Share = share, ReadOnly = readOnly, FileAccessMode = mode }
        let decision = AccessModeResolver.Resolve(options, isHugeTlb: false, denyPrivateDiscard: false)
        select new object[] { share, readOnly, mode, decision.Mode?.ToString() ?? "(error)", decision.Reason });

    Title("A guest on a shared mapping writes into the file");
    var outcomes = new List<MappingOutcome> { Start("first", share: true) };
    Obey("first", "check", "off");
    host.Remove("first");
    backends.Remove("first");

    Title("Three guests on private mappings of the file, which is read-only from now on");
    File.SetUnixFileMode(ramFile, UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
    string before = Digest();
    string[] clones = ["one", "two", "three"];
    outcomes.AddRange(clones.Select(name => Start(name, share: false)));
    for (int i = 0; i < clones.Length; i++)
    {
        Obey(clones[i], $"touch {100 * (i + 1)}", "check", "off");
    }

    Title("What was mapped, and what each guest wrote for itself");
    PrintTable(
        ["Backend", "Share", "Asked", "Opened", "Flags of open", "Flags of mmap", "Own KiB", "Reason"],
        outcomes.Select(o => new object[]
        {
            o.Id, o.Share, o.RequestedMode, o.EffectiveMode, o.OpenFlags, o.MapFlags,
            backends.TryGet(o.Id)?.Measure().Own / 1024 ?? (object)"-", o.Reason,
        }));
    foreach (BackendWarning warning in outcomes.SelectMany(o => o.Warnings))
    {
        Console.WriteLine(warning);
    }

    Title("The file");
    string after = Digest();
    Console.WriteLine($"SHA-256 before the three guests: {before}");
    Console.WriteLine($"SHA-256 after them:              {after}");
    Console.WriteLine(before == after ? "The file is unchanged." : "THE FILE HAS CHANGED.");
    return before == after ? 0 : 1;
}
finally
{
    Directory.Delete(folder, recursive: true);
}

// Maps the file as the backend of a guest with the same name and boots the embedded guest on it.
MappingOutcome Start(string name, bool share)
{
    MemoryBackend backend = backends.Create(new MemoryBackendOptions { Id = name, Path = ramFile, Size = Memory, Share = share });
    host.Start(new GuestOptions { Name = name, BackendIds = [backend.Id] }, CancellationToken.None);
    return backend.Outcome;
}

// Types commands, the last of which is off, and prints the whole console once the guest has obeyed.
void Obey(string name, params string[] commands)
{
    if (!host.WaitForText(name, "GUEST-UP", patience, CancellationToken.None))
    {
        throw new TimeoutException($"Guest {name} is not up: {host.Get(name).StopReason ?? "no answer"}");
    }

    host.WriteConsole(name, string.Join('\r', commands) + '\r');
    if (!host.WaitForState(name, GuestState.Stopped, patience, CancellationToken.None))
    {
        throw new TimeoutException($"Guest {name} does not stop: {host.Get(name).StopReason ?? "no answer"}");
    }

    foreach (string line in host.ReadConsole(name, 0).Text.Split("\r\n", StringSplitOptions.RemoveEmptyEntries))
    {
        Console.WriteLine($"{name,-6}| {line}");
    }
}

string Digest()
{
    using FileStream file = File.OpenRead(ramFile);
    return Convert.ToHexStringLower(SHA256.HashData(file));
}

static void Title(string text) => Console.WriteLine($"\n== {text}\n");

static void PrintTable(string[] headers, IEnumerable<object[]> rows)
{
    string[][] lines = [headers, .. rows.Select(row => row.Select(cell => $"{cell}").ToArray())];
    int[] widths = [.. headers.Select((_, column) => lines.Max(line => line[column].Length))];
    foreach (string[] line in lines)
    {
        Console.WriteLine(string.Join("  ", line.Select((cell, column) => cell.PadRight(widths[column]))).TrimEnd());
    }
}
