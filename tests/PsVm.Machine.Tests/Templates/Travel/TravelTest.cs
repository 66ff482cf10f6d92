using PsVm.Machine.Templates;

namespace PsVm.Machine.Tests.Templates.Travel;

/// <summary>Templates that are packed, unpacked, copied and moved.</summary>
public abstract class TravelTest : TemplateTest
{
    private protected TemplateHost Templates { get; } = new();

    /// <summary>A template, and one that holds what a clone of it changed; both guests are gone.</summary>
    protected (GuestTemplate Base, GuestTemplate Child) MakeChain(string baseName = "base", string childName = "child")
    {
        GuestTemplate root = MakeTemplate(baseName);
        string clone = Clone(root);
        Ask(clone, "touch 3", "touch: ");
        GuestTemplate child = Make(clone, new CheckpointOptions { Path = At(childName), Differential = true });
        End(clone);
        return (root, child);
    }

    protected TemplateArchive Export(string template, string archive = "a.psvm") =>
        Templates.Export(template, new TemplateExportOptions { Path = At(archive) }, null, CancellationToken.None);

    protected GuestTemplate Import(string archive = "a.psvm", string folder = "there") =>
        Templates.Import(At(archive), new TemplateImportOptions { Folder = At(folder) }, null, CancellationToken.None);

    protected GuestTemplate Copy(string template, string destination, bool force = false) =>
        Templates.Copy(template, new TemplateCopyOptions { Destination = At(destination), Force = force }, null, CancellationToken.None);

    protected GuestTemplate Move(string template, string destination, bool force = false) =>
        Templates.Move(template, new TemplateCopyOptions { Destination = At(destination), Force = force }, null, CancellationToken.None);

    /// <summary>The template starts as it is, without anything of it being read before, and its guest is whole.</summary>
    protected void AssertRuns(GuestTemplate template)
    {
        Assert.Equal((template.Id, template.Parent), (GuestTemplates.Read(template.Path).Id, GuestTemplates.Read(template.Path).Parent));
        Assert.Equal(template.RamBlocks, GuestTemplates.Read(template.Path).RamBlocks);
        Assert.Empty(GuestTemplates.Test(template.Path).Errors);
        Assert.Empty(GuestTemplates.Test(template.Path, verify: true).Errors);
        string clone = Clone(template);
        Check(clone);
        End(clone);
    }

    /// <summary>Names of all that is in a folder, hidden ones too.</summary>
    protected string[] NamesIn(string folder) =>
        !Directory.Exists(At(folder))
            ? []
            : [.. Directory.GetFileSystemEntries(At(folder)).Select(path => Path.GetFileName(path)!).Order(StringComparer.Ordinal)];

    /// <summary>Bytes on the disk of a file.</summary>
    protected static long Allocated(string file) =>
        Mono.Unix.Native.Syscall.stat(file, out Mono.Unix.Native.Stat stat) == 0 ? stat.st_blocks * 512 : -1;
}
