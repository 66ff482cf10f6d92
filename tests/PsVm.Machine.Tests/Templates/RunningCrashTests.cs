using PsVm.Machine.Guests;
using PsVm.Machine.Templates;
using PsVm.Machine.Tests.Support;
using PsVm.Memory;
using PsVm.Memory.Tests.Support;
using Xunit.Abstractions;

namespace PsVm.Machine.Tests.Templates;

/// <summary>
/// A process that is killed while it checkpoints a guest that writes all the time leaves the old template or the new one, and others as
/// they were.
/// </summary>
public sealed class RunningCrashTests(ITestOutputHelper output) : TemplateTest
{
    /// <summary>The first argument that leads to <see cref="CheckpointForEver"/>.</summary>
    public const string Argument = "checkpoint-for-ever";

    private const int Harts = 2;
    private const int LongestWait = 120;
    private const int MostKills = 400;
    private const string Shared = "shared", Anonymous = "anonymous", Differential = "differential", Plain = "plain";

    private static readonly int s_kills = Kills(8);

    private static WriterGuest Writer => new(Harts, pages: 768);

    [SkippableTheory]
    [InlineData(Anonymous)]
    [InlineData(Shared)] // where blocks are shared with the template
    [InlineData(Differential)] // of which a differential template is made
    [InlineData(Plain)] // a file system without flags of renames, and of a template that is always replaced
    public void Whenever_the_maker_of_a_template_was_killed_one_is_there_and_whole(string kind)
    {
        using TestFolder folder = new();
        using Mounted? mount = kind == Shared ? PsVm.Memory.Tests.Support.Host.MountNew(folder, "xfs", 400 << 20) : null;
        string place = mount?.Path ?? Folder, path = Path.Combine(place, "t");
        Random random = new(kind.Length);
        int found = 0, cutShort = 0, aside = 0;
        bool wasThere = false;
        try
        {
            for (int kill = 0; kill < s_kills || ((cutShort == 0 || found == 0) && kill < MostKills); kill++)
            {
                // Half of them find one to replace.
                if (kill % 2 == 0 && kind != Plain && Directory.Exists(path))
                {
                    GuestTemplates.Remove(path);
                    wasThere = false;
                }

                KillProgram(random.Next(LongestWait * (1 + (kill / s_kills))), Argument, kind, place);
                cutShort += Directory.GetDirectories(place, ".t.*.partial").Length;
                TemplateLeftovers.Sweep(path, FolderCalls.Kernel);
                Assert.Empty(Directory.GetDirectories(place, ".t.*"));
                string[] there = [.. Directory.GetDirectories(place, "t*").Order(StringComparer.Ordinal)];
                Assert.True(there.Length > 0 || !wasThere, "what was there is lost");
                wasThere = there.Length > 0;
                foreach (string template in there)
                {
                    found++;
                    aside += template == path ? 0 : 1;
                    AssertWhole(template);
                }

                if (Directory.Exists(Path.Combine(place, "base")))
                {
                    AssertWhole(Path.Combine(place, "base"));
                }

                // One that was kept aside takes its place again, unless a new one has.
                foreach (string template in there.Where(template => template != path))
                {
                    if (Directory.Exists(path))
                    {
                        GuestTemplates.Remove(template);
                    }
                    else
                    {
                        new TemplateHost().Move(template, new TemplateCopyOptions { Destination = path }, null, CancellationToken.None);
                    }
                }
            }
        }
        finally
        {
            Host.Dispose(); // before its RAM is unmounted
            Backends.Dispose();
        }

        output.WriteLine($"{found} found, {cutShort} cut short, {aside} aside");
        Assert.NotEqual(0, found);
        Assert.NotEqual(0, cutShort);
    }

    /// <summary>The helper process.</summary>
    internal static void CheckpointForEver(string kind, string folder)
    {
        using MemoryBackends backends = new();
        using GuestHost host = new(backends) { FolderCalls = kind == Plain ? new PlainFileSystem() : FolderCalls.Kernel };
        string kernel = Path.Combine(folder, "kernel"), ram = Path.Combine(folder, "ram"), below = Path.Combine(folder, "base");
        string path = Path.Combine(folder, "t");
        File.WriteAllBytes(kernel, Writer.ToKernel());
        if (kind == Shared)
        {
            using FileStream file = File.Open(ram, FileMode.OpenOrCreate);
            file.SetLength(Writer.Memory);
        }

        backends.Create(new MemoryBackendOptions
        {
            Id = "ram",
            Kind = kind == Shared ? BackendKind.File : BackendKind.Anonymous,
            Path = kind == Shared ? ram : null,
            Size = Writer.Memory,
            Share = kind == Shared,
        });
        string guest = host.Start(new GuestOptions { Kernel = kernel, BackendIds = ["ram"], Harts = Harts }, CancellationToken.None).Name;
        Await(host, guest);
        if (kind == Differential)
        {
            if (!Directory.Exists(below))
            {
                host.Checkpoint(guest, new CheckpointOptions { Path = below }, null, CancellationToken.None);
            }

            host.Stop(guest);
            guest = host.Start(new GuestOptions { Template = below }, CancellationToken.None).Name;
            Await(host, guest);
        }

        // The first one is slow, since all code is new; it goes elsewhere.
        CheckpointOptions options = new() { Path = path, Force = true, Differential = kind == RunningCrashTests.Differential };
        GuestTemplates.Remove(
            host.Checkpoint(guest, options with { Path = Path.Combine(folder, "first") }, null, CancellationToken.None).Path);
        Console.WriteLine(Program.Ready);
        while (true)
        {
            host.Checkpoint(guest, options, null, CancellationToken.None);
        }
    }

    private static void Await(GuestHost host, string guest)
    {
        long wanted = host.Get(guest).Instructions + (Writer.Memory / 4096 * 4 * 10);
        while (host.Get(guest).Instructions < wanted)
        {
            Thread.Sleep(5);
        }
    }

    /// <summary>The template passes all tests, is of one moment, and a guest of it runs.</summary>
    private void AssertWhole(string template)
    {
        Assert.Empty(GuestTemplates.Test(template, verify: true).Errors);
        string clone = Clone(new GuestOptions { Template = template });
        Await(Host, clone);
        Host.Suspend(clone);
        MemoryBackend ram = Backends.List().Single(backend => backend.Info.Guest == clone);
        CheckRam(ram);
        End(clone);
    }

    // Safety: the backend lives, and its guest is suspended.
    private static unsafe void CheckRam(MemoryBackend ram) => Writer.Check(new ReadOnlySpan<byte>((byte*)ram.Address, (int)ram.Size));
}
