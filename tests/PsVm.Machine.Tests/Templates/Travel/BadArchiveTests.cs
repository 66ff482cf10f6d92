using System.Formats.Tar;
using System.Text;
using PsVm.Machine.Templates;
using ZstdSharp.Unsafe;

namespace PsVm.Machine.Tests.Templates.Travel;

/// <summary>Archives that were cut short, altered or made up are refused, say why, and leave nothing.</summary>
public sealed class BadArchiveTests : TravelTest
{
    private static readonly Dictionary<string, (string Error, Action<RawArchive> Make)> s_madeUp = new()
    {
        ["a symbolic link"] = (GuestErrorIds.ArchiveInvalid, archive => Link(archive, TarEntryType.SymbolicLink)),
        ["a hard link"] = (GuestErrorIds.ArchiveInvalid, archive => Link(archive, TarEntryType.HardLink)),
        ["a folder"] = (GuestErrorIds.ArchiveInvalid, archive => archive.Entries.Insert(
            1, new RawEntry("t/", [], []) { Type = TarEntryType.Directory })),
        ["a device"] = (GuestErrorIds.ArchiveInvalid, archive => archive.Entries.Insert(
            1, new RawEntry("t/x", [], []) { Type = TarEntryType.CharacterDevice })),
        ["a FIFO"] = (GuestErrorIds.ArchiveInvalid, archive => archive.Entries.Insert(
            1, new RawEntry("t/x", [], []) { Type = TarEntryType.Fifo })),
        ["a name that leads up"] = (GuestErrorIds.ArchiveInvalid, archive => archive.Replace(
            "state.bin", entry => entry with { Name = "../state.bin" })),
        ["an absolute name"] = (GuestErrorIds.ArchiveInvalid, archive => archive.Replace(
            "state.bin", entry => entry with { Name = "/etc/state.bin" })),
        ["a sparse name that leads up"] = (GuestErrorIds.ArchiveInvalid, archive => Sparse(archive, "GNU.sparse.name", "../ram0.bin")),
        ["a folder that leads up"] = (GuestErrorIds.ArchiveInvalid, archive => Rename(archive, "..")),
        ["a folder of two parts"] = (GuestErrorIds.ArchiveInvalid, archive => Rename(archive, "a/b")),
        ["an absolute folder"] = (GuestErrorIds.ArchiveInvalid, archive => Rename(archive, "/tmp/x")),
        ["a hidden folder"] = (GuestErrorIds.ArchiveInvalid, archive => Rename(archive, ".x")),
        ["a folder with a line break"] = (GuestErrorIds.ArchiveInvalid, archive => Rename(archive, "a\nb")),
        ["a folder with a NUL"] = (GuestErrorIds.ArchiveInvalid, archive => Rename(archive, "a\0b")),
        ["a folder of 256 bytes"] = (GuestErrorIds.ArchiveInvalid, archive => Rename(archive, new string('x', 256))),
        ["an entry twice"] = (GuestErrorIds.ArchiveInvalid, archive => archive.Entries.Insert(2, archive.Entries[1])),
        ["an entry more"] = (GuestErrorIds.ArchiveInvalid, archive => archive.Entries.Add(new RawEntry("t/more", [1], []))),
        ["an entry less"] = (GuestErrorIds.ArchiveInvalid, archive => archive.Entries.RemoveAt(3)),
        ["another order"] = (GuestErrorIds.ArchiveInvalid, archive => archive.Entries.Reverse(1, 2)),
        ["no entries"] = (GuestErrorIds.ArchiveDamaged, archive => archive.Entries.Clear()),
        ["a longer state"] = (GuestErrorIds.ArchiveInvalid, archive => archive.Replace(
            "state.bin", entry => entry with { Content = [.. entry.Content, 0] })),
        ["another state"] = (GuestErrorIds.ArchiveDamaged, archive => archive.Replace(
            "state.bin", entry => entry with { Content = Flipped(entry.Content, 100) })),
        ["a state of another checksum"] = (GuestErrorIds.TemplateStateCorrupt, archive =>
        {
            archive.Replace("state.bin", entry => entry with { Content = Flipped(entry.Content, 100) });
            archive.AlterIndex(index => index["templates"]![0]!["state"] = RawArchive.Listed(archive["state.bin"].Content));
        }),
        ["another description"] = (GuestErrorIds.ArchiveDamaged, archive => archive.Replace(
            "template.json", entry => entry with { Content = Flipped(entry.Content, 20) })),
        ["no description"] = (GuestErrorIds.TemplateManifestInvalid, archive => archive.AlterDescription(
            node => node.AsObject().Remove("harts"))),
        ["a newer template"] = (GuestErrorIds.TemplateVersionUnsupported, archive => archive.AlterDescription(
            node => node["formatVersion"] = 99)),
        ["another machine"] = (GuestErrorIds.TemplateMachineMismatch, archive => archive.AlterDescription(
            node => node["board"] = "elsewhere")),
        ["RAM elsewhere"] = (GuestErrorIds.ArchiveInvalid, archive => archive.AlterDescription(
            node => node["ram"]![0]!["file"] = "/etc/shadow")),
        ["RAM of another name"] = (GuestErrorIds.ArchiveInvalid, archive => archive.AlterDescription(
            node => node["ram"]![0]!["file"] = "ram7.bin")),
        ["RAM of another digest"] = (GuestErrorIds.TemplateDigestMismatch, archive => archive.AlterDescription(
            node => node["ram"]![0]!["digest"] = new string('a', 64))),
        ["RAM of another byte"] = (GuestErrorIds.TemplateDigestMismatch, archive => archive.Replace(
            "ram0.bin", entry => entry with { Content = Flipped(entry.Content, entry.Content.Length - 1) })),
        ["a parent that is not there"] = (GuestErrorIds.TemplateParentNotFound, archive => archive.AlterDescription(node =>
        {
            node["parent"] = new System.Text.Json.Nodes.JsonObject { ["path"] = "/x", ["id"] = $"{Guid.NewGuid()}" };
            node["ram"]![0]!["changedBytes"] = 4096;
        })),
        ["a newer archive"] = (GuestErrorIds.ArchiveVersionUnsupported, archive => archive.AlterIndex(
            index => index["archiveVersion"] = 3)),
        ["an archive of version 0"] = (GuestErrorIds.ArchiveInvalid, archive => archive.AlterIndex(index => index["archiveVersion"] = 0)),
        ["a property more"] = (GuestErrorIds.ArchiveInvalid, archive => archive.AlterIndex(index => index["more"] = 1)),
        ["no list"] = (GuestErrorIds.ArchiveInvalid, archive => archive.Replace(
            "archive.json", entry => entry with { Content = "[]"u8.ToArray() })),
        ["no templates"] = (GuestErrorIds.ArchiveInvalid, archive => archive.AlterIndex(index => index["templates"]!.AsArray().Clear())),
        ["a template twice"] = (GuestErrorIds.ArchiveInvalid, archive => archive.AlterIndex(
            index => index["templates"]!.AsArray().Add(index["templates"]![0]!.DeepClone()))),
        ["data of no size"] = (GuestErrorIds.ArchiveInvalid, archive => Data(archive, -4096)),
        ["data beyond the file"] = (GuestErrorIds.ArchiveInvalid, archive => Data(archive, Memory + 4096)),
        ["less data than there is"] = (GuestErrorIds.ArchiveInvalid, archive => Data(archive, 4096)),
        ["more data than there is"] = (GuestErrorIds.ArchiveInvalid, archive => Data(archive, Memory)),
        ["RAM of other size"] = (GuestErrorIds.ArchiveInvalid, archive => archive.AlterIndex(
            index => index["templates"]![0]!["ram"]![0]!["size"] = Memory * 2)),
        ["sizes without a sum"] = (GuestErrorIds.ArchiveInvalid, archive => archive.AlterIndex(index =>
        {
            index["templates"]![0]!["ram"]![0]!["size"] = long.MaxValue / 4096 * 4096;
            index["templates"]![0]!["ram"]!.AsArray().Add(index["templates"]![0]!["ram"]![0]!.DeepClone());
        })),
        ["a larger file with holes"] = (GuestErrorIds.ArchiveInvalid, archive => Sparse(archive, "GNU.sparse.realsize", $"{1L << 60}")),
        ["another format of holes"] = (GuestErrorIds.ArchiveInvalid, archive => Sparse(archive, "GNU.sparse.major", "0")),
        ["a size that is none"] = (GuestErrorIds.ArchiveInvalid, archive => Sparse(archive, "GNU.sparse.realsize", "-1")),
        ["a file without holes"] = (GuestErrorIds.ArchiveInvalid, archive => archive.Replace(
            "ram0.bin", entry => entry with { Name = "t/ram0.bin", Attributes = [] })),
        ["data out of order"] = (GuestErrorIds.ArchiveInvalid, archive => Map(archive, "2\n8192\n4096\n0\n4096\n", 8192)),
        ["data that overlaps"] = (GuestErrorIds.ArchiveInvalid, archive => Map(archive, "2\n0\n8192\n4096\n4096\n", 12288)),
        ["data behind the end"] = (GuestErrorIds.ArchiveInvalid, archive => Map(archive, $"1\n{Memory}\n4096\n", 4096)),
        ["data that wraps"] = (GuestErrorIds.ArchiveInvalid, archive => Map(archive, $"1\n{long.MaxValue / 4096 * 4096}\n4096\n", 4096)),
        ["half a page"] = (GuestErrorIds.ArchiveInvalid, archive => Map(archive, "1\n0\n2048\n", 2048)),
        ["no numbers"] = (GuestErrorIds.ArchiveInvalid, archive => Map(archive, "x\n", 0)),
        ["a number without an end"] = (GuestErrorIds.ArchiveInvalid, archive => Map(archive, new string('1', 600), 0)),
        ["stretches without number"] = (GuestErrorIds.ArchiveInvalid, archive => Map(archive, $"{long.MaxValue}\n", 0)),
        ["a map without its end"] = (GuestErrorIds.ArchiveInvalid, archive => Map(archive, "9\n0\n4096", 0)),
        ["many attributes"] = (GuestErrorIds.ArchiveInvalid, archive => archive.Replace("state.bin", entry =>
            entry with { Attributes = new() { ["comment"] = new string('x', 1 << 20) } })),
    };

