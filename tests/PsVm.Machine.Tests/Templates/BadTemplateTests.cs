using System.Text;
using System.Text.Json.Nodes;
using PsVm.Machine.State;
using PsVm.Machine.Templates;

namespace PsVm.Machine.Tests.Templates;

/// <summary>What is wrong with a template is found before anything starts, and named.</summary>
public sealed class BadTemplateTests : TemplateTest
{
    [Theory]
    [InlineData("template.json")]
    [InlineData("state.bin")]
    [InlineData("ram0.bin")]
    public void A_missing_piece_is_named(string piece)
    {
        GuestTemplate template = MakeTemplate("t");
        File.Delete(Path.Combine(template.Path, piece));

        AssertRefused(template, GuestErrorIds.TemplateIncomplete, piece);
    }

    [Fact]
    public void A_missing_folder_is_no_template()
    {
        Assert.Equal(GuestErrorIds.TemplateNotFound, ErrorOf(() => Clone(new GuestOptions { Template = At("none") })));
        Assert.Equal(GuestErrorIds.TemplateNotFound, ErrorOf(() => GuestTemplates.Read(At("none"))));
        Assert.Equal(GuestErrorIds.TemplateNotFound, ErrorOf(() => GuestTemplates.Remove(At("none"))));
        Assert.Equal(GuestErrorIds.TemplateNotFound, Assert.Single(GuestTemplates.Test(At("none")).Errors).Id);
    }

    [Fact]
    public void Every_altered_byte_and_every_truncation_of_the_state_is_found()
    {
        GuestTemplate template = MakeTemplate("t");
        byte[] state = File.ReadAllBytes(Path.Combine(template.Path, "state.bin"));
        Assert.NotNull(MachineState.Read("s", state, template.Id));
        for (int i = 0; i < state.Length; i++)
        {
            Assert.Equal(GuestErrorIds.TemplateStateCorrupt, ErrorOf(() => MachineState.Read("s", state.AsMemory(0, i), template.Id)));
            byte[] altered = [.. state];
            altered[i] ^= 0x10;
            Assert.Contains(
                ErrorOf(() => MachineState.Read("s", altered, template.Id)),
                (string[])[GuestErrorIds.TemplateStateCorrupt, GuestErrorIds.TemplateVersionUnsupported]);
        }

        Assert.Equal(GuestErrorIds.TemplateStateCorrupt, ErrorOf(() => MachineState.Read("s", (byte[])[.. state, 0], template.Id)));
        Assert.Equal(GuestErrorIds.TemplateStateCorrupt, ErrorOf(() => MachineState.Read("s", state, Guid.NewGuid())));

        Overwrite(template, "state.bin", state[..^1]);
        AssertRefused(template, GuestErrorIds.TemplateStateCorrupt, "section");
    }

    [Theory]
    [InlineData("flux-capacitor", 1)]
    [InlineData("plic", 2)]
    public void Unknown_and_newer_sections_are_refused_by_name(string name, uint version)
    {
        GuestTemplate template = MakeTemplate("t");
        string path = Path.Combine(template.Path, "state.bin");
        List<StateSection> sections = [.. StateFile.Read(path, File.ReadAllBytes(path), template.Id).Where(section => section.Name != name)];
        sections.Add(new StateSection(name, version, new byte[8]));
        Overwrite(template, "state.bin", StateFile.Write(template.Id, sections));

        AssertRefused(template, GuestErrorIds.TemplateStateUnsupported, $"'{name}' of version {version}");
    }

    [Fact]
    public void A_section_of_the_wrong_length_and_a_missing_one_are_named()
    {
        GuestTemplate template = MakeTemplate("t");
        string path = Path.Combine(template.Path, "state.bin");
        IReadOnlyList<StateSection> sections = StateFile.Read(path, File.ReadAllBytes(path), template.Id);
        foreach (StateSection section in sections)
        {
            IEnumerable<StateSection> others = sections.Where(other => other != section);
            Overwrite(template, "state.bin", StateFile.Write(template.Id, [.. others]));
            AssertRefused(template, GuestErrorIds.TemplateStateCorrupt, $"'{section.Name}'");
            Overwrite(template, "state.bin", StateFile.Write(template.Id, [.. others, section with { Content = section.Content[1..] }]));
            AssertRefused(template, GuestErrorIds.TemplateStateCorrupt, $"'{section.Name}'");
            Overwrite(template, "state.bin", StateFile.Write(template.Id, [.. sections, section]));
            AssertRefused(template, GuestErrorIds.TemplateStateCorrupt, "twice");
        }
    }

    [Theory]
    [InlineData("formatVersion", "2", GuestErrorIds.TemplateVersionUnsupported)]
    [InlineData("isa", "\"rv64imafdcv\"", GuestErrorIds.TemplateIsaMismatch)]
    [InlineData("harts", "2", GuestErrorIds.TemplateHartsMismatch)]
    [InlineData("board", "\"sifive_u\"", GuestErrorIds.TemplateMachineMismatch)]
    [InlineData("machineType", "\"virt-9.9\"", GuestErrorIds.TemplateMachineMismatch)]
    [InlineData("devices", "[\"uart\", \"flux-capacitor\"]", GuestErrorIds.TemplateMachineMismatch)]
    [InlineData("ram", "[]", GuestErrorIds.TemplateManifestInvalid)]
    [InlineData("ram", "null", GuestErrorIds.TemplateManifestInvalid)]
    [InlineData("id", "7", GuestErrorIds.TemplateManifestInvalid)]
    public void A_description_that_does_not_fit_is_refused(string property, string value, string error)
    {
        GuestTemplate template = MakeTemplate("t");
        JsonNode manifest = JsonNode.Parse(File.ReadAllText(Path.Combine(template.Path, "template.json")))!;
        manifest[property] = JsonNode.Parse(value);
        Overwrite(template, "template.json", Encoding.UTF8.GetBytes(manifest.ToJsonString()));

        AssertRefused(template, error, "");
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("{ \"formatVersion\": -1 }")]
    [InlineData("{ \"formatVersion\": 1 }")]
    [InlineData("{ \"formatVersion\": 1, ")]
    public void What_is_no_description_is_refused(string text)
    {
        GuestTemplate template = MakeTemplate("t");
        Overwrite(template, "template.json", Encoding.UTF8.GetBytes(text));

        AssertRefused(template, GuestErrorIds.TemplateManifestInvalid, "template.json");
        Assert.Empty(GuestTemplates.List(Folder));
    }

