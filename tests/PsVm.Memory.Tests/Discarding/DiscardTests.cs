using System.Runtime.InteropServices;
using Mono.Unix.Native;
using PsVm.Memory.Discarding;
using PsVm.Memory.Tests.Support;

namespace PsVm.Memory.Tests.Discarding;

/// <summary>Ranges, bounds and warnings of discards (memory-backends rules, section 5).</summary>
public sealed class DiscardTests : BackendTest
{
    [Theory]
    [InlineData(DiscardPolicy.ZeroOverlay, false)]
    [InlineData(DiscardPolicy.RestoreTemplate, false)]
    [InlineData(DiscardPolicy.ZeroOverlay, true)]
    public void A_kernel_that_unmaps_and_then_fails_leaves_no_hole(DiscardPolicy policy, bool twice)
    {
        const int size = 16 * Make.Page;
        MemoryBackend backend = Backends.Create(new() { Path = Folder.File("ram", size), Size = size });
        backend.Bytes(0, size).Fill(7);
        if (policy == DiscardPolicy.RestoreTemplate)
        {
            backend.Discard(4 * Make.Page, 4 * Make.Page, DiscardPolicy.ZeroOverlay);
        }

        int failures = twice ? 2 : 1;
        backend.Mapping.Mmap = (address, length, protection, flags, fd, offset) =>
        {
            if (failures-- <= 0)
            {
                return Syscall.mmap(address, length, protection, flags, fd, offset);
            }

            Assert.Equal(0, Syscall.munmap(address, length));
            Marshal.SetLastPInvokeError(12); // ENOMEM
            return Syscall.MAP_FAILED;
        };

        Exception? failure = Record.Exception(() => backend.Discard(4 * Make.Page, 4 * Make.Page, policy));

        Assert.Equal(0, Syscall.mincore(backend.Address, size, new byte[size / Make.Page]));
        if (twice)
        {
            Assert.Equal(MemoryErrorIds.RamFault, Assert.IsType<MemoryBackendException>(failure).ErrorId);
            Assert.Contains("could not be mapped again", backend.Fault!.Detail, StringComparison.Ordinal);
            return;
        }

        Assert.Null(failure);
        byte expected = policy == DiscardPolicy.ZeroOverlay ? (byte)0 : TestFolder.Fill;
        Assert.Equal(expected, backend.Bytes(4 * Make.Page, 4 * Make.Page).Value());
        Assert.Equal(((byte)7, (byte)7), (backend.Bytes(0, 4 * Make.Page).Value(), backend.Bytes(8 * Make.Page, 8 * Make.Page).Value()));
    }

    private const int Page = Make.Page;

    private MemoryBackendOptions Private => new() { Path = Folder.File("ram", 16 * Page), Size = 16 * Page };

    private static string DiscardFails(MemoryBackend backend, long offset, long length, DiscardPolicy? policy = null) =>
        Assert.Throws<MemoryBackendException>(() => backend.Discard(offset, length, policy)).ErrorId;

    [Theory]
    [InlineData(MemoryErrorIds.DiscardRangeMisaligned, 1, Page)]
    [InlineData(MemoryErrorIds.DiscardRangeMisaligned, 0, 1)]
    [InlineData(MemoryErrorIds.DiscardRangeOutside, -Page, Page)]
    [InlineData(MemoryErrorIds.DiscardRangeOutside, 0, 0)]
    [InlineData(MemoryErrorIds.DiscardRangeOutside, 0, -Page)]
    [InlineData(MemoryErrorIds.DiscardRangeOutside, 0, 17 * Page)]
    [InlineData(MemoryErrorIds.DiscardRangeOutside, 16 * Page, Page)]
    [InlineData(MemoryErrorIds.DiscardRangeOutside, long.MaxValue - Page + 1, Page)]
    public void Ranges_are_whole_pages_inside_the_block(string errorId, long offset, long length)
    {
        var backend = Backends.Create(Private);
        Assert.Equal(errorId, DiscardFails(backend, offset, length));
        Assert.Equal(TestFolder.Fill, backend.Bytes(0, 16 * Page).Value());
    }