    public static TheoryData<string> MadeUp() => new(s_madeUp.Keys);

    [Theory]
    [MemberData(nameof(MadeUp))]
    public void What_is_made_up_is_refused(string what)
    {
        (string error, Action<RawArchive> make) = s_madeUp[what];
        MakeArchive();
        RawArchive archive = RawArchive.Read(At("a.psvm"));
        make(archive);
        archive.Write(At("bad.psvm"));

        AssertRefused("bad.psvm", error);
    }

    [Fact]
    public void What_is_only_read_and_written_again_is_not_refused()
    {
        MakeArchive();
        RawArchive.Read(At("a.psvm")).Write(At("b.psvm"));

        AssertRuns(Import("b.psvm"));
    }

    [Fact]
    public void An_archive_that_ends_early_is_damaged_wherever_it_does()
    {
        byte[] whole = MakeArchive();
        for (int i = 0; i <= 64; i++)
        {
            int length = i < 32 ? (int)(whole.Length * (i / 32.0)) : whole.Length - 1 - (i - 32);
            File.WriteAllBytes(At("bad.psvm"), whole[..length]);
            AssertRefused("bad.psvm", length < 4 ? GuestErrorIds.ArchiveInvalid : GuestErrorIds.ArchiveDamaged);
        }
    }

