using System.Text.Json.Nodes;
using PsVm.Machine.Templates;
using PsVm.Machine.Tests.Support;
using PsVm.Memory;
using PsVm.Memory.Mapping;

namespace PsVm.Machine.Tests.Templates;

/// <summary>Differential templates of clones of differential templates: found by id, mapped and not copied, right byte by byte.</summary>
public sealed class ChainTests : ChainTest
{
    [Fact]
    public void Ten_levels_show_what_each_wrote_last_and_cost_no_memory_of_their_own()
    {
        byte[] expected = new byte[Pages];
        GuestTemplate top = MakeIdle("t0", expected);
        for (int level = 1; level <= 10; level++)
        {
            top = Next(top, $"t{level}", expected, page => page % (level + 1) == 0 && page > 8, (byte)level);
        }

        MemoryBackend ram = StartSuspended(top);

        Assert.Equal(0, ram.MeasureOwn());
        Assert.Equal(expected, FirstBytes(ram));
        Assert.Equal(0, ram.MeasureOwn());
        Assert.Equal(10, TemplateSource.Open(top.Path).OpenChain([]).Levels.Count - 1);
    }

    [Fact]
    public void A_file_of_which_nothing_shows_has_to_be_there_for_test_and_start_alike()
    {
        byte[] expected = new byte[Pages];
        GuestTemplate hidden = Next(MakeIdle("t0", expected), "t1", expected, page => page is > 100 and < 300, 1);
        GuestTemplate shown = Next(hidden, "t2", expected, page => page is > 90 and < 310, 2);
        GuestTemplate top = Next(shown, "t3", expected, _ => false, 0);
        Assert.Equal(0, top.RamBlocks.Single().ChangedBytes);
        foreach (string file in new[] { hidden, shown, top }.Select(template => template.RamBlocks.Single().File))
        {
            File.Move(file, At("away"));

            Assert.Equal(GuestErrorIds.TemplateIncomplete, Assert.Single(GuestTemplates.Test(top.Path).Errors).Id);
            Assert.Equal(GuestErrorIds.TemplateIncomplete, Assert.Throws<GuestException>(() => Clone(top)).ErrorId);

            File.Move(At("away"), file);
        }

        Assert.Equal(expected, FirstBytes(StartSuspended(top)));
    }

    [Fact]
    public void A_full_and_a_differential_template_of_a_clone_of_a_chain_have_what_it_reads()
    {
        byte[] expected = new byte[Pages];
        GuestTemplate top = Next(
            Next(MakeIdle("t0", expected), "t1", expected, page => page is > 100 and < 300, 1), "t2", expected, page => page % 7 == 3, 2);
        MemoryBackend ram = StartSuspended(top);
        Write(ram, expected, 200, 9);
        Write(ram, expected, 201, 0);
        ram.Discard(220 * Page, 10 * Page);
        expected.AsSpan(220, 10).Clear();

        GuestTemplate full = Make(NameOf(ram), new CheckpointOptions { Path = At("full") });
        GuestTemplate differential = Make(NameOf(ram), new CheckpointOptions { Path = At("differential"), Differential = true });

        Assert.Null(full.Parent);
        Assert.InRange(differential.RamBlocks.Single().ChangedBytes!.Value, 12 * Page, 64 * Page);
        Assert.Equal(expected, FirstBytes(StartSuspended(full)));
        Assert.Equal(expected, FirstBytes(StartSuspended(differential)));
    }

    [Fact]
    public void Discards_show_zeros_or_what_the_chain_has()
    {
        byte[] expected = new byte[Pages];
        GuestTemplate top = Next(
            Next(MakeIdle("t0", expected), "t1", expected, page => page is > 100 and < 300, 1), "t2", expected, page => page % 7 == 3, 2);
        string name = Clone(new GuestOptions { Template = top.Path, DiscardPolicy = DiscardPolicy.RestoreTemplate });
        Host.Suspend(name);
        MemoryBackend ram = Backends.List().Single(backend => backend.Info.Guest == name);
        byte[] written = [.. expected];
        for (int page = 90; page < 320; page++)
        {
            Write(ram, written, page, 77);
        }

        // Zeros over several files at once, a part of which is put back, then all of it.
        ram.Discard(95 * Page, 210 * Page, DiscardPolicy.ZeroOverlay);
        written.AsSpan(95, 210).Clear();
        Assert.Equal(written, FirstBytes(ram));
        ram.Discard(150 * Page, 100 * Page);
        expected.AsSpan(150, 100).CopyTo(written.AsSpan(150));
        Assert.Equal(written, FirstBytes(ram));
        Write(ram, written, 160, 5);
        ram.Discard(0, Memory);
        Assert.Equal(expected, FirstBytes(ram));
        Assert.Equal(0, ram.MeasureOwn());
        Assert.Equal((0, 0), (ram.Measure().Overlay, ram.Measure().OverlayCount));
    }

