using System.Diagnostics;
using Mono.Unix.Native;
using PsVm.Machine.Templates;
using PsVm.Memory;
using PsVm.Memory.Tests.Support;

namespace PsVm.Machine.Tests.Templates;

/// <summary>Chains that are merged: the same guests start from them, whatever comes between; and what is made on what.</summary>
public sealed class MergeTests : ChainTest
{
    private readonly byte[] _expected = new byte[Pages];

    [Fact]
    public void A_chain_becomes_one_that_stands_alone_in_its_place()
    {
        GuestTemplate[] chain = MakeChain(3);
        MemoryBackend running = StartSuspended(chain[3]);
        MemoryBackend above = StartSuspended(Next(chain[3], "above", [.. _expected], page => page == 77, 9));
        List<StepProgress> steps = [];

        GuestTemplate merged = Merge(chain[3].Path, new CompressOptions(), progress: new Steps(steps));

        Assert.Equal((chain[3].Path, chain[3].Id, null, 2), (merged.Path, merged.Id, merged.Parent, merged.FormatVersion));
        Assert.Equal(Memory, steps[^1].Done);
        foreach (GuestTemplate below in chain[..3])
        {
            GuestTemplates.Remove(below.Path);
        }

        Assert.Empty(GuestTemplates.Test(merged.Path, verify: true).Errors);
        Assert.Equal(_expected, FirstBytes(StartSuspended(merged)));
        Assert.Equal(_expected, FirstBytes(running));
        Assert.Equal(9, FirstBytes(above)[77]);
        Assert.Equal(9, FirstBytes(StartSuspended(GuestTemplates.Read(At("above"))))[77]);

        // A guest that was started before can still be the base of a template.
        Write(running, _expected, 5, 8);
        GuestTemplate later = Make(NameOf(running), new CheckpointOptions { Path = At("later"), Differential = true });
        Assert.Equal(_expected, FirstBytes(StartSuspended(later)));
    }

    [Fact]
    public void A_chain_can_be_shortened_and_merged_elsewhere()
    {
        GuestTemplate[] chain = MakeChain(4);

        GuestTemplate shorter = Merge(chain[4].Path, new CompressOptions { Destination = At("new/shorter"), Parent = chain[1].Path });
        GuestTemplate alone = Merge(chain[4].Path, new CompressOptions { Destination = At("alone") });

        Assert.Equal((chain[4].Id, chain[1].Id), (shorter.Id, shorter.Parent!.Id));
        Assert.All([chain[4], shorter, alone], template => Assert.Equal(_expected, FirstBytes(StartSuspended(template))));
        GuestTemplates.Remove(chain[3].Path);
        GuestTemplates.Remove(chain[2].Path);
        Assert.Empty(GuestTemplates.Test(shorter.Path, verify: true).Errors);
        Assert.Equal(_expected, FirstBytes(StartSuspended(shorter)));
        Assert.Equal(GuestErrorIds.TemplateParentNotFound, ErrorOf(() => Clone(chain[4])));
    }

    [Fact]
    public void What_cannot_be_merged_is_refused_and_stays()
    {
        GuestTemplate[] chain = MakeChain(2);

        // Alone already: nothing to do, unless it is to come elsewhere.
        Assert.Equal(chain[0].RamBlocks[0].Identity, Merge(chain[0].Path, new CompressOptions()).RamBlocks[0].Identity);
        Assert.Equal(chain[2].Parent, Merge(chain[2].Path, new CompressOptions { Parent = chain[1].Path }).Parent);
        Assert.Equal(
            GuestErrorIds.CompressParentInvalid, ErrorOf(() => Merge(chain[1].Path, new CompressOptions { Parent = chain[2].Path })));
        Assert.Equal(
            GuestErrorIds.CheckpointPathInUse,
            ErrorOf(() => Merge(chain[2].Path, new CompressOptions { Destination = chain[0].Path, Force = true })));
        MakeIdle("other", new byte[Pages]);
        Assert.Equal(
            GuestErrorIds.CheckpointPathInUse, ErrorOf(() => Merge(chain[2].Path, new CompressOptions { Destination = At("other") })));
        Assert.Equal(GuestErrorIds.TemplateNotFound, ErrorOf(() => Merge(At("none"), new CompressOptions())));
        using (CancellationTokenSource cancelled = new())
        {
            cancelled.Cancel();
            Assert.Throws<OperationCanceledException>(() => Merge(chain[2].Path, new CompressOptions(), cancellation: cancelled.Token));
        }

        Directory.Move(chain[1].Path, At("../" + Path.GetFileName(Folder) + ".moved"));
        try
        {
            Assert.Equal(GuestErrorIds.TemplateParentNotFound, ErrorOf(() => Merge(chain[2].Path, new CompressOptions())));
            Assert.Equal(GuestErrorIds.TemplateParentNotFound, ErrorOf(() => Check(chain[2].Path, new CompressOptions())));
        }
        finally
        {
            Directory.Move(At("../" + Path.GetFileName(Folder) + ".moved"), chain[1].Path);
        }

        Assert.Equal(_expected, FirstBytes(StartSuspended(chain[2])));
        Assert.Equal(
            [chain[2].Path, chain[1].Path, chain[0].Path], Check(chain[2].Path, new CompressOptions()).Select(template => template.Path));
        Assert.Empty(GuestTemplates.Leftovers(Folder));
    }