    [Fact]
    public void A_byte_that_is_another_is_found_wherever_it_is()
    {
        byte[] whole = MakeArchive();
        Random random = new(10);
        for (int i = 0; i < 100; i++)
        {
            byte[] bad = (byte[])whole.Clone();
            bad[i < 16 ? i : i < 24 ? whole.Length - 1 - (i - 16) : random.Next(whole.Length)] ^= (byte)(1 << random.Next(8));
            File.WriteAllBytes(At("bad.psvm"), bad);
            if (i == 5 && TryImport("bad.psvm") is { } same)
            {
                // zstd's window may be said larger than it was, which changes nothing.
                AssertRuns(same);
                GuestTemplates.Remove(same.Path);
                Directory.Delete(At("there"));
                continue;
            }

            AssertRefused("bad.psvm", null);
        }
    }

    [Fact]
    public void What_follows_is_refused()
    {
        byte[] whole = MakeArchive();
        File.WriteAllBytes(At("bad.psvm"), [.. whole, .. "more"u8]);
        AssertRefused("bad.psvm", null);

        RawArchive.Compress(At("bad.psvm"), [.. RawArchive.Decompress(At("a.psvm")), .. new byte[512], 1]);
        AssertRefused("bad.psvm", GuestErrorIds.ArchiveInvalid);
        RawArchive.Compress(At("bad.psvm"), [.. RawArchive.Decompress(At("a.psvm")), .. new byte[1 << 24]]);
        AssertRefused("bad.psvm", GuestErrorIds.ArchiveInvalid);

        // As GNU tar pads its archives.
        RawArchive.Compress(At("b.psvm"), [.. RawArchive.Decompress(At("a.psvm")), .. new byte[8192]]);
        AssertRuns(Import("b.psvm"));
    }

    [Theory]
    [InlineData(124, "77777777777\0")] // 8 GiB
    [InlineData(124, "xxxxxxxxxxx\0")]
    [InlineData(156, "5")]
    [InlineData(257, "other\0")]
    public void Headers_that_lie_are_refused(int offset, string text)
    {
        MakeArchive();
        byte[] tar = RawArchive.Decompress(At("a.psvm"));
        Encoding.ASCII.GetBytes(text, tar.AsSpan(offset)); // of the first extended header
        AddSum(tar);
        RawArchive.Compress(At("bad.psvm"), tar);

        AssertRefused("bad.psvm", GuestErrorIds.ArchiveInvalid);
    }