    [Fact]
    public void Twenty_clones_of_a_large_delta_share_it()
    {
        byte[] expected = new byte[Pages];
        GuestTemplate top = Next(MakeIdle("t0", expected), "t1", expected, page => page > 16, 3);
        List<MemoryBackend> clones = [.. Enumerable.Range(0, 20).Select(_ => StartSuspended(top))];

        Assert.All(clones, ram => Assert.Equal(expected, FirstBytes(ram)));
        Assert.Equal(0, clones.Sum(ram => ram.MeasureOwn()));

        // One writes; no other sees it, nor the file.
        Write(clones[0], [.. expected], 20, 200);
        Assert.All(clones.Skip(1), ram => Assert.Equal(expected, FirstBytes(ram)));
        Assert.Equal(Page, clones[0].MeasureOwn());
        Assert.Empty(GuestTemplates.Test(top.Path, verify: true).Errors);
    }

    [Fact]
    public void Maps_and_measurements_of_a_clone_tell_its_own_pages_from_the_chains()
    {
        byte[] expected = new byte[Pages];
        GuestTemplate top = Next(MakeIdle("t0", expected), "t1", expected, page => page is >= 100 and < 110, 1);
        MemoryBackend ram = StartSuspended(top);
        FirstBytes(ram);
        Write(ram, expected, 102, 50);
        Write(ram, expected, 400, 50);
        ram.Discard(104 * Page, Page);

        RamMap map = ram.Map(Page);

        Assert.Equal([102, 400], Enumerable.Range(0, Pages).Where(page => map.Cells[page].Own > 0));
        Assert.All([100, 101, 103, 150], page => Assert.Equal(Page, map.Cells[page].Shared));
        Assert.Equal([104], Enumerable.Range(0, Pages).Where(page => map.Cells[page].Overlay > 0));
        Assert.Equal((2 * Page, Page, 1), (ram.Measure().Own, ram.Measure().Overlay, ram.Measure().OverlayCount));
        Assert.Equal(2 * Page, Host.Measure(NameOf(ram), detailed: true).Backends.Single().Own);
    }

    [Fact]
    public void The_file_of_a_delta_that_clones_map_is_nobody_elses_to_write()
    {
        byte[] expected = new byte[Pages];
        GuestTemplate top = Next(MakeIdle("t0", expected), "t1", expected, page => page == 50, 3);
        string file = top.RamBlocks[0].File;
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        MemoryBackend ram = StartSuspended(top);

        PsVmException refused = Assert.ThrowsAny<PsVmException>(
            () => Backends.Create(new MemoryBackendOptions { Path = file, Size = Memory, Share = true }));

        Assert.Equal(MemoryErrorIds.RamFileInUse, refused.ErrorId);
        Assert.Contains($"'{ram.Id}'", refused.Message, StringComparison.Ordinal);
        End(NameOf(ram));
        using MemoryBackend writer = Backends.Create(new MemoryBackendOptions { Path = file, Size = Memory, Share = true });
        Assert.Equal(MemoryErrorIds.RamFileInUse, ErrorOf(() => Clone(top)));
    }

    [Fact]
    public void A_moved_chain_works_and_given_folders_are_searched()
    {
        byte[] expected = new byte[Pages];
        GuestTemplate top = Next(
            Next(MakeIdle("a/t0", expected), "a/t1", expected, page => page == 60, 1), "a/t2", expected, page => page == 61, 2);
        Directory.Move(At("a"), At("b"));
        Assert.Equal(expected, FirstBytes(StartSuspended(GuestTemplates.Read(At("b/t2")))));

        // Under other names, in two other folders.
        Directory.CreateDirectory(At("c"));
        Directory.CreateDirectory(At("d"));
        Directory.Move(At("b/t1"), At("c/middle"));
        Directory.Move(At("b/t0"), At("d/bottom"));
        GuestException lost = Assert.Throws<GuestException>(
            () => Clone(new GuestOptions { Template = At("b/t2"), SearchPath = [At("d")] }));
        Assert.Equal(GuestErrorIds.TemplateParentNotFound, lost.ErrorId);
        Assert.All([At("b"), At("d"), At("a/t1")], place => Assert.Contains($"'{place}'", lost.Message, StringComparison.Ordinal));
        string clone = Clone(new GuestOptions { Template = At("b/t2"), SearchPath = [At("c"), At("d")] });
        Host.Suspend(clone);
        Assert.Equal(expected, FirstBytes(Backends.List().Single(backend => backend.Info.Guest == clone)));
        Assert.Empty(GuestTemplates.Test(At("b/t2"), searchPath: [At("c/middle"), At("d/bottom")]).Errors);
        Assert.NotEqual(Guid.Empty, top.Id);
    }