    [Fact]
    public void A_denial_by_policy_cannot_be_overridden_and_is_found_when_a_consumer_attaches()
    {
        var backend = Backends.CreateAsForetold(Private with { DenyPrivateDiscard = true });
        Assert.Equal(DiscardPolicy.Deny, backend.Outcome.EffectiveDiscardPolicy);
        var attaching = Assert.Throws<MemoryBackendException>(() => backend.CheckConsumer(MemoryConsumer.Balloon));
        Assert.Equal(MemoryErrorIds.ConsumerNeedsDiscard, attaching.ErrorId);
        foreach (var policy in new DiscardPolicy?[] { null, DiscardPolicy.Auto, DiscardPolicy.ZeroOverlay, DiscardPolicy.RestoreTemplate })
        {
            Assert.Equal(MemoryErrorIds.DiscardDenied, DiscardFails(backend, 0, Page, policy));
        }

        var other = Backends.CreateAsForetold(Private with { DiscardPolicy = DiscardPolicy.Deny });
        Assert.Equal(MemoryErrorIds.DiscardDenied, DiscardFails(other, 0, Page, DiscardPolicy.ZeroOverlay));

        // Only private file memory is meant.
        var anonymous = Backends.CreateAsForetold(new() { Size = Page, DenyPrivateDiscard = true });
        anonymous.Bytes(0, Page).Fill(1);
        Assert.Equal(Page, anonymous.Discard(0, Page).BytesFreed);
    }

    [Fact]
    public void A_hole_through_a_private_mapping_warns_once()
    {
        var options = Private with { FileAccessMode = FileAccessMode.ReadWrite };
        var backend = Backends.CreateAsForetold(options);
        Assert.Equal([MemoryWarningIds.PunchHoleChangesFile], backend.Discard(0, Page, DiscardPolicy.PunchHole).Warnings.Select(w => w.Id));
        Assert.Empty(backend.Discard(Page, Page, DiscardPolicy.PunchHole).Warnings);

        var named = Backends.CreateAsForetold(options with { DiscardPolicy = DiscardPolicy.PunchHole });
        Assert.Equal([MemoryWarningIds.PunchHoleChangesFile], named.Outcome.Warnings.Select(w => w.Id));
        Assert.Empty(named.Discard(2 * Page, Page).Warnings);

        var shared = Backends.CreateAsForetold(options with { Share = true, AllowSharedWriters = true });
        Assert.Empty(shared.Discard(0, Page, DiscardPolicy.PunchHole).Warnings);
    }

    [SkippableFact]
    public void What_held_no_memory_gives_none_back()
    {
        Host.NeedsZeroPage();
        var backend = Backends.Create(Private);
        Assert.Equal(0, backend.Discard(0, 4 * Page).BytesFreed);
        Assert.Equal((byte)0, backend.Bytes(0, 4 * Page).Value()); // reading an overlay takes the shared zero page
        Assert.Equal(0, backend.Discard(0, 4 * Page).BytesFreed);
        backend.Bytes(0, Page).Fill(1);
        Assert.Equal(Page, backend.Discard(0, 4 * Page).BytesFreed);

        var shared = Backends.Create(Private with { Share = true, AllowSharedWriters = true });
        Assert.Equal(4 * Page, shared.Discard(0, 4 * Page).BytesFreed);
        Assert.Equal(0, shared.Discard(0, 4 * Page).BytesFreed);
    }

    [Fact]
    public void The_offset_into_the_file_counts()
    {
        var path = Folder.File("ram", 8 * Page);
        var backend = Backends.Create(new() { Path = path, Size = 4 * Page, Offset = 4 * Page, Share = true });
        backend.Discard(Page, Page);
        var pages = File.ReadAllBytes(path).Chunk(Page).Select(p => p.AsSpan().Value());
        Assert.Equal(Enumerable.Range(0, 8).Select(i => (byte?)(i == 5 ? 0 : TestFolder.Fill)), pages);
    }

