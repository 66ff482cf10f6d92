using PsVm.Machine.Templates;

namespace PsVm.Machine.Tests.Templates;

/// <summary>Templates of clones, with and without their parent.</summary>
public sealed class CloneOfCloneTests : TemplateTest
{
    [Fact]
    public void A_full_template_of_a_clone_does_not_need_the_parent()
    {
        GuestTemplate parent = MakeTemplate("parent", digest: true);
        string clone = Clone(parent);
        Ask(clone, "touch 30", "touch: ");
        string check = Check(clone);

        GuestTemplate child = Make(clone, new CheckpointOptions { Path = At("child") });

        Assert.Null(child.Parent);
        Assert.Equal(parent.RamBlocks.Single().Sha256, Sha256(parent.RamBlocks.Single().File));
        End(clone);
        GuestTemplates.Remove(parent.Path);
        Assert.Equal(check, Check(Clone(child)));
    }

    [Fact]
    public void A_differential_template_holds_what_changed_and_names_its_parent()
    {
        GuestTemplate parent = MakeTemplate("parent", digest: true);
        string clone = Clone(parent);
        Ask(clone, "touch 30", "touch: ");
        string check = Check(clone);

        GuestTemplate child = Make(clone, new CheckpointOptions { Path = At("child"), Differential = true, Digest = true });

        Assert.Equal(new TemplateParent(parent.Path, parent.Id), child.Parent);
        Assert.True(child.Differential);
        Assert.InRange(child.RamBlocks.Single().ChangedBytes!.Value, 30 * 4096, 60 * 4096);
        Assert.Empty(GuestTemplates.Test(child.Path).Errors);
        Assert.Empty(GuestTemplates.Test(child.Path, verify: true).Errors);

        // Another one of a clone of that holds what changed since that one, and needs both.
        string second = Clone(child);
        Assert.Equal(check, Check(second));
        Ask(second, "touch 5", "touch: ");
        string secondCheck = Check(second);
        GuestTemplate grandchild = Make(second, new CheckpointOptions { Path = At("grandchild"), Differential = true });
        Assert.Equal(new TemplateParent(child.Path, child.Id), grandchild.Parent);
        Assert.InRange(grandchild.RamBlocks.Single().ChangedBytes!.Value, 5 * 4096, 29 * 4096);
        Assert.Equal(secondCheck, Check(Clone(grandchild)));
        GuestTemplates.Remove(child.Path);
        Assert.Equal(GuestErrorIds.TemplateParentNotFound, ErrorOf(() => Clone(grandchild)));
        Assert.Equal(parent.RamBlocks.Single().Sha256, Sha256(parent.RamBlocks.Single().File));
    }

    [Fact]
    public void Discarded_pages_are_zero_in_templates_of_both_kinds()
    {
        GuestTemplate parent = MakeTemplate("parent");
        string clone = Clone(parent);
        Host.Suspend(clone);

        // The pool's first pages; the guest itself is below them.
        Backends.List().Single().Discard(3 << 20, 8 * 4096);
        GuestTemplate full = Make(clone, new CheckpointOptions { Path = At("full") });
        GuestTemplate differential = Make(clone, new CheckpointOptions { Path = At("differential"), Differential = true });
        End(clone);

        Assert.All(File.ReadAllBytes(full.RamBlocks.Single().File).AsSpan(3 << 20, 8 * 4096).ToArray(), value => Assert.Equal(0, value));
        string[] checks = [.. new[] { full, differential }.Select(template => Ask(Clone(template), "check", "check: "))];
        Assert.Contains(" zero=8 ", checks[0], StringComparison.Ordinal);
        Assert.Equal(checks[0], checks[1]);
    }

    [Fact]
    public void The_parent_must_be_there_and_be_the_one()
    {
        GuestTemplate parent = MakeTemplate("parent");
        string clone = Clone(parent);
        GuestTemplate child = Make(clone, new CheckpointOptions { Path = At("child"), Differential = true });
        Assert.Equal(GuestErrorIds.CheckpointPathInUse, ErrorOf(
            () => Make(clone, new CheckpointOptions { Path = parent.Path, Differential = true, Force = true })));
        End(clone);

        Directory.CreateDirectory(At("elsewhere"));
        Directory.Move(parent.Path, At("elsewhere/moved"));
        AssertRefused(child, GuestErrorIds.TemplateParentNotFound);
        MakeTemplate("parent");
        AssertRefused(child, GuestErrorIds.TemplateParentChanged);
    }

    private void AssertRefused(GuestTemplate template, string error)
    {
        Assert.Equal(error, ErrorOf(() => Clone(template)));
        Assert.Equal(error, Assert.Single(GuestTemplates.Test(template.Path).Errors).Id);
        Assert.Empty(Backends.List());
    }
}
