using FsCheck;
using FsCheck.Fluent;
using PsVm.Memory.Discarding;
using PsVm.Memory.Files;
using PsVm.Memory.Mapping;
using PsVm.Memory.Tests.Support;

namespace PsVm.Memory.Tests.Mapping;

/// <summary>Layers over a block's own file: what shows is what a model says, mapped where it can be and copied where not.</summary>
[Collection(HostCollection.Name)]
public sealed class LayerTests
{
    private const int Page = Make.Page;
    private const int Pages = 24;

    /// <summary>What is done to a range of pages.</summary>
    public enum StepKind
    {
        Layer,
        Store,
        ZeroOverlay,
        RestoreTemplate,
        ShowFile,
    }

    public sealed record Step(StepKind Kind, int First, int Count);

    private static Arbitrary<Step[]> Steps()
    {
        var step =
            from kind in Gen.Elements(
                StepKind.Layer, StepKind.Layer, StepKind.Store, StepKind.ZeroOverlay, StepKind.RestoreTemplate, StepKind.ShowFile)
            from first in Gen.Choose(0, Pages - 1)
            from count in Gen.Choose(1, Pages - first)
            select new Step(kind, first, Math.Min(count, 8));
        return Arb.From(Gen.Choose(1, 24).SelectMany(count => Gen.ArrayOf(step, count)), Shrink);

        static IEnumerable<Step[]> Shrink(Step[] steps) =>
            Enumerable.Range(0, steps.Length).Select(skip => steps.Where((_, i) => i != skip).ToArray());
    }

    [Fact]
    public void Pieces_are_those_of_an_array() => Prop.ForAll(Steps(), steps =>
    {
        Step[] layers = [.. steps.Where(step => step.Kind == StepKind.Layer)];
        int[] model = new int[Pages];
        for (int i = 0; i < layers.Length; i++)
        {
            model.AsSpan(layers[i].First, layers[i].Count).Fill(i + 1);
        }

        RamPieces pieces = RamPieces.Of(Pages, [.. layers.Select(layer => new[] { new PageRange(layer.First, layer.Count) })]);

        Assert.Equal(model, pieces.All.SelectMany(piece => Enumerable.Repeat(piece.Layer, (int)piece.Length)));
        Assert.All(pieces.All.Zip(pieces.All.Skip(1)), two => Assert.NotEqual(two.First.Layer, two.Second.Layer));
        Assert.All(Enumerable.Range(0, Pages), page => Assert.Equal(model[page], pieces.At(page).Layer));
        Assert.Equal(model[3..19], pieces.Within(3, 19).SelectMany(piece => Enumerable.Repeat(piece.Layer, (int)piece.Length)));
        Assert.Equal(model.Count(layer => layer == 1), pieces.RangesOf(1).Sum(range => range.Length));
    }).QuickCheckThrowOnFailure();

    [Theory]
    [InlineData(1000, false)]
    [InlineData(12, false)]
    [InlineData(0, false)]
    [InlineData(1000, true)]
    [InlineData(12, true)]
    public void Guest_and_kernel_see_what_a_model_says(int bound, bool readOnly) => Prop.ForAll(Steps(), steps =>
    {
        using TestFolder folder = new();
        MappingBudget budget = new(bound);
        using MemoryBackends backends = new(_ => null, budget, isLinux: true);
        MemoryBackend backend = backends.Create(
            new() { Path = folder.File("ram", Pages * Page), Size = Pages * Page, ReadOnly = readOnly });
        byte[] shown = [.. Enumerable.Repeat(TestFolder.Fill, Pages)];
        Step[] layers = [.. steps.Where(step => step.Kind == StepKind.Layer)];
        List<LayerFile> files = [];
        for (int i = 0; i < layers.Length; i++)
        {
            files.Add(Open(folder.File($"layer{i}", Pages * Page, (byte)(i + 1)), Pages * Page));
            shown.AsSpan(layers[i].First, layers[i].Count).Fill((byte)(i + 1));
        }

        backend.Lay(
            RamPieces.Of(Pages * Page, [.. layers.Select(layer => new[] { new PageRange(layer.First * Page, layer.Count * Page) })]),
            files);

        byte[] model = [.. shown];
        AssertShown();
        Assert.InRange(budget.Used, 0, bound / 2);
        if (bound == 1000)
        {
            Assert.Equal(0, PageMap.PrivateBytes(backend.Address, backend.Size));
        }

        foreach ((StepKind kind, int first, int count) in steps.Where(step => step.Kind != StepKind.Layer))
        {
            if (kind == StepKind.Store && !readOnly)
            {
                backend.Bytes(first * Page, count * Page).Fill(200);
                model.AsSpan(first, count).Fill(200);
            }
            else if (kind == StepKind.ShowFile)
            {
                backend.ShowFile(CancellationToken.None);
                shown.CopyTo(model, 0);
            }
            else if (kind != StepKind.Store)
            {
                try
                {
                    backend.Discard(
                        first * Page,
                        count * Page,
                        kind == StepKind.ZeroOverlay ? DiscardPolicy.ZeroOverlay : DiscardPolicy.RestoreTemplate);
                }
                catch (MemoryBackendException refused) when (readOnly && refused.ErrorId == MemoryErrorIds.OverlayLimitReached)
                {
                    return; // a part may be done
                }

                Array.Copy(kind == StepKind.ZeroOverlay ? new byte[Pages] : shown, first, model, first, count);
            }

            AssertShown();
            Assert.InRange(budget.Used, 0, bound);
        }

        // Never more mappings than were accounted for, and all as it was when all is put back.
        Assert.InRange(SmapsEntry.Of(backend).Count, 1, budget.Used + 1);
        if (!readOnly)
        {
            backend.Discard(0, Pages * Page, DiscardPolicy.RestoreTemplate);
            shown.CopyTo(model, 0);
            AssertShown();
        }

        Assert.All(
            layers.Index(),
            layer => Assert.Equal((byte)(layer.Index + 1), File.ReadAllBytes(folder.In($"layer{layer.Index}")).AsSpan().Value()));
        backend.Dispose();
        Assert.Equal(0, budget.Used);
        Assert.All(files, file => Assert.False(file.TryHold(), "its last holder has gone"));

        void AssertShown() =>
            Assert.Equal(model.Select(b => (byte?)b), Enumerable.Range(0, Pages).Select(i => backend.Bytes(i * Page, Page).Value()));
    }).Check(Config.QuickThrowOnFailure.WithMaxTest(40));

