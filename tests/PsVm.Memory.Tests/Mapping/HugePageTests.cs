using PsVm.Memory.Tests.Support;

namespace PsVm.Memory.Tests.Mapping;

/// <summary>hugetlbfs for real: private and shared, by file and by directory.</summary>
public sealed class HugePageTests : BackendTest
{
    private const long Huge = HugePages.Size;

    [SkippableTheory]
    [InlineData(false, "virt-1.1", "private memory on hugetlbfs opens its file ReadWrite, so that pages can be given back")]
    [InlineData(false, "virt-1.0", "virt-1.0 opens the file of private writable memory ReadWrite")]
    [InlineData(true, "virt-1.1", "shared writable memory stores into the file")]
    public void Auto_opens_ReadWrite_and_creates(bool share, string machineType, string reason)
    {
        using var pages = new HugePages(8);
        using var mount = Host.Mount(Folder, "hugetlbfs");
        foreach (var path in new[] { mount.In("ram"), mount.Path })
        {
            var options = new MemoryBackendOptions { Path = path, Size = 4 * Huge, Share = share, MachineType = machineType };
            using var backend = Backends.CreateAsForetold(options);
            var outcome = backend.Outcome;
            Assert.Equal((FileAccessMode.ReadWrite, reason), (outcome.EffectiveMode, outcome.Reason));
            Assert.Equal(("hugetlbfs", Huge, true, true), (outcome.FileSystem, outcome.PageSize, outcome.HugeTlb, outcome.Created));
            Assert.Equal(0, backend.Address % (nint)Huge);
            backend.Bytes(0, (int)(2 * Huge)).Fill(1);
            var usage = backend.Measure();
            Assert.Equal((2 * Huge, share ? 0 : 2 * Huge), (usage.Resident, usage.Own));
            Assert.Equal(share ? 2 * Huge : 0, usage.FileBlocks);
            Assert.Contains("ht", SmapsEntry.Of(backend)[0].Flags);
        }

        Assert.Equal([mount.In("ram")], Directory.GetFileSystemEntries(mount.Path));
        Assert.Equal(4 * Huge, new FileInfo(mount.In("ram")).Length);
    }

    [SkippableFact]
    public void Sizes_offsets_and_alignments_are_of_huge_pages()
    {
        using var pages = new HugePages(4);
        using var mount = Host.Mount(Folder, "hugetlbfs");
        var good = new MemoryBackendOptions { Path = mount.In("ram"), Size = 2 * Huge, Share = true };
        Backends.CreateFails(MemoryErrorIds.SizeMisaligned, good with { Size = Huge + Make.Page });
        Backends.CreateFails(MemoryErrorIds.OffsetMisaligned, good with { Offset = Make.Page });
        Backends.CreateFails(MemoryErrorIds.AlignMisaligned, good with { Align = Make.Page });
        using var backend = Backends.CreateAsForetold(good with { Offset = Huge, Align = 4 * Huge });
        Assert.Equal(0, backend.Address % (nint)(4 * Huge));
        Assert.Equal(3 * Huge, new FileInfo(good.Path!).Length);
        Assert.Equal(
            MemoryErrorIds.DiscardRangeMisaligned, Assert.Throws<MemoryBackendException>(() => backend.Discard(0, Make.Page)).ErrorId);
    }