    [Theory]
    [InlineData("missing", GuestErrorIds.TemplateParentNotFound)]
    [InlineData("swapped", GuestErrorIds.TemplateParentChanged)]
    [InlineData("cyclic", GuestErrorIds.TemplateParentChanged)]
    [InlineData("altered", GuestErrorIds.TemplateRamChanged)]
    [InlineData("cut", GuestErrorIds.TemplateRamChanged)]
    [InlineData("noRam", GuestErrorIds.TemplateIncomplete)]
    [InlineData("state", GuestErrorIds.TemplateStateCorrupt)]
    public void A_bad_middle_is_refused_by_test_and_start_alike(string how, string error)
    {
        byte[] expected = new byte[Pages];
        GuestTemplate bottom = MakeIdle("t0", expected);
        GuestTemplate middle = Next(bottom, "t1", expected, page => page is > 60 and < 90, 1);
        GuestTemplate top = Next(middle, "t2", expected, page => page == 61, 2);
        End(NameOf(StartSuspended(top)));
        string ram = middle.RamBlocks[0].File;
        File.SetUnixFileMode(ram, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        switch (how)
        {
            case "missing":
                Directory.Delete(middle.Path, recursive: true);
                break;
            case "swapped":
                Directory.Move(middle.Path, At("old"));
                MakeIdle("t1", new byte[Pages]);
                Directory.Delete(At("old"), recursive: true);
                break;
            case "cyclic":
                string manifest = Path.Combine(middle.Path, "template.json");
                JsonNode json = JsonNode.Parse(File.ReadAllText(manifest))!;
                json["parent"] = new JsonObject { ["path"] = top.Path, ["id"] = top.Id.ToString() };
                File.Delete(manifest);
                File.WriteAllText(manifest, json.ToJsonString());
                break;
            case "altered":
                using (FileStream file = File.OpenWrite(ram))
                {
                    file.Position = 70 * Page;
                    file.WriteByte(99);
                }

                break;
            case "cut":
                using (FileStream file = File.OpenWrite(ram))
                {
                    file.SetLength(Memory - Page);
                }

                break;
            case "noRam":
                File.Delete(ram);
                break;
            case "state":
                string state = Path.Combine(middle.Path, "state.bin");
                byte[] bytes = File.ReadAllBytes(state);
                File.Delete(state);
                File.WriteAllBytes(state, bytes[..^1]);
                break;
        }

        Assert.Equal(error, ErrorOf(() => Clone(top)));
        Assert.Equal(error, Assert.Single(GuestTemplates.Test(top.Path).Errors.DistinctBy(found => found.Id)).Id);
        Assert.Empty(Backends.List());
    }

    [Fact]
    public void Clone_and_checkpoint_ten_times_keeps_the_ids_of_blocks()
    {
        File.WriteAllBytes(At("kernel"), GuestProgram.Wait);
        Backends.Create(new MemoryBackendOptions { Id = "main", Kind = BackendKind.Anonymous, Size = Memory });
        string guest = Clone(new GuestOptions { Kernel = At("kernel"), BackendIds = ["main"] });
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t0") });
        for (int turn = 1; turn <= 10; turn++)
        {
            string clone = Clone(template);
            template = Make(clone, new CheckpointOptions { Path = At($"t{turn}"), Differential = turn % 2 == 0 });
            End(clone);
        }

        Assert.Equal("main", template.RamBlocks.Single().BackendId);
    }

    [Fact]
    public void A_truncated_delta_ends_its_clone_and_no_other_guest()
    {
        byte[] expected = new byte[Pages];
        GuestTemplate bottom = MakeIdle("t0", expected);
        GuestTemplate top = Next(bottom, "t1", expected, page => page > 500, 1);
        MemoryBackend other = StartSuspended(bottom);
        MemoryBackend ram = StartSuspended(top);
        string file = top.RamBlocks[0].File;
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        using (FileStream cut = File.OpenWrite(file))
        {
            cut.SetLength(600 * Page);
        }

        Assert.Equal(MemoryErrorIds.RamFault, ErrorOf(() => Make(NameOf(ram), new CheckpointOptions { Path = At("full") })));

        Assert.Equal((RamFaultCause.Truncated, file), (ram.Fault!.Cause, ram.Fault.Path));
        Assert.Null(other.Fault);
        Assert.Equal(GuestState.Suspended, Host.Get(NameOf(other)).State);
    }
}