    [Fact]
    public void What_is_mapped_again_joins_its_neighbours_where_a_layer_was_copied()
    {
        using TestFolder folder = new();
        MappingBudget budget = new(12);
        using MemoryBackends backends = new(_ => null, budget, isLinux: true);
        MemoryBackend backend = backends.Create(new() { Path = folder.File("ram", Pages * Page), Size = Pages * Page, ReadOnly = true });
        PageRange[] layers = [new(Page, 7 * Page), new(17 * Page, 5 * Page), new(4 * Page, Page), new(23 * Page, Page)];
        RamPieces pieces = RamPieces.Of(Pages * Page, [.. layers.Select(layer => new[] { layer })]);
        backend.Lay(pieces, [.. layers.Select((_, i) => Open(folder.File($"layer{i}", Pages * Page, (byte)(i + 1)), Pages * Page))]);
        int before = SmapsEntry.Of(backend).Count;

        backend.Discard(15 * Page, Page, DiscardPolicy.ZeroOverlay);
        backend.Discard(15 * Page, Page, DiscardPolicy.RestoreTemplate);

        Assert.Equal(before, SmapsEntry.Of(backend).Count);
        Assert.InRange(before, 1, budget.Used + 1);
    }

    [SkippableFact]
    public void Over_huge_pages_layers_are_copied()
    {
        using HugePages lent = new(6);
        using TestFolder folder = new();
        using Mounted mount = Host.Mount(folder, "hugetlbfs");
        using MemoryBackends backends = Make.Backends();
        const int size = (int)(2 * HugePages.Size);
        using (MemoryBackend made = backends.Create(new() { Path = mount.In("ram"), Size = size, Share = true }))
        {
            made.Bytes(0, size).Fill(TestFolder.Fill);
        }

        using MemoryBackend backend = backends.Create(new() { Path = mount.In("ram"), Size = size });
        LayerFile layer = Open(folder.File("layer", size, 7), size);
        backend.Lay(RamPieces.Of(size, [[new PageRange(HugePages.Size, HugePages.Size)]]), [layer]);

        Assert.Equal(
            (TestFolder.Fill, (byte)7),
            (backend.Bytes(0, (int)HugePages.Size).Value()!.Value, backend.Bytes((int)HugePages.Size, (int)HugePages.Size).Value()!.Value));
        Assert.Equal(HugePages.Size, backend.Measure().Own);
        backend.Bytes(0, size).Fill(1);
        DiscardOutcome outcome = backend.Discard(0, size, DiscardPolicy.RestoreTemplate);
        Assert.Equal(
            (TestFolder.Fill, (byte)7),
            (backend.Bytes(0, (int)HugePages.Size).Value()!.Value, backend.Bytes((int)HugePages.Size, (int)HugePages.Size).Value()!.Value));
        Assert.Contains("the layer that has them was copied", outcome.WhyNotFreed, StringComparison.Ordinal);
    }

    [Fact]
    public void A_block_that_cannot_be_laid_leaves_nothing_open()
    {
        using TestFolder folder = new();
        using MemoryBackends backends = Make.Backends();
        MemoryBackend backend = backends.Create(new() { Path = folder.File("ram", Pages * Page), Size = Pages * Page });
        LayerFile layer = Open(folder.File("layer", Pages * Page, 1), Pages * Page);
        using (backend.KeepUnchanged(CancellationToken.None))
        {
            Assert.Throws<MemoryBackendException>(() => backend.Lay(RamPieces.Of(Pages * Page, [[new PageRange(0, Page)]]), [layer]));
        }

        Assert.False(layer.TryHold(), "it was released");
        Assert.Equal(TestFolder.Fill, backend.Bytes(0, Pages * Page).Value());
    }

    private static LayerFile Open(string path, long size) => LayerFile.Take(File.OpenHandle(path), path, size);
}
