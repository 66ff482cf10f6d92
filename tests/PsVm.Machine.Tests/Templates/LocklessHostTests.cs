using System.Diagnostics;
using PsVm.Machine.Guests;
using PsVm.Machine.Templates;
using PsVm.Memory;
using PsVm.Memory.Tests.Support;

namespace PsVm.Machine.Tests.Templates;

/// <summary>
/// A kernel without locks of open files, as before Linux 3.15: in a process of its own, to which the kernel refuses them.
/// </summary>
public sealed class LocklessHostTests : TemplateTest
{
    /// <summary>The first argument that leads here.</summary>
    public const string Argument = "lockless";

    private const string Unavailable = "unavailable: ";

    private static readonly uint[] s_commands = [36, 37, 38]; // F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW

    /// <summary>What the helper process does: a line for each step.</summary>
    internal static void Work(string folder)
    {
        try
        {
            SystemCallFilter.Run(() => WorkWithoutLocks(folder), [.. s_commands.Select(command =>
                new RefusedCall(RefusedCall.Fcntl, RefusedCall.Invalid, (1, uint.MaxValue, command)))]);
        }
        catch (SkipException reason)
        {
            Console.WriteLine(Unavailable + reason.Message);
        }
    }

    private static void WorkWithoutLocks(string folder)
    {
        MemoryBackendOptions options = new() { Id = "ram", Path = Path.Combine(folder, "ram"), Size = Memory, Share = true };
        using MemoryBackends backends = new(_ => null);
        using GuestHost host = new(backends);
        File.WriteAllBytes(options.Path, new byte[Memory]);
        BackendReport report = backends.Test(options);
        IEnumerable<string> foretold = report.Errors.Select(error => error.Id).Concat(report.Warnings.Select(warning => warning.Id));
        Console.WriteLine($"foretold: {string.Join(", ", foretold)}");
        MemoryBackend ram = backends.Create(options);
        Console.WriteLine(string.Join(", ", ram.Outcome.Warnings.Select(warning => warning.Id)));
        backends.Create(options with { Id = "second" }).Dispose();
        host.Start(new GuestOptions { Name = "g", BackendIds = ["ram"] }, CancellationToken.None);
        host.WaitForText("g", "GUEST-UP", Patience, CancellationToken.None);
        CheckpointOptions checkpoint = new() { Path = Path.Combine(folder, "t"), UseRamFile = true };
        GuestTemplate template = host.Checkpoint("g", checkpoint, null, CancellationToken.None);
        Console.WriteLine($"template: {GuestTemplates.Test(template.Path).IsValid}");
        host.Start(new GuestOptions { Name = "clone", Template = template.Path }, CancellationToken.None);
        Console.WriteLine($"clone: {host.Get("clone").State}");
    }

    [SkippableFact]
    public void Guests_templates_and_clones_live_on_a_kernel_without_locks_and_are_warned()
    {
        using Process process = Process.Start(new ProcessStartInfo(
            "dotnet", ["exec", typeof(LocklessHostTests).Assembly.Location, Argument, Folder]) { RedirectStandardOutput = true })!;
        string[] lines = process.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        process.WaitForExit();
        Skip.If(
            lines is [var only] && only.StartsWith(Unavailable, StringComparison.Ordinal),
            $"system calls cannot be refused: {lines.FirstOrDefault()}");

        Assert.Equal(["foretold: LocksUnavailable", "LocksUnavailable", "template: True", "clone: Running"], lines);
        Assert.Equal(0, process.ExitCode);
    }
}
