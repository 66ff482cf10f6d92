using PsVm.Memory.Discarding;
using PsVm.Memory.Tests.Support;

namespace PsVm.Memory.Tests.Mapping;

/// <summary>Pages of RAM files that cannot be had, in this process: what backends make of them.</summary>
public sealed class RamFaultTests : BackendTest
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_lost_page_is_noted_once_and_makes_the_backend_useless(bool share)
    {
        MemoryBackend backend = Backends.Create(
            new() { Id = "a", Path = Folder.File("ram", 16 * Make.Page), Size = 16 * Make.Page, Share = share });
        Truncate(4 * Make.Page);
        long before = MemoryBackends.RamFaultCount;

        Assert.Null(backend.Fault);
        Assert.Equal(0, backend.Bytes((5 * Make.Page) + 3, 1)[0]);

        Assert.True(MemoryBackends.RamFaultCount > before);
        RamFault fault = backend.Fault!;
        Assert.Equal(
            ("a", Folder.In("ram"), (5 * Make.Page) + 3, RamFaultCause.Truncated),
            (fault.BackendId, fault.Path, fault.Offset, fault.Cause));
        Assert.Equal(TestFolder.Fill, backend.Bytes(0, 1)[0]);
        foreach (Action use in (Action[])[() => backend.Discard(0, Make.Page), () => backend.OwnRanges(), () => backend.Attach("guest")])
        {
            Assert.Equal(MemoryErrorIds.RamFault, Assert.Throws<MemoryBackendException>(use).ErrorId);
        }
    }

    [Fact]
    public void A_mapping_with_many_lost_pages_gets_zeros_over_all_of_it_and_no_more_mappings()
    {
        const int pages = 4096;
        MemoryBackend backend = Backends.Create(
            new() { Path = Folder.File("ram", pages * Make.Page), Size = pages * Make.Page, Share = true });
        Truncate(0);
        long before = MemoryBackends.RamFaultCount;
        for (int page = 0; page < pages; page += 2)
        {
            Assert.Equal(0, backend.Bytes(page * (long)Make.Page, 1)[0]);
        }

        Assert.InRange(MemoryBackends.RamFaultCount - before, 17, 17);
    }

    [Fact]
    public void A_discard_that_zeroes_in_place_fails_and_tells_who_listens()
    {
        using var backends = new MemoryBackends(_ => null, new MappingBudget(0), isLinux: true);
        MemoryBackend backend = backends.Create(new()
        {
            Path = Folder.File("ram", 16 * Make.Page), Size = 16 * Make.Page, DiscardPolicy = DiscardPolicy.ZeroOverlay,
        });
        List<RamFault> told = [];
        backend.Faulted += told.Add;
        Truncate(0);

        Assert.Equal(MemoryErrorIds.RamFault, Assert.Throws<MemoryBackendException>(() => backend.Discard(Make.Page, Make.Page)).ErrorId);

        Assert.Equal(RamFaultCause.Truncated, Assert.Single(told).Cause);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Where_faults_end_the_process_backends_with_files_warn_as_foretold(bool file)
    {
        using var backends = new MemoryBackends(_ => null, new MappingBudget(10), isLinux: true, "this host has no handler");
        MemoryBackendOptions options = new() { Path = file ? Folder.File("ram", Make.Page) : null, Size = Make.Page };

        IReadOnlyList<BackendWarning> warnings = backends.CreateAsForetold(options).Outcome.Warnings;

        Assert.Equal(file, warnings.Any(warning => warning.Id == MemoryWarningIds.RamFaultsEndProcess));
    }

    private void Truncate(long length)
    {
        using FileStream file = new(Folder.In("ram"), FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        file.SetLength(length);
    }
}