    [Fact]
    public void What_a_guest_discards_is_bounded_apart_and_leaves_room_for_others()
    {
        var budget = new MappingBudget(64);
        using var backends = new MemoryBackends(_ => null, budget, isLinux: true);
        MemoryBackend[] guests = [.. Enumerable.Range(0, 12).Select(_ => backends.Create(Private with { Id = null }))];
        foreach (MemoryBackend guest in guests)
        {
            guest.Bytes(0, 16 * Page).Fill(1);
            for (int page = 1; page < 16; page += 2)
            {
                DiscardOutcome outcome = guest.TryDiscardForGuest(page * Page, Page)!;
                Assert.True(outcome.BytesFreed == Page || outcome.How == "zeroed in place", outcome.How);
                Assert.Equal((byte)0, guest.Bytes(page * Page, Page).Value());
            }

            Assert.InRange(guest.Measure().OverlayCount, 0, 2); // a sixteenth of 64 mappings
        }

        Assert.InRange(budget.Used, 30, 32);
        Assert.Null(guests[^1].Discard(2 * Page, Page).WhyNotFreed);
        using (guests[0].KeepUnchanged(CancellationToken.None))
        {
            Assert.Null(guests[0].TryDiscardForGuest(0, Page));
        }

        Assert.NotNull(guests[0].TryDiscardForGuest(0, Page));
        Array.ForEach(guests, guest => guest.Dispose());
        Assert.Equal(0, budget.Used);
    }

    [Fact]
    public void Past_the_bound_ranges_are_zeroed_in_place_and_the_outcome_says_so()
    {
        // Room for one overlay inside the block: it splits one mapping into three.
        var budget = new MappingBudget(2);
        using var backends = new MemoryBackends(_ => null, budget, isLinux: true);
        var options = Private;
        var backend = backends.Create(options);
        backend.Bytes(0, 16 * Page).Fill(1);
        Assert.Null(backend.Discard(2 * Page, Page).WhyNotFreed);
        Assert.Equal(2, budget.Used);

        var outcome = backend.Discard(8 * Page, 2 * Page);
        Assert.Equal((0, "zeroed in place"), (outcome.BytesFreed, outcome.How));
        Assert.Equal("8 KiB were zeroed in place: overlays have added 2 of at most 2 mappings to this process.", outcome.WhyNotFreed);
        Assert.Equal((byte)0, backend.Bytes(8 * Page, 2 * Page).Value());
        Assert.Equal((Page, 1), (backend.Measure().Overlay, backend.Measure().OverlayCount));

        // A neighbour costs nothing, so part of a range can still be freed.
        outcome = backend.Discard(2 * Page, 2 * Page);
        Assert.Equal((Page, null), (outcome.BytesFreed, outcome.WhyNotFreed));
        Assert.Equal((2 * Page, 1), (backend.Measure().Overlay, backend.Measure().OverlayCount));

        // Pages that are zero already are not copied to be zeroed.
        var own = backend.Measure().Own;
        backend.Discard(8 * Page, 2 * Page);
        Assert.Equal(own, backend.Measure().Own);

        // The file shows again without a further mapping, too.
        outcome = backend.Discard(2 * Page, 2 * Page, DiscardPolicy.RestoreTemplate);
        Assert.Null(outcome.WhyNotFreed);
        Assert.Equal(0, backend.Measure().OverlayCount);
        Assert.Equal(TestFolder.Fill, backend.Bytes(2 * Page, 2 * Page).Value());

        // To cut an overlay in two costs as much as to make one.
        backend.Discard(2 * Page, 3 * Page);
        outcome = backend.Discard(3 * Page, Page, DiscardPolicy.RestoreTemplate);
        Assert.Equal((0, "filled from the file"), (outcome.BytesFreed, outcome.How));
        Assert.Equal([0, TestFolder.Fill, 0], new[] { 2, 3, 4 }.Select(i => backend.Bytes(i * Page, Page).Value()!.Value));
        Assert.Equal(1, backend.Measure().OverlayCount);

        // Read-only memory cannot be changed in place; other backends share the bound.
        var rom = backends.Create(options with { ReadOnly = true });
        Assert.Equal(MemoryErrorIds.OverlayLimitReached, DiscardFails(rom, Page, Page));

        backend.Dispose();
        Assert.Equal(0, budget.Used);
        Assert.Null(rom.Discard(Page, Page).WhyNotFreed);
    }

