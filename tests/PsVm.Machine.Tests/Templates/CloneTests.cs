using PsVm.Machine.Templates;

namespace PsVm.Machine.Tests.Templates;

/// <summary>Templates of the embedded guest, and what starts from them.</summary>
public sealed class CloneTests : TemplateTest
{
    [Fact]
    public void A_clone_goes_on_where_the_guest_was_and_the_guest_goes_on_too()
    {
        string guest = Boot(new GuestOptions { Memory = Memory, Harts = 2 });
        Ask(guest, "touch 50", "touch: ");
        string check = Check(guest);
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t"), Digest = true });

        string clone = Clone(template);

        Assert.Equal(check, Check(clone));
        Assert.Equal("touch: pages=3 generation=3", Ask(clone, "touch 3", "touch: "));
        Assert.Equal("touch: pages=9 generation=3", Ask(guest, "touch 9", "touch: "));
        Assert.NotEqual(Check(guest), Check(clone));
        GuestInfo info = Host.Get(clone);
        Assert.Equal((2, Memory, "virt-1.1", template.Path), (info.Harts, info.Memory, info.MachineType, info.Template));
        Assert.Equal("embedded guest", info.Boot);
        Assert.Equal(FileAccessMode.ReadOnly, info.Backends.Single().EffectiveMode);
        Assert.Equal(template.RamBlocks.Single().Sha256, Sha256(template.RamBlocks.Single().File));
    }

    [Fact]
    public void A_description_reads_back_as_it_was_written()
    {
        GuestTemplate made = MakeTemplate("t", digest: true);

        GuestTemplate read = GuestTemplates.Read(made.Path);

        Assert.Equivalent(made with { Pause = null }, read, strict: true);
        Assert.Equal(made.RamBlocks.Single(), read.RamBlocks.Single());
        Assert.True(GuestTemplates.Test(made.Path).IsValid);
        Assert.True(GuestTemplates.Test(made.Path, verify: true).IsValid);
        Assert.Equal(made.Path, Assert.Single(GuestTemplates.List(Folder)).Path);
        Assert.Equal(["ram0.bin", "state.bin", "template.json"], Directory.GetFiles(made.Path).Select(Path.GetFileName).Order());
        Assert.All(Directory.GetFiles(made.Path), file => Assert.Equal(
            UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead, File.GetUnixFileMode(file)));
    }
}
