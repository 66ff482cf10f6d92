using PsVm.Memory;
using PsVm.Module.Memory;
using PsVm.Module.Output;

namespace PsVm.Module.Tests.Memory;

public sealed class MemoryCmdletTests : IDisposable
{
    private const long MiB = 1 << 20;
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("psvm");
    private readonly MemoryBackends _backends = new(_ => null);
    private readonly MemoryHost _host;
    private readonly RecordingOutput _output = new();

    public MemoryCmdletTests() => _host = new MemoryHost(_backends);

    public void Dispose()
    {
        _backends.Dispose();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public void New_maps_and_gives_the_live_backend()
    {
        NewMemoryBackendCommand.Run(File("ram.img", share: true), _host, _output, CancellationToken.None);

        MemoryBackendInfo backend = Assert.IsType<MemoryBackendInfo>(Assert.Single(_output.Objects));
        Assert.Equal(backend, Assert.Single(_host.List()));
        Assert.Equal(MiB, new FileInfo(backend.Outcome.Path!).Length);
    }

    [Fact]
    public void New_under_WhatIf_says_mode_and_reason_and_changes_nothing()
    {
        RecordingOutput whatIf = new() { Answer = false };

        NewMemoryBackendCommand.Run(File("ram.img", share: true), _host, whatIf, CancellationToken.None);

        string action = Assert.Single(whatIf.Actions);
        Assert.StartsWith("Create the file and map 1 MiB of ", action, StringComparison.Ordinal);
        Assert.Contains("shared, the file ReadWrite: shared writable memory", action, StringComparison.Ordinal);
        Assert.Empty(whatIf.Objects);
        Assert.Empty(_folder.GetFiles());
    }

    [Fact]
    public void New_under_WhatIf_says_why_it_would_refuse()
    {
        RecordingOutput whatIf = new() { Answer = false };

        NewMemoryBackendCommand.Run(File("missing.img", share: false), _host, whatIf, CancellationToken.None);

        Assert.Contains(MemoryErrorIds.FileNotFound, Assert.Single(whatIf.Actions), StringComparison.Ordinal);
    }

    [Fact]
    public void New_puts_the_outcomes_warnings_on_the_warning_stream_with_their_ids()
    {
        _backends.Create(File("ram.img", share: true));

        NewMemoryBackendCommand.Run(
            File("ram.img", share: false) with { AllowSharedWriters = true }, _host, _output, CancellationToken.None);

        Assert.Equal(2, _output.Warnings.Count);
        Assert.StartsWith($"[{MemoryWarningIds.SharedWriters}] ", _output.Warnings[0], StringComparison.Ordinal);
        Assert.StartsWith($"[{MemoryWarningIds.PrivateMappingOfSharedFile}] ", _output.Warnings[1], StringComparison.Ordinal);
    }

    [Fact]
    public void Test_is_false_without_an_error_and_says_why_to_who_wants_to_know()
    {
        MemoryBackendOptions options = File("ram.img", share: true) with { FileAccessMode = FileAccessMode.ReadOnly };

        TestBackendOptionsCommand.Run(options, detailed: false, _host, _output, CancellationToken.None);

        Assert.Empty(_output.Errors);
        Assert.StartsWith($"[{MemoryErrorIds.SharedWritableNeedsWritableFile}] ", Assert.Single(_output.Verbose), StringComparison.Ordinal);
        Assert.Equal([false], _output.Objects);
        Assert.Empty(_folder.GetFiles());
    }

    [Fact]
    public void Test_is_true_and_warns()
    {
        _backends.Create(File("ram.img", share: true));

        TestBackendOptionsCommand.Run(
            File("ram.img", share: false) with { AllowSharedWriters = true }, detailed: false, _host, _output, CancellationToken.None);

        Assert.Equal([true], _output.Objects);
        Assert.Equal(2, _output.Warnings.Count);
        Assert.StartsWith($"[{MemoryWarningIds.SharedWriters}] ", _output.Warnings[0], StringComparison.Ordinal);
        Assert.StartsWith($"[{MemoryWarningIds.PrivateMappingOfSharedFile}] ", _output.Warnings[1], StringComparison.Ordinal);
    }

    [Fact]
    public void Test_in_detail_gives_the_report_and_leaves_the_streams_alone()
    {
        TestBackendOptionsCommand.Run(File("missing.img", share: false), detailed: true, _host, _output, CancellationToken.None);

        BackendReport report = Assert.IsType<BackendReport>(Assert.Single(_output.Objects));
        Assert.Equal(MemoryErrorIds.FileNotFound, Assert.Single(report.Errors).Id);
        Assert.Empty(_output.Errors);
    }

    [Fact]
    public void Get_finds_by_id_and_pattern_and_goes_on_after_an_unknown_id()
    {
        MemoryBackend a = Anonymous("web-1");
        MemoryBackend b = Anonymous("web-2");
        MemoryBackend c = Anonymous("db");

        GetMemoryBackendCommand.Run(["db", "nope", "web*", "x*"], _host, _output, CancellationToken.None);

        Assert.Equal([c.Info, a.Info, b.Info], _output.Objects);
        Assert.Equal(MemoryErrorIds.BackendNotFound, Assert.Single(_output.Errors).Id);
    }

    [Fact]
    public void Remove_unmaps_what_is_selected()
    {
        MemoryBackend a = Anonymous("a");
        Anonymous("b");
        Anonymous("c");

        RemoveMemoryBackendCommand.Run([a.Info.Reference, "b"], _host, _output, CancellationToken.None);

        Assert.Equal("c", Assert.Single(_backends.List()).Id);
        Assert.Equal(["Remove memory backend 'a'", "Remove memory backend 'b'"], _output.Actions);
    }

    [Fact]
    public void Remove_under_WhatIf_leaves_it()
    {
        MemoryBackend a = Anonymous("a");

        RemoveMemoryBackendCommand.Run(
            [a.Info.Reference], _host, new RecordingOutput { Answer = false }, CancellationToken.None);

        Assert.Same(a, Assert.Single(_backends.List()));
    }

    [Fact]
    public void Remove_of_a_backend_in_use_is_that_backends_error()
    {
        MemoryBackend used = Anonymous("used");
        MemoryBackend free = Anonymous("free");
        using IDisposable lease = used.Attach("web");

        RemoveMemoryBackendCommand.Run([used.Info.Reference, free.Info.Reference], _host, _output, CancellationToken.None);

        Assert.Equal(MemoryErrorIds.BackendInUse, Assert.Single(_output.Errors).Id);
        Assert.Same(used, Assert.Single(_backends.List()));
    }

    [Fact]
    public void A_removed_backend_is_not_found()
    {
        MemoryBackend gone = Anonymous("gone");
        _backends.Remove("gone");

        MeasureMemoryBackendCommand.Run([gone.Info.Reference], _host, _output, CancellationToken.None);

        Assert.Equal(MemoryErrorIds.BackendNotFound, Assert.Single(_output.Errors).Id);
    }

    [Fact]
    public void Measure_tells_default_RAMs_of_the_same_id_apart()
    {
        MemoryBackend[] both = [.. Enumerable.Range(1, 2).Select(n => _backends.CreateDefaultRam(new() { Size = n * MiB }))];

        MeasureMemoryBackendCommand.Run([.. both.Select(ram => ram.Info.Reference)], _host, _output, CancellationToken.None);

        Assert.Equal([MiB, 2 * MiB], _output.Objects.Cast<MemoryUsage>().Select(usage => usage.Size));
    }

    [Fact]
    public void Clear_discards_the_range_and_gives_the_outcome()
    {
        MemoryBackend ram = Anonymous("a");

        ClearMemoryBackendCommand.Run([ram.Info.Reference], 0, MiB, null, _host, _output, CancellationToken.None);

        DiscardOutcome outcome = Assert.IsType<DiscardOutcome>(Assert.Single(_output.Objects));
        Assert.Equal(("a", 0, MiB), (outcome.BackendId, outcome.Offset, outcome.BytesAsked));
        Assert.Equal("Discard 1 MiB at offset 0 B of memory backend 'a' by Auto", Assert.Single(_output.Actions));
    }

    [Fact]
    public void Clear_under_a_named_policy_warns_of_what_it_does_to_others()
    {
        _backends.Create(File("ram.img", share: true) with { Id = "template" });
        _backends.Remove("template");
        MemoryBackend ram = _backends.Create(File("ram.img", share: false) with { FileAccessMode = FileAccessMode.ReadWrite });

        ClearMemoryBackendCommand.Run(
            [ram.Info.Reference], 0, MiB, DiscardPolicy.PunchHole, _host, _output, CancellationToken.None);

        Assert.Equal(DiscardPolicy.PunchHole, Assert.IsType<DiscardOutcome>(Assert.Single(_output.Objects)).Policy);
        Assert.StartsWith($"[{MemoryWarningIds.PunchHoleChangesFile}] ", Assert.Single(_output.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void Clear_under_WhatIf_discards_nothing()
    {
        MemoryBackend ram = Anonymous("a");
        RecordingOutput whatIf = new() { Answer = false };

        ClearMemoryBackendCommand.Run([ram.Info.Reference], 0, MiB, null, _host, whatIf, CancellationToken.None);

        Assert.Empty(whatIf.Objects);
    }

    [Fact]
    public void The_policy_is_set_and_shown()
    {
        SetMemoryBackendPolicyCommand.Run(deny: true, (false, null), _host, _output);
        GetMemoryBackendPolicyCommand.Run(_host, _output);

        Assert.Equal([new MemoryBackendPolicy(true, "Cmdlet") { MemoryReserve = _backends.MemoryReserve }], _output.Objects);
    }

    [Fact]
    public void The_policy_stays_under_WhatIf()
    {
        SetMemoryBackendPolicyCommand.Run(deny: true, (false, null), _host, new RecordingOutput { Answer = false });

        Assert.False(_backends.Policy.DenyPrivateDiscard);
    }

    private MemoryBackend Anonymous(string id) => _backends.Create(new MemoryBackendOptions { Id = id, Size = MiB });

    private MemoryBackendOptions File(string name, bool share) =>
        new() { Path = Path.Combine(_folder.FullName, name), Size = MiB, Share = share };
}
