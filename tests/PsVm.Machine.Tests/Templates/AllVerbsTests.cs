using System.Globalization;
using System.Reflection;
using PsVm.Machine.Templates;
using PsVm.Memory;

namespace PsVm.Machine.Tests.Templates;

/// <summary>Everything that operators do, by chance, from many threads, to a few guests and templates of the same names.</summary>
public sealed class AllVerbsTests : TemplateTest
{
    private const int Threads = 8, Names = 5, Places = 4;

    private static readonly HashSet<string> s_known =
    [
        .. typeof(GuestErrorIds).GetFields().Concat(typeof(MemoryErrorIds).GetFields())
            .Where(field => field.IsLiteral).Select(field => (string)field.GetRawConstantValue()!),
    ];

    private readonly TemplateHost _templates = new();
    private readonly Dictionary<string, int> _done = [];
    private readonly List<string> _wrong = [];
    private GuestTemplate _base = null!, _delta = null!;

    // For longer by hand: PSVM_TEST_SECONDS=60.
    private static TimeSpan Time => TimeSpan.FromSeconds(
        int.TryParse(Environment.GetEnvironmentVariable("PSVM_TEST_SECONDS"), CultureInfo.InvariantCulture, out int seconds) ? seconds : 5);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Fail_with_errors_that_are_documented_and_leave_nothing(int seed)
    {
        _base = MakeTemplate("base");
        string clone = Clone(_base);
        Ask(clone, "touch 20", "touch: ");
        _delta = Make(clone, new CheckpointOptions { Path = At("delta"), Differential = true });
        End(clone);
        string[] kept = [.. new[] { _base, _delta }.SelectMany(template => Directory.GetFiles(template.Path)).Order()];
        string[] before = [.. kept.Select(Sha256)];

        using CancellationTokenSource over = new(Time);
        Thread[] threads =
        [
            .. Enumerable.Range(0, Threads).Select(number => new Thread(() => Work(new Random((seed * 1000) + number), over.Token))),
        ];
        Array.ForEach(threads, thread => thread.Start());
        foreach (Thread thread in threads)
        {
            Assert.True(thread.Join(Time + Patience), $"a thread hangs; done: {string.Join(", ", _done)}");
        }

        Assert.True(_wrong.Count == 0, string.Join("\n", _wrong.Take(3)));
        Assert.Equal(before, kept.Select(Sha256));
        foreach (GuestPool pool in Host.Pools.List())
        {
            Host.Pools.Remove(pool.Name);
        }

        foreach (GuestInfo guest in Host.List())
        {
            End(guest.Name);
        }

        Assert.Empty(Backends.List());
        foreach (TemplateReport report in GuestTemplates.List(Folder).Select(found => GuestTemplates.Test(found.Path, verify: true)))
        {
            if (report.IsValid)
            {
                End(Clone(new GuestOptions { Template = report.Path }));
            }
        }

        // The folder's name is in no mapping and no descriptor any more.
        Assert.True(SpinWait.SpinUntil(() => !Held().Any(), Patience), string.Join("\n", Held()));
        Assert.Empty(GuestTemplates.Leftovers(Folder));
        Assert.Empty(Directory.GetDirectories(Folder, ".*"));
    }

    private IEnumerable<string> Held() => File.ReadLines("/proc/self/maps")
        .Concat(Directory.GetFiles("/proc/self/fd").Select(fd => new FileInfo(fd).LinkTarget ?? string.Empty))
        .Where(line => line.Contains(Folder + "/", StringComparison.Ordinal));

    private void Work(Random random, CancellationToken over)
    {
        while (!over.IsCancellationRequested)
        {
            int verb = random.Next(24);
            try
            {
                using CancellationTokenSource soon = new();
                if (random.Next(8) == 0)
                {
                    soon.CancelAfter(random.Next(20));
                }

                Do(verb, random, soon.Token);
                Count($"{verb}");
            }
            catch (OperationCanceledException)
            {
                Count("cancelled");
            }
            catch (PsVmException error) when (s_known.Contains(error.ErrorId))
            {
                Count($"{verb}:{error.ErrorId}");
            }
            catch (Exception wrong)
            {
                lock (_done)
                {
                    _wrong.Add($"verb {verb}: {wrong}");
                }
            }
        }
    }

