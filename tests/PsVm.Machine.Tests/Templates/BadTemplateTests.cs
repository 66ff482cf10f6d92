using System.Buffers.Binary;
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
        OverwriteState(
            template, [.. Sections(template).Where(section => section.Name != name), new StateSection(name, version, new byte[8])]);

        AssertRefused(template, GuestErrorIds.TemplateStateUnsupported, $"'{name}' of version {version}");
    }

    [Fact]
    public void A_section_of_the_wrong_length_and_a_missing_one_are_named()
    {
        GuestTemplate template = MakeTemplate("t");
        IReadOnlyList<StateSection> sections = Sections(template);
        foreach (StateSection section in sections)
        {
            IEnumerable<StateSection> others = sections.Where(other => other != section);
            OverwriteState(template, [.. others]);
            AssertRefused(template, GuestErrorIds.TemplateStateCorrupt, $"'{section.Name}'");
            OverwriteState(template, [.. others, section with { Content = section.Content[1..] }]);
            AssertRefused(template, GuestErrorIds.TemplateStateCorrupt, $"'{section.Name}'");
            OverwriteState(template, [.. sections, section]);
            AssertRefused(template, GuestErrorIds.TemplateStateCorrupt, "twice");
        }
    }

    [Theory]
    [InlineData("formatVersion", "5", GuestErrorIds.TemplateVersionUnsupported)]
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

    [Fact]
    public void A_machine_without_the_templates_instructions_is_refused_and_one_with_more_is_not()
    {
        string newer = Boot(new GuestOptions { Memory = Memory, MachineType = "virt-1.4" }),
            older = Boot(new GuestOptions { Memory = Memory, MachineType = "virt-1.3" });
        GuestTemplate ofNewer = Make(newer, new CheckpointOptions { Path = At("newer") }),
            ofOlder = Make(older, new CheckpointOptions { Path = At("older") });

        GuestException error = Assert.Throws<GuestException>(
            () => Clone(new GuestOptions { Template = ofNewer.Path, MachineType = "virt-1.3" }));

        Assert.Equal(GuestErrorIds.TemplateIsaMismatch, error.ErrorId);
        Assert.EndsWith("found virt-1.3 without svvptc.", error.Message, StringComparison.Ordinal);
        Check(Clone(new GuestOptions { Template = ofOlder.Path, MachineType = "virt-1.4" }));
        Assert.Equal("virt-1.3", Host.Get(Clone(ofOlder)).MachineType);
    }

    [Theory]
    [InlineData(int.MinValue)]
    [InlineData(-1)]
    [InlineData(0)]
    [InlineData(65)]
    [InlineData(int.MaxValue)]
    public void A_number_of_harts_that_no_board_has_is_no_description(int harts)
    {
        GuestTemplate template = MakeTemplate("t");
        JsonNode manifest = JsonNode.Parse(File.ReadAllText(Path.Combine(template.Path, "template.json")))!;
        manifest["harts"] = harts;
        Overwrite(template, "template.json", Encoding.UTF8.GetBytes(manifest.ToJsonString()));

        AssertRefused(template, GuestErrorIds.TemplateManifestInvalid, $"{harts} harts, expected 1 to 64");
        Assert.Equal(GuestErrorIds.TemplateManifestInvalid, ErrorOf(() => GuestTemplates.Read(template.Path)));
        Assert.Null(Assert.Single(GuestTemplates.List(Folder)).Template);
    }

    [Theory]
    [InlineData(2u, 0ul)] // to start
    [InlineData(4u, 0ul)] // asleep
    [InlineData(4u, 0x7fff_fffeul)]
    [InlineData(4u, 0x8040_0000ul)] // behind the last byte
    [InlineData(2u, ulong.MaxValue - 1)]
    public void A_hart_that_is_to_begin_where_there_is_no_RAM_is_refused(uint status, ulong entry)
    {
        GuestTemplate template = MakeTemplate("t");
        ChangeSection(template, "sbi", content =>
        {
            BinaryPrimitives.WriteUInt32LittleEndian(content, status);
            content[4] = 1;
            BinaryPrimitives.WriteUInt64LittleEndian(content.AsSpan(5), entry);
        });

        AssertRefused(template, GuestErrorIds.TemplateStateCorrupt, $"begin at 0x{entry:x}");
    }

    [Theory]
    [InlineData(long.MinValue)]
    [InlineData(long.MaxValue)]
    public void A_clock_that_a_guest_set_to_anything_goes_on(long offset)
    {
        GuestTemplate template = MakeTemplate("t");
        ChangeSection(template, "rtc", content =>
        {
            BinaryPrimitives.WriteInt64LittleEndian(content, offset);
            content[20] = 1; // an alarm is armed
        });

        Assert.True(GuestTemplates.Test(template.Path).IsValid);
        Check(Clone(template));
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
        TemplateReport listed = Assert.Single(GuestTemplates.List(Folder));
        Assert.Equal((template.Path, null), (listed.Path, listed.Template));
        Assert.Equal(GuestErrorIds.TemplateManifestInvalid, Assert.Single(listed.Errors).Id);

        GuestTemplates.Remove(template.Path);
        Assert.False(Directory.Exists(template.Path));
    }

    [Theory]
    [InlineData("state.bin", "ram0.bin")]
    [InlineData("template.json", "state.bin")]
    [InlineData("template.json", "ram0.bin")]
    public void A_damaged_template_is_listed_with_what_is_wrong_and_can_be_removed(string one, string other)
    {
        GuestTemplate template = MakeTemplate("t");
        foreach (string file in Directory.GetFiles(template.Path).Where(
            file => Path.GetFileName(file) != one && Path.GetFileName(file) != other))
        {
            File.Delete(file);
        }

        if (one == "template.json")
        {
            Overwrite(template, one, "{"u8.ToArray());
        }

        TemplateReport listed = Assert.Single(GuestTemplates.List(Folder));
        Assert.Null(listed.Template);
        Assert.Equal(
            one == "template.json" ? GuestErrorIds.TemplateManifestInvalid : GuestErrorIds.TemplateIncomplete,
            Assert.Single(listed.Errors).Id);
        GuestTemplates.Remove(template.Path);
        Assert.False(Directory.Exists(template.Path));
    }

    [Theory]
    [InlineData("ram0.bin")]
    [InlineData("template.json")]
    [InlineData("state.bin")]
    [InlineData("state.bin", "ram0.bin", "notes.txt")]
    [InlineData("template.json", "ram0.bin", "ram0.img")]
    [InlineData("notes.txt")]
    [InlineData]
    public void A_folder_that_is_nobodys_template_stays(params string[] files)
    {
        string folder = Path.Combine(Folder, "theirs");
        Directory.CreateDirectory(folder);
        Array.ForEach(files, file => File.WriteAllText(Path.Combine(folder, file), "{"));

        Assert.Throws<GuestException>(() => GuestTemplates.Remove(folder));

        Assert.Equal(files.Order(), Directory.GetFiles(folder).Select(Path.GetFileName).Order());
        Assert.True(
            GuestTemplates.Exists(folder) == files.Contains("template.json"), "what has a description is listed, with what is wrong");
    }

    [Fact]
    public void A_replaced_RAM_file_of_other_content_is_refused()
    {
        GuestTemplate template = MakeTemplate("t");
        string file = template.RamBlocks.Single().File;
        byte[] content = File.ReadAllBytes(file);
        content[^1] ^= 1;
        File.Delete(file);
        File.WriteAllBytes(file, content);

        AssertRefused(template, GuestErrorIds.TemplateRamChanged, "and other content: Expected content with the SHA-256");
        Assert.Equal(GuestErrorIds.TemplateDigestMismatch, Assert.Single(GuestTemplates.Test(template.Path, verify: true).Errors).Id);
    }

    [Fact]
    public void A_shortened_RAM_file_is_refused_with_what_differs()
    {
        GuestTemplate template = MakeTemplate("t");
        string file = template.RamBlocks.Single().File;
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        using (FileStream ram = File.OpenWrite(file))
        {
            ram.SetLength(Memory - 4096);
        }

        AssertRefused(template, GuestErrorIds.TemplateRamChanged, $"size in bytes ({Memory} then, {Memory - 4096} now)");
    }

    [Fact]
    public void Altered_content_behind_an_unchanged_face_is_found()
    {
        GuestTemplate template = MakeTemplate("t");
        string file = template.RamBlocks.Single().File;
        DateTime time = File.GetLastWriteTimeUtc(file);
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        using (FileStream ram = File.OpenWrite(file))
        {
            ram.WriteByte(0xff);
        }

        File.SetLastWriteTimeUtc(file, time);

        AssertRefused(template, GuestErrorIds.TemplateRamChanged, "time of change of status");
        Assert.Equal(
            GuestErrorIds.TemplateDigestMismatch, ErrorOf(() => Clone(new GuestOptions { Template = template.Path, Verify = true })));
        Assert.Equal(GuestErrorIds.TemplateDigestMismatch, Assert.Single(GuestTemplates.Test(template.Path, verify: true).Errors).Id);
    }

    [Fact]
    public void Verifying_takes_a_recorded_digest()
    {
        // Version 1 recorded one only when it was told to.
        GuestTemplate template = MakeTemplate("t");
        JsonNode manifest = JsonNode.Parse(File.ReadAllText(Path.Combine(template.Path, "template.json")))!;
        manifest["formatVersion"] = 1;
        manifest["ram"]![0]!.AsObject().Remove("digest");
        manifest["ram"]![0]!.AsObject().Remove("changedNanoseconds");
        Overwrite(template, "template.json", Encoding.UTF8.GetBytes(manifest.ToJsonString()));

        Assert.Equal(
            GuestErrorIds.TemplateDigestMissing, ErrorOf(() => Clone(new GuestOptions { Template = template.Path, Verify = true })));
        End(Clone(template));
        File.SetLastWriteTimeUtc(template.RamBlocks[0].File, DateTime.UnixEpoch);
        AssertRefused(template, GuestErrorIds.TemplateRamChanged, "time of change");
    }

    [Theory]
    [InlineData(1u, "changedNanoseconds, which version 1 does not have")]
    [InlineData(2u, "no digest")]
    public void Each_version_has_what_it_has(uint version, string said)
    {
        GuestTemplate template = MakeTemplate("t");
        JsonNode manifest = JsonNode.Parse(File.ReadAllText(Path.Combine(template.Path, "template.json")))!;
        manifest["formatVersion"] = version;
        manifest["ram"]![0]!.AsObject().Remove(version == 1 ? "none" : "digest");
        Overwrite(template, "template.json", Encoding.UTF8.GetBytes(manifest.ToJsonString()));

        AssertRefused(template, GuestErrorIds.TemplateManifestInvalid, said);
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
        {
            new GuestOptions { FileAccessMode = FileAccessMode.ReadWrite, DenyPrivateDiscard = true },
            MemoryErrorIds.PrivateReadWriteDenied
        },
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

    private static IReadOnlyList<StateSection> Sections(GuestTemplate template)
    {
        string path = Path.Combine(template.Path, "state.bin");
        return StateFile.Read(path, File.ReadAllBytes(path), template.Id);
    }

    /// <summary>Writes a machine state of other sections, with checksums that are right.</summary>
    private static void OverwriteState(GuestTemplate template, IReadOnlyList<StateSection> sections) =>
        Overwrite(template, "state.bin", StateFile.Write(template.Id, sections));

    private static void ChangeSection(GuestTemplate template, string name, Action<byte[]> change)
    {
        IReadOnlyList<StateSection> sections = Sections(template);
        StateSection section = sections.Single(section => section.Name == name);
        byte[] content = section.Content.ToArray();
        change(content);
        OverwriteState(template, [.. sections.Where(other => other != section), section with { Content = content }]);
    }

    private static void Overwrite(GuestTemplate template, string name, byte[] content)
    {
        string path = Path.Combine(template.Path, name);
        File.Delete(path);
        File.WriteAllBytes(path, content);
    }
}
