using Mono.Unix.Native;

namespace PsVm.Machine.Templates;

/// <summary>Which templates are made on which.</summary>
internal static class TemplateTree
{
    private const int BytesInBlock = 512; // of st_blocks

    // Deeper ones are drawn no further to the right: a line for each of n templates is not to be n characters long.
    private const int MostIndent = 96;

    /// <inheritdoc cref="ITemplateHost.Tree"/>
    public static IReadOnlyList<TemplateNode> Of(string folder, CancellationToken cancellation)
    {
        GuestTemplate[] all = [.. Read(folder, cancellation)];
        Dictionary<string, string?> parents = all.ToDictionary(template => template.Path, PathOfParent);
        ILookup<string?, GuestTemplate> children = all.ToLookup(template => parents[template.Path]);
        HashSet<string> inside = [.. all.Select(template => template.Path)];
        List<TemplateNode> nodes = [];
        HashSet<string> seen = [];
        // Chains are as long as files say: no recursion.
        Stack<(GuestTemplate Template, int Depth, string Branch, string Below)> next = new();
        foreach (GuestTemplate root in all.Where(template => parents[template.Path] is not { } parent || !inside.Contains(parent)))
        {
            Add(root);
        }

        // Those that are left need themselves.
        foreach (GuestTemplate rest in all.Where(template => !seen.Contains(template.Path)))
        {
            Add(rest);
        }

        return nodes;

        void Add(GuestTemplate root)
        {
            next.Push((root, 0, string.Empty, string.Empty));
            while (next.TryPop(out var one))
            {
                cancellation.ThrowIfCancellationRequested();
                if (!seen.Add(one.Template.Path))
                {
                    continue;
                }

                GuestTemplate[] on = [.. children[one.Template.Path].Where(child => !seen.Contains(child.Path))];
                nodes.Add(new TemplateNode
                {
                    Template = one.Template,
                    Depth = one.Depth,
                    Tree = one.Branch + one.Template.Name,
                    Parent = parents[one.Template.Path],
                    Children = [.. children[one.Template.Path].Select(child => child.Path)],
                    OnDisk = BytesOnDisk(one.Template),
                });
                string below = one.Below.Length < MostIndent ? one.Below : $"…{one.Below[^(MostIndent - 1)..]}";
                for (int i = on.Length - 1; i >= 0; i--)
                {
                    bool isLast = i == on.Length - 1;
                    next.Push((on[i], one.Depth + 1, below + (isLast ? "└─ " : "├─ "), below + (isLast ? "   " : "│  ")));
                }
            }
        }
    }

    /// <inheritdoc cref="ITemplateHost.Needing"/>
    public static IReadOnlyList<GuestTemplate> Needing(string path, CancellationToken cancellation)
    {
        string full = TemplateSource.FullPath(path);
        string beside = Path.GetDirectoryName(full) ?? "/";
        GuestTemplate[] others = Directory.Exists(beside) ? [.. Read(beside, cancellation).Where(template => template.Differential)] : [];
        ILookup<string?, GuestTemplate> children = others.ToLookup(PathOfParent);
        List<GuestTemplate> needing = [];
        HashSet<string> seen = [full];
        Stack<string> next = new([full]);
        while (next.TryPop(out string? parent))
        {
            foreach (GuestTemplate child in children[parent].Where(child => seen.Add(child.Path)))
            {
                needing.Add(child);
                next.Push(child.Path);
            }
        }

        needing.Reverse();
        return needing;
    }

    private static IEnumerable<GuestTemplate> Read(string folder, CancellationToken cancellation) =>
        GuestTemplates.List(folder, cancellation).Select(report => report.Template).OfType<GuestTemplate>();

    /// <summary>Where the template is that another one is made on; null: it stands alone, or that one is not there.</summary>
    private static string? PathOfParent(GuestTemplate template)
    {
        try
        {
            return template.Parent is { } parent ? TemplateFinder.FindPath(template.Path, parent, []) : null;
        }
        catch (GuestException)
        {
            return null;
        }
    }

    private static long BytesOnDisk(GuestTemplate template)
    {
        string[] small = [Path.Combine(template.Path, TemplateSource.ManifestFile), Path.Combine(
            template.Path, TemplateSource.StateFileName)];
        return TemplatePart.Of(template).Select(part => part.File).Concat(small)
            .Sum(file => Syscall.stat(file, out Stat stat) == 0 ? stat.st_blocks * BytesInBlock : 0);
    }
}
