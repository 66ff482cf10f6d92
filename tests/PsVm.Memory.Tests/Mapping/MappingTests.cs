using Mono.Unix.Native;
using PsVm.Memory.Mapping;
using PsVm.Memory.Native;
using PsVm.Memory.Tests.Support;

namespace PsVm.Memory.Tests.Mapping;

/// <summary>What the kernel says was mapped (memory-backends rules, section 4).</summary>
public sealed class MappingTests : BackendTest
{
    private const long Page = Make.Page;
    private const long Size = 64 * Page;

    private MemoryBackendOptions Private => new() { Path = Folder.File("ram", Size), Size = Size };

    [Theory]
    [InlineData(BackendKind.File, false, false, "rw-p")]
    [InlineData(BackendKind.File, false, true, "r--p")]
    [InlineData(BackendKind.File, true, false, "rw-s")]
    [InlineData(BackendKind.File, true, true, "r--s")]
    [InlineData(BackendKind.Memfd, true, false, "rw-s")]
    [InlineData(BackendKind.Memfd, false, false, "rw-p")]
    [InlineData(BackendKind.Anonymous, false, false, "rw-p")]
    [InlineData(BackendKind.Anonymous, true, false, "rw-s")]
    public void Protection_and_flags_are_what_was_asked_between_guard_pages(BackendKind kind, bool share, bool readOnly, string protection)
    {
        var backend = Backends.CreateAsForetold(new()
        {
            Kind = kind,
            Path = kind == BackendKind.File ? Folder.File("ram", Size) : null,
            Size = Size,
            Share = share,
            ReadOnly = readOnly,
        });
        var start = (ulong)backend.Address;
        var entry = Assert.Single(SmapsEntry.Of(backend));
        Assert.Equal((start, start + Size, protection), (entry.Start, entry.End, entry.Protection));
        Assert.Equal("---p", Assert.Single(SmapsEntry.Within(start - Page, start)).Protection);
        Assert.Equal("---p", Assert.Single(SmapsEntry.Within(start + Size, start + Size + Page)).Protection);

        Assert.Equal(start, backend.Outcome.Address);
        Assert.Equal(readOnly ? "PROT_READ" : "PROT_READ, PROT_WRITE", backend.Outcome.Protection);
        Assert.StartsWith(share ? "MAP_SHARED, MAP_FIXED" : "MAP_PRIVATE, MAP_FIXED", backend.Outcome.MapFlags, StringComparison.Ordinal);
        Assert.Equal(kind == BackendKind.Anonymous, backend.Outcome.MapFlags.Contains("MAP_ANONYMOUS", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1 << 12)]
    [InlineData(1 << 21)]
    [InlineData(1 << 30)]
    public void The_mapping_is_aligned_and_nothing_beside_it_is_kept(long align)
    {
        Holdings.AssertUnchanged(Folder.Path, () =>
        {
            using var backend = Backends.CreateAsForetold(new() { Size = Size, Align = align });
            Assert.Equal(0, backend.Address % Math.Max(align, Page));
            backend.Bytes(0, (int)Size).Fill(1);
        });
        var before = File.ReadAllText("/proc/self/statm").Split(' ')[0];
        using var kept = Backends.Create(new() { Size = Size, Align = 1L << 40 });
        Assert.True(long.Parse(File.ReadAllText("/proc/self/statm").Split(' ')[0], null) - long.Parse(before, null) < (1 << 20));
    }

    [Fact]
    public void Advice_reaches_the_mapping_and_its_overlays()
    {
        var plain = Backends.CreateAsForetold(Private);
        Assert.Empty(SmapsEntry.Of(plain).SelectMany(e => e.Flags).Intersect(["nr", "mg", "dd"]));

        var backend = Backends.CreateAsForetold(Private with { Reserve = false, Merge = true, Dump = false });
        Assert.Equal("MAP_PRIVATE, MAP_FIXED, MAP_NORESERVE", backend.Outcome.MapFlags);
        backend.Discard(Page, Page);
        var entries = SmapsEntry.Of(backend);
        Assert.Equal(3, entries.Count);
        Assert.All(entries, e => Assert.Subset(e.Flags.ToHashSet(), new HashSet<string> { "nr", "mg", "dd" }));
    }

    [SkippableTheory]
    [InlineData(NumaPolicy.Bind, "bind:0")]
    [InlineData(NumaPolicy.Preferred, "prefer")]
    [InlineData(NumaPolicy.Interleave, "interleave:0")]
    public void Pages_are_placed_on_the_host_nodes(NumaPolicy policy, string shown)
    {
        Skip.IfNot(File.Exists("/proc/self/numa_maps"), "the kernel has no NUMA");
        var backend = Backends.CreateAsForetold(Private with { NumaPolicy = policy, HostNodes = [0] });
        backend.Discard(Page, Page);
        foreach (var start in SmapsEntry.Of(backend).Select(e => e.Start))
        {
            Assert.Contains(File.ReadLines("/proc/self/numa_maps"), l => l.StartsWith($"{start:x} {shown}", StringComparison.Ordinal));
        }
    }

    [SkippableFact]
    public void Placement_that_the_kernel_refuses_is_an_error()
    {
        Skip.IfNot(File.Exists("/proc/self/numa_maps"), "the kernel has no NUMA");

        // Nothing is mapped in the lowest page.
        Assert.Equal(MemoryErrorIds.NumaBindFailed, NumaNodes.Bind(0, Page, NumaPolicy.Bind, [0])!.Id);
    }

    [Theory]
    [InlineData("0", new[] { 0 })]
    [InlineData("0-2,5\n", new[] { 0, 1, 2, 5 })]
    [InlineData("", new int[0])]
    public void Lists_of_nodes_are_read_as_the_kernel_writes_them(string list, int[] nodes) =>
        Assert.Equal(nodes, NumaNodes.ParseList(list));

    [Theory]
    [InlineData(BackendKind.Anonymous, false)]
    [InlineData(BackendKind.Anonymous, true)]
    [InlineData(BackendKind.Memfd, true)]
    [InlineData(BackendKind.File, true)]
    public void Prealloc_faults_every_page_in(BackendKind kind, bool share)
    {
        var backend = Backends.CreateAsForetold(new()
        {
            Kind = kind,
            Path = kind == BackendKind.File ? Folder.In("new") : null,
            Size = 96 << 20,
            Share = share,
            Prealloc = true,
            PreallocThreads = 3,
        });
        var usage = backend.Measure();
        Assert.Equal(backend.Size, usage.Resident);
        Assert.Equal(share ? 0 : backend.Size, usage.Own);
        Assert.Equal(kind == BackendKind.Anonymous ? 0 : backend.Size, usage.FileBlocks);
    }

    [Fact]
    public void Prealloc_of_a_private_file_reads_and_copies_only_when_forced()
    {
        var reading = Backends.CreateAsForetold(Private with { Prealloc = true });
        Assert.Equal((Size, 0), (reading.Measure().Resident, reading.Measure().Own));
        Assert.Equal([MemoryWarningIds.PreallocReadsOnly], reading.Outcome.Warnings.Select(w => w.Id));

        var forced = Private with { Prealloc = true, ForcePrealloc = true, FileAccessMode = FileAccessMode.ReadOnly };
        var copying = Backends.CreateAsForetold(forced);
        Assert.Equal((Size, Size), (copying.Measure().Resident, copying.Measure().Own));
        Assert.Equal(TestFolder.Fill, copying.Bytes(0, (int)Size).Value());
        Assert.Empty(copying.Outcome.Warnings);

        var rom = Backends.CreateAsForetold(Private with { Prealloc = true, ReadOnly = true });
        Assert.Equal((Size, 0), (rom.Measure().Resident, rom.Measure().Own));
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    public void Prealloc_touches_pages_where_the_kernel_has_no_advice_for_it(bool share, bool force)
    {
        var options = Private with { Share = share, Prealloc = true, ForcePrealloc = force };
        var opened = new BackendOpening(new Memory.Files.FileOpener(), null, () => []).Open(options, false);
        using var file = opened.File;
        var (mapping, _) = RamMapping.Map(opened);
        using (mapping)
        {
            var advised = 0;
            var (error, _) = new Preallocator(opened.Decision, mapping!, (_, _, _) =>
            {
                advised++;
                return Errno.EINVAL;
            }).Run(null, default);
            var usage = MappingUsage.Measure("test", opened, mapping!, new(Size, true));
            Assert.Equal((0, 1), ((int)error, advised));
            Assert.Equal((Size, force ? Size : 0), (usage.Resident, usage.Own));
            Assert.Equal(TestFolder.Fill, mapping!.Bytes(0, (int)Size).Value());
        }
    }

    [SkippableFact]
    public void Prealloc_that_cannot_have_a_page_is_an_error_and_no_signal()
    {
        // Reading a hole of a file on tmpfs takes a page, and this one has fewer.
        using var mount = Host.Mount(Folder, "tmpfs", "size=1m");
        var path = mount.In("sparse");
        using (var file = File.Create(path))
        {
            file.SetLength(2 << 20);
        }

        var options = new MemoryBackendOptions { Path = path, Size = 2 << 20, Prealloc = true };
        Holdings.AssertUnchanged(Folder.Path, () =>
        {
            var error = Assert.Throws<MemoryBackendException>(() => Backends.Create(options));
            Assert.Equal(MemoryErrorIds.PreallocFailed, error.ErrorId);
            Assert.Contains("2 MiB", error.Message, StringComparison.Ordinal);
        });
    }

    [Theory]
    [InlineData(BackendKind.Anonymous, false)]
    [InlineData(BackendKind.Anonymous, true)]
    [InlineData(BackendKind.Memfd, true)]
    public void Prealloc_of_more_than_the_host_has_is_an_error_before_it_begins(BackendKind kind, bool share)
    {
        var options = new MemoryBackendOptions { Kind = kind, Share = share, Size = 16L << 40, Reserve = false, Prealloc = true };
        Holdings.AssertUnchanged(Folder.Path, () =>
        {
            Assert.Equal(MemoryErrorIds.NotEnoughMemory, Assert.Single(Backends.Test(options).Errors).Id);
            var error = Assert.Throws<MemoryBackendException>(() => Backends.Create(options));
            Assert.Equal(MemoryErrorIds.NotEnoughMemory, error.ErrorId);
            Assert.Contains("takes 16 TiB of memory at once", error.Message, StringComparison.Ordinal);
        });
    }

    [Fact]
    public void Cancelled_preallocation_leaves_nothing_behind()
    {
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        var options = new MemoryBackendOptions { Path = Folder.In("new"), Size = 1L << 32, Share = true, Prealloc = true };
        Holdings.AssertUnchanged(
            Folder.Path, () => Assert.Throws<OperationCanceledException>(() => Backends.Create(options, cancelled.Token)));

        var opened = new BackendOpening(new Memory.Files.FileOpener(), null, () => []).Open(new() { Size = Size, Prealloc = true }, false);
        var (mapping, _) = RamMapping.Map(opened);
        using (mapping)
        {
            Assert.Throws<OperationCanceledException>(
                () => new Preallocator(opened.Decision, mapping!, mapping!.Advise).Run(null, cancelled.Token));
        }
    }

    [Theory]
    [InlineData(BackendKind.Anonymous, false, new[] { HostStep.Preallocating })]
    [InlineData(BackendKind.Memfd, true, new[] { HostStep.Allocating, HostStep.Preallocating })]
    public void Preallocation_tells_how_many_bytes_are_done(BackendKind kind, bool share, HostStep[] steps)
    {
        const long size = 300L << 20;
        ReportList told = [];
        var options = new MemoryBackendOptions { Kind = kind, Share = share, Size = size, Prealloc = true };
        using var backend = Backends.Create(options, told, default);

        Assert.Equal(steps, told.Select(report => report.Step).Distinct());
        foreach (var step in steps)
        {
            var ofStep = told.Where(report => report.Step == step).ToList();
            Assert.True(ofStep.Count > 1, "It was told only once.");
            Assert.Equal(ofStep.Select(report => report.Done).Order(), ofStep.Select(report => report.Done));
            Assert.All(ofStep, report => Assert.Equal(size, report.Total));
            Assert.Equal(size, ofStep[^1].Done);
        }
    }

    [Theory]
    [InlineData(HostStep.Allocating)]
    [InlineData(HostStep.Preallocating)]
    public void Preallocation_is_given_up_in_the_middle_and_leaves_nothing_behind(HostStep step)
    {
        using var cancelled = new CancellationTokenSource();
        ReportList told = new(report =>
        {
            if (report.Step == step)
            {
                cancelled.Cancel();
            }
        });
        var options = new MemoryBackendOptions { Path = Folder.In("new"), Size = 600L << 20, Share = true, Prealloc = true };
        Holdings.AssertUnchanged(
            Folder.Path, () => Assert.Throws<OperationCanceledException>(() => Backends.Create(options, told, cancelled.Token)));
        Assert.True(told[^1].Done < told[^1].Total);
    }

    [SkippableFact]
    public void More_than_the_host_commits_is_an_error_unless_nothing_is_reserved()
    {
        Skip.If(File.ReadAllText("/proc/sys/vm/overcommit_memory").Trim() != "0", "needs vm.overcommit_memory = 0");
        var options = new MemoryBackendOptions { Size = 16L << 40 };
        foreach (var tooMuch in new[] { options, options with { Share = true } })
        {
            Fails(MemoryErrorIds.NotEnoughMemory, tooMuch);
        }

        Backends.CreateAsForetold(options with { Reserve = false }).Bytes(0, 1)[0] = 1;
        Backends.CreateAsForetold(options with { Kind = BackendKind.Memfd, Share = true }).Dispose();
    }

    [Fact]
    public void More_address_space_than_is_free_in_one_piece_is_an_error()
    {
        // Message and report count the free space at two moments, in which the runtime may have mapped something.
        var options = new MemoryBackendOptions { Size = (1L << 47) - (1L << 30), Reserve = false };
        Assert.Equal(MemoryErrorIds.AddressSpaceExhausted, Assert.Single(Backends.Test(options).Errors).Id);
        Holdings.AssertUnchanged(Folder.Path, () => Assert.Equal(
            MemoryErrorIds.AddressSpaceExhausted, Assert.Throws<MemoryBackendException>(() => Backends.Create(options)).ErrorId));
    }

    [Fact]
    public void A_mapping_that_the_file_forbids_is_an_error()
    {
        // A memfd that is sealed against writing can be opened for writing, but not mapped so.
        const uint allowSealing = 2;
        const int addSeals = 1033, sealWrite = 8;
        var fd = LibC.MemfdCreate("sealed", allowSealing);
        Assert.Equal(0, Syscall.ftruncate(fd, Size));
        Assert.Equal(0, LibC.Fcntl(fd, addSeals, sealWrite));
        var options = new MemoryBackendOptions { Path = $"/proc/self/fd/{fd}", Size = Size, Share = true };
        Holdings.AssertUnchanged(Folder.Path, () =>
        {
            var error = Assert.Throws<MemoryBackendException>(() => Backends.Create(options));
            Assert.Equal(MemoryErrorIds.MapFailed, error.ErrorId);
            Assert.Contains("EPERM", error.Message, StringComparison.Ordinal);
        });
        _ = Syscall.close(fd);
    }

    [Fact]
    public void Usage_comes_from_the_kernel()
    {
        var backend = Backends.CreateAsForetold(Private);
        Assert.Equal((0, 0), (backend.Measure().Resident, backend.Measure().Own));
        Assert.Equal(TestFolder.Fill, backend.Bytes(0, 1)[0]);
        backend.Bytes(8 * Page, 2 * Make.Page).Fill(1);
        var usage = backend.Measure();
        Assert.Equal((Size, 2 * Page, Size), (usage.Size, usage.Own, usage.FileBlocks));
        Assert.InRange(usage.Shared, Page, Size); // the kernel maps neighbours of a page that is read
        Assert.Equal(usage.Resident, usage.Own + usage.Shared);

        backend.Discard(8 * Page, Page);
        Assert.Equal((Page, Page, 1), (backend.Measure().Own, backend.Measure().Overlay, backend.Measure().OverlayCount));
    }

    [Fact]
    public void Usage_adds_up_the_mappings_of_the_range_only()
    {
        string[] smaps =
        [
            "1000-2000 rw-p 00000000 00:00 0 ", "Rss:                   4 kB", "Anonymous:             4 kB",
            "2000-4000 rw-p 00000000 fe:00 7                          /ram", "Size:                  8 kB", "Rss:                   8 kB",
            "Anonymous:             4 kB", "Shared_Hugetlb:     2048 kB", "Private_Hugetlb:    4096 kB", "VmFlags: rd wr mr ",
            "4000-5000 rw-p 00000000 00:00 0 ", "Rss:                   1 kB",
            "7000-8000 rw-p 00000000 00:00 0 ", "Rss:                   4 kB",
        ];
        Assert.Equal(((8 + 2048 + 4096 + 1) * 1024L, 4096L), MappingUsage.Sum(smaps, 0x2000, 0x5000));
    }
}
