using PsVm.Memory.Mapping;
using PsVm.Memory.Tests.Support;

namespace PsVm.Memory.Tests.Mapping;

/// <summary>The quick count of own bytes, against the pages that were touched and the kernel's full accounting.</summary>
public sealed class OwnBytesTests : IDisposable
{
    private const long Page = Make.Page;
    private const long Size = 4096 * Page;

    private readonly TestFolder _folder = new();
    private readonly MemoryBackends _backends = Make.Backends();

    public void Dispose()
    {
        _backends.Dispose();
        _folder.Dispose();
    }

    [SkippableTheory]
    [InlineData(BackendKind.File, false, true)]
    [InlineData(BackendKind.File, true, false)]
    [InlineData(BackendKind.Anonymous, false, true)]
    [InlineData(BackendKind.Anonymous, true, false)]
    public void Pages_written_in_a_private_mapping_count(BackendKind kind, bool share, bool counts)
    {
        if (kind == BackendKind.Anonymous && !share)
        {
            Host.NeedsZeroPage();
        }

        var backend = _backends.Create(new()
        {
            Kind = kind, Path = kind == BackendKind.File ? _folder.File("ram", Size) : null, Size = Size, Share = share,
        });
        for (long page = 0; page < 1000; page++)
        {
            Assert.Equal(backend.Bytes(0, 1)[0], backend.Bytes(page * 3 * Page, 1)[0]); // the page of zeros, or the file's
        }

        Assert.Equal(0, backend.MeasureOwn());

        // Every other page, so that the kernel finds more ranges than it tells at once.
        for (long page = 0; page < 600; page++)
        {
            backend.Bytes(page * 2 * Page, 1)[0] = 1;
        }

        Assert.Equal(counts ? 600 * Page : 0, backend.MeasureOwn());
        Assert.Equal(backend.Measure().Own, backend.MeasureOwn());
    }

    [SkippableFact]
    public void Both_ways_to_count_agree()
    {
        var backend = _backends.Create(new() { Path = _folder.File("ram", Size), Size = Size });
        backend.Bytes(10 * Page, 500 * (int)Page).Fill(7);

        var scanned = PageScan.AnonymousBytes(backend.Address, Size);

        Skip.If(scanned is null, "this kernel has no PAGEMAP_SCAN (Linux 6.7)");
        Assert.Equal(500 * Page, scanned);
        Assert.Equal(500 * Page, PageMap.PrivateBytes(backend.Address, Size));
    }

    [Fact]
    public void Every_way_to_count_can_be_given_up()
    {
        var backend = _backends.Create(new() { Size = Size });
        using CancellationTokenSource cancelled = new();
        cancelled.Cancel();

        foreach (Action count in new Action[]
        {
            () => backend.MeasureOwn(cancelled.Token),
            () => backend.Measure(null, cancelled.Token),
            () => ProcessMappings.Read(cancelled.Token),
            () => PageMap.PrivateBytes(backend.Address, Size, cancelled.Token),
        })
        {
            Assert.Throws<OperationCanceledException>(count);
        }

        Assert.Equal(0, backend.MeasureOwn());
    }

    [Fact]
    public void One_reading_serves_many_backends()
    {
        MemoryBackend[] backends = [.. Enumerable.Range(1, 5).Select(count =>
        {
            var backend = _backends.Create(new() { Size = Size });
            backend.Bytes(0, count * (int)Page).Fill(1);
            return backend;
        })];

        var mappings = ProcessMappings.Read();

        Assert.Equal(backends.Select(backend => backend.Measure()), backends.Select(backend => backend.Measure(mappings)));
        Assert.Equal([1, 2, 3, 4, 5], backends.Select(backend => backend.Measure(mappings).Own / Page));
    }
}