    [SkippableTheory]
    [InlineData(false, true)]
    [InlineData(true, true)]
    [InlineData(false, false)]
    [InlineData(true, false)]
    public void A_lack_of_huge_pages_fails_the_mapping_and_not_a_later_touch(bool share, bool reserve)
    {
        using var pages = new HugePages(2);
        using var mount = Host.Mount(Folder, "hugetlbfs");
        var free = HugePages.Free;
        var options = new MemoryBackendOptions { Path = mount.In("ram"), Size = (free + 2) * Huge, Share = share, Reserve = reserve };
        Assert.Contains(
            $"reserves {free + 2} huge pages ({ByteSize.ToExactText((free + 2) * Huge)}); {free} ({ByteSize.ToExactText(free * Huge)}) are "
                + "free",
            Fails(MemoryErrorIds.NotEnoughHugePages, options).Message,
            StringComparison.Ordinal);
        Fails(MemoryErrorIds.NotEnoughHugePages, options with { Path = mount.Path });

        // An empty file that was grown for nothing is empty again.
        File.Create(mount.In("empty")).Dispose();
        Fails(MemoryErrorIds.NotEnoughHugePages, options with { Path = mount.In("empty") });

        using var backend = Backends.CreateAsForetold(options with { Size = 2 * Huge });
        Assert.Equal(!reserve, backend.Outcome.Warnings.Any(w => w.Id == MemoryWarningIds.ReservationKept));
        Assert.DoesNotContain("NORESERVE", backend.Outcome.MapFlags, StringComparison.Ordinal);
    }

    [SkippableFact]
    public void Prealloc_takes_the_pages_at_once()
    {
        using var pages = new HugePages(4);
        using var mount = Host.Mount(Folder, "hugetlbfs");
        var free = HugePages.Free;
        foreach (var share in new[] { true, false })
        {
            using var backend = Backends.CreateAsForetold(new() { Path = mount.Path, Size = 3 * Huge, Share = share, Prealloc = true });
            Assert.Equal(free - 3, HugePages.Free);
            Assert.Equal(3 * Huge, backend.Measure().Resident);
        }
    }

    [SkippableFact]
    public void A_template_is_mapped_private_and_read_only()
    {
        using var pages = new HugePages(8);
        using var mount = Host.Mount(Folder, "hugetlbfs");
        var options = new MemoryBackendOptions { Path = mount.In("ram"), Size = 2 * Huge };
        using (var template = Backends.CreateAsForetold(options with { Share = true }))
        {
            template.Bytes(0, (int)(2 * Huge)).Fill(TestFolder.Fill);
        }

        using var clone = Backends.CreateAsForetold(options with { FileAccessMode = FileAccessMode.ReadOnly });
        clone.Bytes(0, 1)[0] = 1;
        Assert.Equal((2 * Huge, Huge), (clone.Measure().FileBlocks, clone.Measure().Own));
        using var denied = Backends.CreateAsForetold(options with { DenyPrivateDiscard = true });
        Assert.Equal((FileAccessMode.ReadOnly, DiscardPolicy.Deny), (denied.Outcome.EffectiveMode, denied.Outcome.EffectiveDiscardPolicy));
        Assert.Equal(TestFolder.Fill, denied.Bytes(0, (int)Huge).Value());
    }

    [SkippableFact]
    public void Guest_memory_has_no_hole_when_huge_pages_run_out_while_the_template_is_restored()
    {
        using var pages = new HugePages(4);
        using var mount = Host.Mount(Folder, "hugetlbfs");
        var options = new MemoryBackendOptions { Path = mount.In("ram"), Size = 2 * Huge };
        using (var template = Backends.Create(options with { Share = true }))
        {
            template.Bytes(0, (int)(2 * Huge)).Fill(TestFolder.Fill);
        }

        using var clone = Backends.CreateAsForetold(options);
        clone.Discard(0, Huge, DiscardPolicy.ZeroOverlay);
        Assert.Equal((byte)0, clone.Bytes(0, (int)Huge).Value());

        // Leave what the template holds and the clone reserves: none for the page that the overlay gave up.
        pages.Resize(0);
        var outcome = clone.Discard(0, 2 * Huge, DiscardPolicy.RestoreTemplate);
        Assert.Equal("private copies dropped, the file's content shows again; 2 MiB filled from the file", outcome.How);
        Assert.StartsWith("2 MiB were filled from the file", outcome.WhyNotFreed, StringComparison.Ordinal);
        Assert.Equal(TestFolder.Fill, clone.Bytes(0, (int)(2 * Huge)).Value());
    }
}