    [Fact]
    public void More_data_than_there_is_room_for_is_refused_before_any_is_written()
    {
        MakeArchive();
        RawArchive archive = RawArchive.Read(At("a.psvm"));
        const long much = 1L << 60;
        archive.AlterDescription(node => (node["ram"]![0]!["size"], node["ram"]![0]!["fileSize"]) = (much, much));
        archive.AlterIndex(
            index => (index["templates"]![0]!["ram"]![0]!["size"], index["templates"]![0]!["ram"]![0]!["dataBytes"]) = (much, much));
        Sparse(archive, "GNU.sparse.realsize", $"{much}");
        archive.Write(At("bad.psvm"));

        AssertRefused("bad.psvm", GuestErrorIds.CheckpointDiskFull);
    }

    [Fact]
    public void A_window_that_asks_for_much_memory_is_refused()
    {
        MakeArchive();
        RawArchive.Compress(
            At("bad.psvm"), [.. RawArchive.Decompress(At("a.psvm"))], zstd =>
            {
                zstd.SetParameter(ZSTD_cParameter.ZSTD_c_windowLog, 30);
                zstd.SetParameter(ZSTD_cParameter.ZSTD_c_contentSizeFlag, 0);
            });

        AssertRefused("bad.psvm", GuestErrorIds.ArchiveInvalid);
    }

    [Fact]
    public void What_is_no_archive_says_so()
    {
        File.WriteAllText(At("text"), "no archive");
        Directory.CreateDirectory(At("folder"));

        AssertRefused("text", GuestErrorIds.ArchiveInvalid);
        AssertRefused("folder", GuestErrorIds.ArchiveUnreadable);
        AssertRefused("none", GuestErrorIds.ArchiveNotFound);
        AssertRefused("/dev/zero", GuestErrorIds.ArchiveUnreadable);
        RawArchive.Compress(At("zeros"), new byte[1 << 20]);
        AssertRefused("zeros", GuestErrorIds.ArchiveInvalid);
    }

    private GuestTemplate? TryImport(string archive)
    {
        try
        {
            return Import(archive);
        }
        catch (GuestException)
        {
            return null;
        }
    }

    private byte[] MakeArchive()
    {
        Export(MakeTemplate("t").Path);
        return File.ReadAllBytes(At("a.psvm"));
    }

    private void AssertRefused(string archive, string? error)
    {
        GuestException refused = Assert.Throws<GuestException>(() => Import(archive));
        Assert.Equal(error ?? refused.ErrorId, refused.ErrorId);
        Assert.Contains("found", refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', refused.Message);
        Assert.False(Directory.Exists(At("there")), string.Join(", ", NamesIn("there")));
    }

    private static void Link(RawArchive archive, TarEntryType type) =>
        archive.Replace("ram0.bin", _ => new RawEntry("t/ram0.bin", [], []) { Type = type, LinkName = "/etc/passwd" });

    private static void Sparse(RawArchive archive, string key, string value) =>
        archive.Replace("ram0.bin", entry => entry with { Attributes = new(entry.Attributes) { [key] = value } });

    private static void Rename(RawArchive archive, string name)
    {
        archive.AlterIndex(index => index["templates"]![0]!["name"] = name);
        foreach (string file in new[] { "template.json", "state.bin" })
        {
            archive.Replace(file, entry => entry with { Name = $"{name.Replace("\0", string.Empty, StringComparison.Ordinal)}/{file}" });
        }
    }

    private static void Data(RawArchive archive, long bytes) =>
        archive.AlterIndex(index => index["templates"]![0]!["ram"]![0]!["dataBytes"] = bytes);

    private static void Map(RawArchive archive, string map, long bytes)
    {
        archive.Map(map, new byte[bytes]);
        Data(archive, bytes / 4096 * 4096);
    }

    private static byte[] Flipped(byte[] bytes, int at)
    {
        byte[] flipped = (byte[])bytes.Clone();
        flipped[at] ^= 1;
        return flipped;
    }

    /// <summary>Makes the checksum of the first header right again.</summary>
    private static void AddSum(byte[] tar)
    {
        tar.AsSpan(148, 8).Fill((byte)' ');
        int sum = tar.AsSpan(0, 512).ToArray().Sum(value => value);
        Encoding.ASCII.GetBytes(Convert.ToString(sum, 8).PadLeft(6, '0') + "\0 ", tar.AsSpan(148));
    }
}
