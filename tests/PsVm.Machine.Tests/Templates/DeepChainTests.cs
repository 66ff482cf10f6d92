using PsVm.Machine.Templates;

namespace PsVm.Machine.Tests.Templates;

/// <summary>Descriptions of far more levels than anybody makes: files say how deep a chain is, and must not end the process.</summary>
public sealed class DeepChainTests : ChainTest
{
    private const int Levels = 3_000;

    // A frame of a method takes some 200 bytes: with one for each level this would be too little, and a usual stack for a longer chain.
    private const int SmallStack = 256 << 10;

    [Fact]
    public void Are_shown_and_their_needs_found_on_a_small_stack()
    {
        GuestTemplate lowest = MakeIdle("t0", new byte[Pages]);
        GuestTemplate first = Next(lowest, "t1", new byte[Pages], page => page == 40, 1);
        string description = File.ReadAllText(Path.Combine(first.Path, TemplateSource.ManifestFile));
        Assert.Contains($"{lowest.Id}", description, StringComparison.Ordinal);
        Guid[] ids = [lowest.Id, first.Id, .. Enumerable.Range(2, Levels - 1).Select(_ => Guid.NewGuid())];
        for (int level = 2; level <= Levels; level++)
        {
            Directory.CreateDirectory(At($"t{level}"));
            File.WriteAllText(
                Path.Combine(At($"t{level}"), TemplateSource.ManifestFile),
                description.Replace($"{first.Id}", $"{ids[level]}", StringComparison.Ordinal)
                    .Replace($"{lowest.Id}", $"{ids[level - 1]}", StringComparison.Ordinal)
                    .Replace(lowest.Path, At($"t{level - 1}"), StringComparison.Ordinal));
        }

        IReadOnlyList<TemplateNode> tree = [];
        IReadOnlyList<GuestTemplate> needing = [];
        Thread thread = new(
            () =>
            {
                tree = TemplateTree.Of(Folder, CancellationToken.None);
                needing = TemplateTree.Needing(lowest.Path, CancellationToken.None);
            },
            SmallStack);
        thread.Start();
        thread.Join();

        Assert.Equal(ids, tree.Select(node => node.Template.Id));
        Assert.Equal(Enumerable.Range(0, Levels + 1), tree.Select(node => node.Depth));
        Assert.All(tree, node => Assert.InRange(node.Tree.Length, 1, 150));
        Assert.EndsWith("└─ t2", tree[2].Tree, StringComparison.Ordinal);
        Assert.Equal(ids[1..].Reverse(), needing.Select(template => template.Id));
    }
}