    [Fact]
    public void The_bound_of_the_process_is_half_of_what_the_kernel_allows() =>
        Assert.Equal(int.Parse(File.ReadAllText("/proc/sys/vm/max_map_count"), null) / 2, MappingBudget.Process.Limit);

    [Fact]
    public void Half_of_the_kernels_mappings_is_never_passed()
    {
        // Every other page of a block with more pages than the process may have mappings.
        var limit = (int)MappingBudget.Process.Limit;
        var backend = Backends.Create(new() { Kind = BackendKind.Memfd, Size = (limit + 100L) * Page });
        var notFreed = 0;
        for (var i = 0L; i < limit + 100; i += 2)
        {
            notFreed += backend.Discard(i * Page, Page).WhyNotFreed is null ? 0 : 1;
        }

        Assert.InRange(notFreed, 1, 100);
        Assert.InRange(SmapsEntry.Of(backend).Count, limit - 100, limit + 1); // the block itself was one
        Assert.Equal((byte)0, backend.Bytes(0, (int)backend.Size).Value());
        backend.Dispose();
        Assert.Equal(0, MappingBudget.Process.Used);
    }

    [SkippableFact]
    public void A_file_system_that_cannot_punch_holes_has_shared_memory_zeroed_in_place()
    {
        using var mount = Host.Mount(Folder, "ramfs");
        File.WriteAllBytes(mount.In("ram"), [.. Enumerable.Repeat(TestFolder.Fill, 4 * Page)]);
        var options = new MemoryBackendOptions { Path = mount.In("ram"), Size = 4 * Page, FileAccessMode = FileAccessMode.ReadWrite };
        using var shared = Backends.CreateAsForetold(options with { Share = true });
        var outcome = shared.Discard(Page, Page);
        Assert.Equal((0, "zeroed in place", "ramfs cannot punch holes."), (outcome.BytesFreed, outcome.How, outcome.WhyNotFreed));
        Assert.Equal((byte)0, File.ReadAllBytes(mount.In("ram")).AsSpan(Page, Page).Value());

        // Zeroing a private copy would not be what was asked for.
        using var copy = Backends.Create(options with { AllowSharedWriters = true });
        copy.Bytes(0, Page).Fill(1);
        Assert.Equal(MemoryErrorIds.DiscardFailed, DiscardFails(copy, 0, Page, DiscardPolicy.PunchHole));
        Assert.Equal((byte)1, copy.Bytes(0, Page).Value());
    }

    [Fact]
    public async Task Discards_from_several_threads_while_harts_run()
    {
        var backend = Backends.Create(Private);
        var writer = Task.Run(() =>
        {
            for (var i = 0; i < 200_000; i++)
            {
                backend.Bytes((i % 16) * Page, 1)[0] = 1;
            }
        });
        await Task.WhenAll(Enumerable.Range(0, 4).Select(worker => Task.Run(() =>
        {
            for (var i = 0; i < 500; i++)
            {
                var policy = (i + worker) % 2 == 0 ? DiscardPolicy.ZeroOverlay : DiscardPolicy.RestoreTemplate;
                backend.Discard(((i * 7) + worker) % 15 * Page, 2 * Page, policy);
                if (i % 50 == 0)
                {
                    Assert.InRange(backend.Measure().Overlay, 0, backend.Size);
                }
            }
        })));
        await writer;
        backend.Discard(0, 16 * Page, DiscardPolicy.RestoreTemplate);
        Assert.Equal(TestFolder.Fill, backend.Bytes(0, 16 * Page).Value());
        Assert.Equal(0, backend.Measure().OverlayCount);
    }
}