    [Fact]
    public void A_replaced_RAM_file_is_refused_unless_its_content_is_verified()
    {
        GuestTemplate template = MakeTemplate("t", digest: true);
        string file = template.RamBlocks.Single().File;
        File.Copy(file, file + ".copy");
        File.Move(file + ".copy", file, overwrite: true);

        AssertRefused(template, GuestErrorIds.TemplateRamChanged, "inode");
        Assert.True(GuestTemplates.Test(template.Path, verify: true).IsValid);
        Check(Clone(new GuestOptions { Template = template.Path, Verify = true }));
    }

    [Fact]
    public void A_shortened_and_a_touched_RAM_file_are_refused_with_what_differs()
    {
        GuestTemplate template = MakeTemplate("t");
        string file = template.RamBlocks.Single().File;
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        File.SetLastWriteTimeUtc(file, DateTime.UnixEpoch);
        AssertRefused(template, GuestErrorIds.TemplateRamChanged, "time of change");

        using (FileStream ram = File.OpenWrite(file))
        {
            ram.SetLength(Memory - 4096);
        }

        AssertRefused(template, GuestErrorIds.TemplateRamChanged, $"size in bytes ({Memory} then, {Memory - 4096} now)");
    }

    [Fact]
    public void Altered_content_behind_an_unchanged_face_is_found_by_its_digest()
    {
        GuestTemplate template = MakeTemplate("t", digest: true);
        string file = template.RamBlocks.Single().File;
        DateTime time = File.GetLastWriteTimeUtc(file);
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        using (FileStream ram = File.OpenWrite(file))
        {
            ram.WriteByte(0xff);
        }

        File.SetLastWriteTimeUtc(file, time);

        Assert.Equal(GuestErrorIds.TemplateDigestMismatch, ErrorOf(() => Clone(new GuestOptions { Template = template.Path, Verify = true })));
        Assert.Equal(GuestErrorIds.TemplateDigestMismatch, Assert.Single(GuestTemplates.Test(template.Path, verify: true).Errors).Id);
    }

    [Fact]
    public void Verifying_takes_a_recorded_digest()
    {
        GuestTemplate template = MakeTemplate("t");

        Assert.Equal(GuestErrorIds.TemplateDigestMissing, ErrorOf(() => Clone(new GuestOptions { Template = template.Path, Verify = true })));
    }

    public static TheoryData<GuestOptions, string> OptionsThatDoNotFit => new()
    {
        { new GuestOptions { Kernel = "k" }, GuestErrorIds.TemplateOptionConflict },
        { new GuestOptions { Initrd = "i" }, GuestErrorIds.TemplateOptionConflict },
        { new GuestOptions { Firmware = "f" }, GuestErrorIds.TemplateOptionConflict },
        { new GuestOptions { CommandLine = "c" }, GuestErrorIds.TemplateOptionConflict },
        { new GuestOptions { BackendIds = ["b"] }, GuestErrorIds.TemplateOptionConflict },
        { new GuestOptions { MemoryPath = "p" }, GuestErrorIds.TemplateOptionConflict },
        { new GuestOptions { Harts = 3 }, GuestErrorIds.TemplateHartsMismatch },
        { new GuestOptions { Memory = 8 << 20 }, GuestErrorIds.TemplateMemoryMismatch },
        { new GuestOptions { DiscardPolicy = DiscardPolicy.PunchHole }, GuestErrorIds.TemplateDiscardPolicy },
        { new GuestOptions { MachineType = "virt-9.9" }, GuestErrorIds.UnknownMachineType },
        { new GuestOptions { FileAccessMode = FileAccessMode.ReadWrite, DenyPrivateDiscard = true }, MemoryErrorIds.PrivateReadWriteDenied },
    };

    [Theory]
    [MemberData(nameof(OptionsThatDoNotFit))]
    public void Options_that_do_not_go_with_a_template_are_refused(GuestOptions options, string error)
    {
        GuestTemplate template = MakeTemplate("t");

        Assert.Equal(error, ErrorOf(() => Clone(options with { Template = template.Path })));
        Assert.Empty(Host.List());
        Assert.Empty(Backends.List());
    }

    /// <summary>Neither test nor start takes it, nothing is left of the start, and the message says what.</summary>
    private void AssertRefused(GuestTemplate template, string error, string said)
    {
        GuestException refusal = Assert.Throws<GuestException>(() => Clone(template));
        Assert.Equal(error, refusal.ErrorId);
        Assert.Contains(said, refusal.Message, StringComparison.Ordinal);
        TemplateReport report = GuestTemplates.Test(template.Path);
        Assert.False(report.IsValid);
        Assert.Contains(report.Errors, found => found.Id == error && found.Message == refusal.Message);
        Assert.Empty(Host.List());
        Assert.Empty(Backends.List());
    }

    private static void Overwrite(GuestTemplate template, string name, byte[] content)
    {
        string path = Path.Combine(template.Path, name);
        File.Delete(path);
        File.WriteAllBytes(path, content);
    }
}
