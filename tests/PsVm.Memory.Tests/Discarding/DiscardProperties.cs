using FsCheck;
using FsCheck.Fluent;
using PsVm.Memory.Discarding;
using PsVm.Memory.Mapping;
using PsVm.Memory.Tests.Support;

namespace PsVm.Memory.Tests.Discarding;

/// <summary>Overlays against models that are too simple to be wrong.</summary>
[Collection(HostCollection.Name)]
public sealed class DiscardProperties
{
    private const int Page = Make.Page;
    private const int Pages = 24;

    /// <summary>A store to a page, or a discard of some.</summary>
    public enum StepKind
    {
        Store,
        ZeroOverlay,
        RestoreTemplate,
    }

    public sealed record Step(StepKind Kind, int First, int Count);

    private static Arbitrary<Step[]> Steps()
    {
        var step =
            from kind in Gen.Elements(StepKind.Store, StepKind.ZeroOverlay, StepKind.RestoreTemplate)
            from first in Gen.Choose(0, Pages - 1)
            from count in Gen.Choose(1, Pages - first)
            select new Step(kind, first, Math.Min(count, 6));
        return Arb.From(Gen.Choose(1, 20).SelectMany(count => Gen.ArrayOf(step, count)), Shrink);

        static IEnumerable<Step[]> Shrink(Step[] steps) =>
            Enumerable.Range(0, steps.Length).Select(skip => steps.Where((_, i) => i != skip).ToArray());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_layout_is_that_of_a_bitmap(bool fileMerges) => Prop.ForAll(Steps(), steps =>
    {
        var layout = new MappingLayout(Pages, fileMerges);
        var model = new bool[Pages];
        foreach (var (kind, first, count) in steps.Where(s => s.Kind != StepKind.Store))
        {
            var isOverlay = kind == StepKind.ZeroOverlay;
            foreach (var part in layout.Within(first, first + count))
            {
                if (part.IsOverlay != isOverlay)
                {
                    var expected = layout.SegmentCount + layout.CostOfFlipping(part);
                    layout.Flip(part);
                    Assert.Equal(expected, layout.SegmentCount);
                }
            }

            model.AsSpan(first, count).Fill(isOverlay);
            var segments = layout.Within(0, Pages);
            Assert.Equal(model, segments.SelectMany(s => Enumerable.Repeat(s.IsOverlay, (int)s.Length)));
            Assert.Equal(segments.Count, layout.SegmentCount);
            Assert.Equal(model.Count(overlay => overlay), layout.OverlayBytes);
            Assert.Equal(model.Where((overlay, i) => overlay && (i == 0 || !model[i - 1])).Count(), layout.OverlayCount);
            Assert.InRange(layout.SegmentCount, 1, Pages);
        }
    }).QuickCheckThrowOnFailure();

    [Theory]
    [InlineData(1000)]
    [InlineData(3)]
    public void Guest_and_kernel_see_what_a_model_says(int bound) => Prop.ForAll(Steps(), steps =>
    {
        using var folder = new TestFolder();
        var budget = new MappingBudget(bound);
        using var backends = new MemoryBackends(_ => null, budget, isLinux: true);
        var path = folder.File("ram", Pages * Page);
        var backend = backends.Create(new() { Path = path, Size = Pages * Page });
        var model = Enumerable.Repeat(TestFolder.Fill, Pages).ToArray();
        foreach (var (kind, first, count) in steps)
        {
            if (kind == StepKind.Store)
            {
                backend.Bytes(first * Page, count * Page).Fill(1);
            }
            else
            {
                var own = OwnBytes(backend);
                var policy = kind == StepKind.ZeroOverlay ? DiscardPolicy.ZeroOverlay : DiscardPolicy.RestoreTemplate;
                var outcome = backend.Discard(first * Page, count * Page, policy);
                if (outcome.WhyNotFreed is null)
                {
                    Assert.Equal(own - outcome.BytesFreed, OwnBytes(backend));
                }
            }

            model.AsSpan(first, count).Fill(kind switch { StepKind.Store => 1, StepKind.ZeroOverlay => 0, _ => TestFolder.Fill });
            Assert.Equal(model.Select(b => (byte?)b), Enumerable.Range(0, Pages).Select(i => backend.Bytes(i * Page, Page).Value()));

            Assert.InRange(budget.Used, 0, bound);
        }

        // Never more mappings than were accounted for.
        Assert.InRange(SmapsEntry.Of(backend).Count, 1, budget.Used + 1);
        Assert.Equal(TestFolder.Fill, File.ReadAllBytes(path).AsSpan().Value());
        backend.Dispose();
        Assert.Equal(0, budget.Used);
    }).Check(Config.QuickThrowOnFailure.WithMaxTest(60));

    private static long OwnBytes(MemoryBackend backend) => PageMap.PrivateBytes(backend.Address, backend.Size);
}