    [Fact]
    public void A_template_that_came_meanwhile_is_not_lost()
    {
        GuestTemplate[] chain = MakeChain(2);
        GuestTemplate? newer = null;
        ReplacingCalls calls = new(() =>
        {
            // In the last moment somebody else replaces what is merged.
            MemoryBackend ram = StartSuspended(chain[1]);
            newer = Make(NameOf(ram), new CheckpointOptions { Path = chain[2].Path, Force = true });
        });

        Assert.Equal(
            GuestErrorIds.CheckpointPathInUse,
            ErrorOf(() => new TemplateMerge(chain[2].Path, new CompressOptions(), calls).Run(null, CancellationToken.None)));

        Assert.Equal(newer!.Id, GuestTemplates.Read(chain[2].Path).Id);
        Assert.Empty(GuestTemplates.Test(chain[2].Path, verify: true).Errors);
    }

    [Fact]
    public async Task Several_who_merge_and_remove_one_template_leave_a_good_one_or_none()
    {
        GuestTemplate[] chain = MakeChain(3);
        for (int turn = 0; turn < 5; turn++)
        {
            Process.Start("cp", ["-a", chain[3].Path, At("one")]).WaitForExit();
            Task[] work = [.. Enumerable.Range(0, 4).Select(i => Task.Run(() =>
            {
                try
                {
                    if (i < 3)
                    {
                        Merge(At("one"), new CompressOptions());
                    }
                    else
                    {
                        Thread.Sleep(turn * 3);
                        GuestTemplates.Remove(At("one"));
                    }
                }
                catch (GuestException)
                {
                    // Somebody else was faster.
                }
            }))];
            await Task.WhenAll(work);

            if (GuestTemplates.Exists(At("one")))
            {
                Assert.Empty(GuestTemplates.Test(At("one"), verify: true).Errors);
                Assert.Equal(_expected, FirstBytes(StartSuspended(GuestTemplates.Read(At("one")))));
                GuestTemplates.Remove(At("one"));
            }
        }

        Assert.Equal(_expected, FirstBytes(StartSuspended(chain[3])));
    }

    [Fact]
    public async Task Guests_start_while_a_template_below_is_merged()
    {
        GuestTemplate[] chain = MakeChain(2);
        GuestTemplate merged = Merge(chain[1].Path, new CompressOptions { Destination = At("merged") });
        for (int turn = 0; turn < 30; turn++)
        {
            // The merged one takes the other's place, and in the next turn the other way round.
            Task swapping = Task.Run(() =>
            {
                Thread.Sleep(Random.Shared.Next(10));
                Assert.Equal(0, FolderCalls.Kernel.Swap(chain[1].Path, merged.Path));
            });
            do
            {
                string clone = Clone(chain[2]);
                Host.Suspend(clone);
                Assert.Equal(_expected, FirstBytes(Backends.List().Single(backend => backend.Info.Guest == clone)));
                End(clone);
            }
            while (!swapping.IsCompleted);
            await swapping;
        }
    }

    [SkippableFact]
    public void A_full_disk_at_any_place_leaves_all_as_it_was()
    {
        GuestTemplate[] chain = MakeChain(2);
        using TestFolder folder = new();
        using Mounted mount = PsVm.Memory.Tests.Support.Host.Mount(folder, "tmpfs");
        string path = mount.In("t2");
        try
        {
            // Roughly where there is room enough, and then page by page up to there.
            long enough = FillAndMerge(chain[2], path, Memory / 2, 16 * Page, out _);
            GuestTemplates.Remove(path);
            FillAndMerge(chain[2], path, enough - (20 * Page), Page, out int refused);

            Assert.InRange(refused, 3, 100);
            Assert.Null(GuestTemplates.Read(path).Parent);
            Resize(path, 4 * Memory); // of a full tmpfs not even holes can be read through a mapping
            string clone = Clone(new GuestOptions { Template = path });
            Host.Suspend(clone);
            Assert.Equal(_expected, FirstBytes(Backends.List().Single(backend => backend.Info.Guest == clone)));
        }
        finally
        {
            Host.Dispose(); // before its RAM is unmounted
            Backends.Dispose();
        }
    }