    private void Count(string what)
    {
        lock (_done)
        {
            _done[what] = _done.GetValueOrDefault(what) + 1;
        }
    }

    private void Do(int verb, Random random, CancellationToken stop)
    {
        string guest = $"g{random.Next(Names)}", place = At($"v{random.Next(Places)}");
        string other = At($"v{random.Next(Places)}"), pool = $"p{random.Next(2)}", archive = At($"a{random.Next(2)}.psvm");
        string template = random.Next(4) switch { 0 => _base.Path, 1 => _delta.Path, _ => place };
        switch (verb)
        {
            case 0 or 1 or 2:
                bool verify = random.Next(4) == 0;
                Host.Start(new GuestOptions { Name = guest, Template = template, Verify = verify, CpuWeight = random.Next(1, 500) }, stop);
                break;
            case 3:
                Host.Stop(guest, stop);
                break;
            case 4:
                Host.Stop(guest, stop);
                Host.Remove(guest, stop);
                break;
            case 5 or 6:
                Host.Reset(guest, random.Next(2) == 0, stop);
                break;
            case 7:
                Host.Suspend(guest, stop);
                break;
            case 8:
                Host.Resume(guest, stop);
                break;
            case 9 or 10:
                bool differential = random.Next(3) == 0;
                Host.Checkpoint(
                    guest, new CheckpointOptions { Path = place, Force = random.Next(3) > 0, Differential = differential }, null, stop);
                break;
            case 11:
                string hidden = Host.CheckpointHidden(guest, null, stop).Path;
                try
                {
                    Host.Start(new GuestOptions { Template = hidden, Name = $"g{random.Next(Names)}" }, stop);
                }
                finally
                {
                    Host.ReleaseHidden(hidden);
                }

                break;
            case 12:
                Host.StartAgain(guest, stop);
                break;
            case 13:
                Host.Change(guest, new GuestChange { Name = $"g{random.Next(Names)}", CpuLimit = random.Next(3), Notes = "n" }, stop);
                break;
            case 14:
                _ = Host.Measure([guest], random.Next(4) == 0, stop);
                _ = Host.Map(guest, 1 << 16, stop);
                _ = (Host.List(stop), Host.ReadConsole(guest, 0, stop), Host.ReadEvents(0, stop));
                break;
            case 15:
                _templates.Copy(template, new TemplateCopyOptions { Destination = place, Force = random.Next(2) == 0 }, null, stop);
                break;
            case 16:
                _templates.Move(place, new TemplateCopyOptions { Destination = other, Force = random.Next(2) == 0 }, null, stop);
                break;
            case 17:
                _templates.Compress(
                    place, new CompressOptions { Destination = random.Next(2) == 0 ? other : null, Force = true }, null, stop);
                break;
            case 18:
                _templates.Export(template, new TemplateExportOptions { Path = archive, Force = true }, null, stop);
                break;
            case 19:
                _templates.Import(
                    archive, new TemplateImportOptions { Folder = At($"in{random.Next(2)}"), Force = random.Next(2) == 0 }, null, stop);
                break;
            case 20:
                _templates.Remove(place, stop);
                break;
            case 21:
                _ = (_templates.Tree(Folder, stop), _templates.Needing(_base.Path, stop));
                _ = _templates.Test(template, random.Next(2) == 0, null, stop);
                break;
            case 22:
                switch (random.Next(3))
                {
                    case 0:
                        GuestOptions clones = new() { Template = template };
                        Host.Pools.Create(new GuestPoolOptions { Name = pool, Guest = clones, Size = 2, Grow = true }, null, stop);
                        break;
                    case 1:
                        Host.Start(new GuestOptions { Name = guest, Pool = pool }, stop);
                        _ = Host.Pools.List(stop);
                        break;
                    default:
                        Host.Pools.Remove(pool, stop);
                        break;
                }

                break;
            default:
                string? destination = random.Next(2) == 0 ? place : null;
                Host.Start(new GuestOptions { Name = guest, Template = _base.Path, Lazy = true, Destination = destination }, stop);
                _ = Host.RecordWorkingSet(guest, stop);
                foreach (MemoryBackend ram in Backends.List().Where(ram => ram.Info.Guest == guest))
                {
                    _ = new MemoryHost(Backends).Discard(ram.Info.Reference, 0, 1 << 16, DiscardPolicy.ZeroOverlay, stop);
                }

                break;
        }
    }
}
