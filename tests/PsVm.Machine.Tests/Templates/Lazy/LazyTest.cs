namespace PsVm.Machine.Tests.Templates.Lazy;

/// <summary>The base of tests of guests that are started lazily.</summary>
public abstract class LazyTest : TemplateTest
{
    // Those of a template with a pattern in most of its RAM: 12 MiB, which are fetched in 48 reads or more.
    private protected const long LargeMemory = 16 << 20;
    private protected const int PatternPages = 3000, ChunkSize = 1 << 16;

    // Where the guest's own code and data end, and its pattern begins.
    private const long PatternStart = 3 << 20;

    private readonly List<TestSource> _sources = [];

    /// <summary>Answers for ever: no host or folder waits for it.</summary>
    public override void Dispose()
    {
        _sources.ForEach(source => source.Answers.Set());
        base.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>A template of an embedded guest that has written its pattern, and what its checksum is.</summary>
    private protected GuestTemplate MakeLarge(string name, out string check)
    {
        string guest = Boot(new GuestOptions { Memory = LargeMemory });
        Assert.Equal($"touch: pages={PatternPages} generation=2", Ask(guest, $"touch {PatternPages}", "touch: "));
        check = Check(guest);
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At(name) });
        End(guest);
        return template;
    }

    /// <summary>Has lazy starts copy from a source of a test.</summary>
    private protected TestSource Use(GuestTemplate template, Action<TestSource>? arrange = null)
    {
        TestSource source = new(template.Path);
        arrange?.Invoke(source);
        _sources.Add(source);
        Queue<TestSource> next = new([source]);
        Host.OpenLazySource = path =>
        {
            Assert.Equal(template.Path, path);
            return next.Dequeue(); // each is opened once
        };
        return source;
    }

    /// <summary>
    /// Has a source need most of a minute for a pattern that nobody needs, so that it is not through when a test looks, on a busy host,
    /// too; and no time for what the guest needs to answer.
    /// </summary>
    private protected static void BeSlow(TestSource source) =>
        (source.Delay, source.DelayedFrom) = (TimeSpan.FromSeconds(1), PatternStart);

    private protected string StartLazily(
        GuestTemplate template, string? destination = null, Func<GuestOptions, GuestOptions>? arrange = null)
    {
        GuestOptions options = new() { Template = template.Path, Lazy = true, Destination = destination };
        return Host.Start(arrange?.Invoke(options) ?? options, CancellationToken.None).Name;
    }

    private protected GuestFill FillOf(string guest)
    {
        GuestFill? fill = Host.Get(guest).Fill;
        Assert.NotNull(fill);
        return fill;
    }

    private protected void WaitForFill(string guest, GuestFillState state) =>
        Assert.True(SpinWait.SpinUntil(() => FillOf(guest).State == state, Patience), $"{FillOf(guest)}: {FillOf(guest).Failure}");

    /// <summary>What is left of copies that were not made templates: beside a path, or of that name among the temporary files.</summary>
    private protected static string[] Leftovers(string path) =>
        Directory.GetFileSystemEntries(Path.GetDirectoryName(path)!, $".{Path.GetFileName(path)}.*.partial");

    private protected static string InTemp(GuestTemplate template) => Path.Combine(Path.GetTempPath(), template.Name);
}