    /// <summary>Copies a template to a tmpfs, and merges it there with more and more room until it goes well.</summary>
    /// <returns>The size of the tmpfs then.</returns>
    private long FillAndMerge(GuestTemplate template, string path, long size, long step, out int refused)
    {
        Resize(path, 4 * Memory);
        Process.Start("cp", ["-a", template.Path, path]).WaitForExit();
        for (refused = 0; ; size += step)
        {
            // It may be refused to be smaller than what is there already.
            bool isSmaller = Resize(path, size);
            try
            {
                Merge(path, new CompressOptions { SearchPath = [Folder] });
                if (isSmaller)
                {
                    return size;
                }
            }
            catch (GuestException full) when (full.ErrorId == GuestErrorIds.CheckpointDiskFull)
            {
                refused++;
                Assert.Empty(GuestTemplates.Leftovers(Path.GetDirectoryName(path)!));
                Assert.Equal(template.RamBlocks[0].Digest, GuestTemplates.Read(path).RamBlocks[0].Digest);
            }
        }
    }

    private static bool Resize(string path, long size)
    {
        using Process remount = Process.Start(
            new ProcessStartInfo("mount", ["-o", $"remount,size={size}", Path.GetDirectoryName(path)!]) { RedirectStandardError = true })!;
        remount.WaitForExit();
        return remount.ExitCode == 0;
    }

    [Fact]
    public void The_tree_shows_what_is_made_on_what()
    {
        GuestTemplate[] chain = MakeChain(2);
        GuestTemplate side = Next(chain[0], "side", [.. _expected], page => page == 9, 1);
        Directory.CreateDirectory(At("elsewhere"));
        GuestTemplate lost = Next(MakeIdle("gone", new byte[Pages]), "orphan", new byte[Pages], page => page == 9, 1);
        GuestTemplates.Remove(At("gone"));

        IReadOnlyList<TemplateNode> tree = TemplateTree.Of(Folder, CancellationToken.None);

        Assert.Equal(["orphan", "t0", "├─ side", "└─ t1", "   └─ t2"], tree.Select(node => node.Tree));
        Assert.Equal([0, 0, 1, 1, 2], tree.Select(node => node.Depth));
        Assert.Equal([true, false, false, false, false], tree.Select(node => node.IsOrphan));
        Assert.Equal([side.Path, chain[1].Path], tree[1].Children);
        Assert.Equal(chain[1].Path, tree[4].Parent);
        Assert.Equal(lost.RamBlocks[0].ChangedBytes, tree[0].Changed);
        Assert.All(tree, node => Assert.InRange(node.OnDisk, Page, 2 * Memory));
        Assert.Equal(
            [chain[2].Path, chain[1].Path, side.Path],
            TemplateTree.Needing(chain[0].Path, CancellationToken.None).Select(node => node.Path));
        Assert.Empty(TemplateTree.Needing(side.Path, CancellationToken.None));
        Assert.Empty(TemplateTree.Needing(At("none/at/all"), CancellationToken.None));
    }

    private static GuestTemplate Merge(
        string path, CompressOptions options, IProgress<StepProgress>? progress = null, CancellationToken cancellation = default) =>
        new TemplateMerge(path, options, FolderCalls.Kernel).Run(progress, cancellation);

    private static IReadOnlyList<GuestTemplate> Check(string path, CompressOptions options) =>
        new TemplateMerge(path, options, FolderCalls.Kernel).Check();

    /// <summary>Templates t0, t1 and so on, of which each is made on the one before.</summary>
    private GuestTemplate[] MakeChain(int levels)
    {
        List<GuestTemplate> chain = [MakeIdle("t0", _expected)];
        for (int level = 1; level <= levels; level++)
        {
            chain.Add(Next(chain[^1], $"t{level}", _expected, page => page > 8 && page % (level + 2) == 0, (byte)level));
        }

        return [.. chain];
    }

    private sealed class Steps(List<StepProgress> told) : IProgress<StepProgress>
    {
        public void Report(StepProgress value) => told.Add(value);
    }

    /// <summary>Does something before the first exchange of a template that has its place.</summary>
    private sealed class ReplacingCalls(Action before) : FolderCalls
    {
        private Action? _before = before;

        public override int Swap(string one, string other)
        {
            if (File.Exists(Path.Combine(one, "template.json")) && Interlocked.Exchange(ref _before, null) is { } act)
            {
                act();
            }

            return base.Swap(one, other);
        }
    }
}
