using System.IO.Compression;
using PsVm.Machine.Templates;

namespace PsVm.Machine.Tests.Templates;

/// <summary>Templates that were made by earlier versions, and are in <c>Stored</c> as they were made, start for ever.</summary>
/// <remarks>
/// <c>version-1.zip</c> holds what the code of commit 3a567f8 made, format version 1: <c>virt-1.0</c> of a guest of one hart with a named
/// backend and one of ROM, <c>virt-1.1</c> of one with two harts and default RAM, and <c>differential</c> of a clone of the latter.
/// <c>version-2.zip</c> holds the first of format version 2: <c>alone</c> of a guest of two harts with a named backend and one of ROM,
/// <c>middle</c> of a clone of it, and <c>top</c> of a clone of that one, both differential.
/// <c>version-3.zip</c> holds what the code of commit acf553e made, format version 3, of which no disk has a file: <c>alone</c> of a guest
/// of two harts with a disk under an overlay in memory and an adapter on a hub, <c>top</c> of a clone of it, differential, and the image of
/// the disk.
/// </remarks>
public sealed class StoredTemplateTests : TemplateTest
{
    [Theory]
    [InlineData("virt-1.0", "virt-1.0", 1, "check: ok pages=15 good=15 zero=0 bad=0 checksum=0x90f6bcd33ded7f26")]
    [InlineData("virt-1.1", "virt-1.1", 2, "check: ok pages=15 good=15 zero=0 bad=0 checksum=0x90f6bcd33ded7f26")]
    [InlineData("differential", "virt-1.1", 2, "check: ok pages=15 good=15 zero=0 bad=0 checksum=0x59533bec771a13e1")]
    public void A_template_of_version_1_starts_and_answers(string name, string machineType, int harts, string check)
    {
        Unpack("version-1.zip");
        string manifest = Path.Combine(At("differential"), "template.json");
        string moved = File.ReadAllText(manifest).Replace("/psvm-stored/", Folder + "/", StringComparison.Ordinal);
        File.Delete(manifest);
        File.WriteAllText(manifest, moved);

        // Unpacked files have other inodes, so it is their content that counts.
        Assert.Empty(GuestTemplates.Test(At(name), verify: true).Errors);
        GuestTemplate template = GuestTemplates.Read(At(name));
        string clone = Clone(template);

        Assert.Equal((1, harts, machineType), (template.FormatVersion, template.Harts, template.MachineType));
        Assert.Equal((harts, machineType), (Host.Get(clone).Harts, Host.Get(clone).MachineType));
        Assert.Equal(check, Check(clone));
        Ask(clone, "touch 3", "touch: ");
        Check(clone);

        // And what is made of it now starts without being verified.
        Check(Clone(Make(clone, new CheckpointOptions { Path = At("again") })));
    }

    [Fact]
    public void A_differential_template_of_version_1_finds_its_parent_beside_it()
    {
        Unpack("version-1.zip");

        Check(Clone(new GuestOptions { Template = At("differential") }));
    }

    [Theory]
    [InlineData("alone", "check: ok pages=15 good=15 zero=0 bad=0 checksum=0x231461cba5f9776e")]
    [InlineData("middle", "check: ok pages=15 good=15 zero=0 bad=0 checksum=0xb91f966d4d280cf5")]
    [InlineData("top", "check: ok pages=15 good=15 zero=0 bad=0 checksum=0xb42694caac16f047")]
    public void A_template_of_version_2_starts_and_answers(string name, string check)
    {
        Unpack("version-2.zip");

        Assert.Empty(GuestTemplates.Test(At(name), verify: true).Errors);
        GuestTemplate template = GuestTemplates.Read(At(name));
        string clone = Clone(template);

        Assert.Equal((2, 2, "virt-1.1"), (template.FormatVersion, template.Harts, template.MachineType));
        Assert.Equal(check, Check(clone));
        Ask(clone, "touch 3", "touch: ");
        Check(Clone(Make(clone, new CheckpointOptions { Path = At("again"), Differential = true })));
    }

    [Theory]
    [InlineData("alone", "check: ok pages=14 good=14 zero=0 bad=0 checksum=0x64f764bce016a293")]
    [InlineData("top", "check: ok pages=14 good=14 zero=0 bad=0 checksum=0x64f764bce016a293")]
    public void A_template_of_version_3_starts_and_answers(string name, string check)
    {
        Unpack("version-3.zip");
        GuestOptions options = new() { Template = At(name), Disks = [new GuestDiskOptions { Path = At("disk.img") }] };

        Assert.Empty(GuestTemplates.Test(At(name), verify: true).Errors);
        GuestTemplate template = GuestTemplates.Read(At(name));
        string clone = Clone(options);

        Assert.Equal((3, 2, "virt-1.3"), (template.FormatVersion, template.Harts, template.MachineType));
        Assert.Equal(["disk:root", "net:net0"], template.Slots);
        GuestDisk disk = Assert.Single(Host.GetDisks(clone));
        Assert.Equal(
            ("root", 65536, DiskOverlay.Memory, 0, 0), (disk.Name, disk.Size, disk.Overlay, disk.OverlayBytes, disk.TemplateBytes));
        Assert.Equal(("lan", true), (Host.Get(clone).Networks[0].Network, Host.Get(clone).Networks[0].Connected));
        Assert.Equal(check, Check(clone));
        Ask(clone, "touch 3", "touch: ");
        Make(clone, new CheckpointOptions { Path = At("again"), Differential = true });
        Check(Clone(options with { Template = At("again") }));
        File.WriteAllBytes(At("disk.img"), new byte[65536]);
        Assert.Equal(GuestErrorIds.TemplateDiskMismatch, ErrorOf(() => Clone(options)));
    }

    private void Unpack(string archive)
    {
        using Stream? stored = typeof(StoredTemplateTests).Assembly.GetManifestResourceStream(archive);
        ZipFile.ExtractToDirectory(stored!, Folder);
    }
}
