using System.Formats.Tar;
using System.Text;
using PsVm.Machine.Agents;

namespace PsVm.Machine.Tests.Agents;

/// <summary>Guests that answer what they like when a folder of theirs is copied: nothing is written outside of the host's folder.</summary>
public sealed class HostileFolderTests : FolderCopyTest
{
    private const string Rest = "\0\0\0\0"; // of a list whose first two are there

    private readonly MemoryStream _archive = new();

    [Theory]
    [InlineData("../x")]
    [InlineData("./../x")]
    [InlineData("./a/../../x")]
    [InlineData("./..")]
    [InlineData("./.")]
    [InlineData("./a//x")]
    [InlineData("./a/./x")]
    [InlineData("./a/")]
    [InlineData("./")]
    [InlineData("/etc/x")]
    [InlineData("x")]
    [InlineData("..")]
    [InlineData(".//etc/x")]
    public async Task A_name_that_leads_elsewhere_ends_the_copy(string name)
    {
        string[] lists = [$".\0./a\0{name}\0\0\0{Rest}", $".\0./a\0\0{name}\0\0{Rest}", $".\0./a\0\0\0{name}\0{Rest}"];
        foreach (string list in lists)
        {
            await Fails(list);
        }

        Assert.False(Directory.Exists(To));
    }

    [Theory]
    [InlineData("")]
    [InlineData(".\0\0\0\0\0\0")] // one list too few
    [InlineData(".\0\0\0\0\0\0\0\0")] // and too many
    [InlineData(".\0\0\0\0\0\0\0./x")]
    [InlineData("./a\0\0\0\0\0\0\0")] // not the folder itself
    [InlineData("\u001b[2J")]
    public async Task Nonsense_for_a_list_is_an_error(string list)
    {
        await Fails(list);

        Assert.False(Directory.Exists(To));
    }

    [Fact]
    public async Task Folders_in_each_other_have_an_end()
    {
        string deep = string.Concat(Enumerable.Repeat("/d", 257));

        await Fails($".\0.{deep}\0\0\0{Rest}");
        await Fails($".\0./{new string('n', 256)}\0\0\0{Rest}");
    }

    [Fact]
    public void What_is_in_no_folder_or_is_there_twice_or_is_no_text_is_left_out()
    {
        byte[] list = [.. Encoding.UTF8.GetBytes(".\0./a\0./b/c\0\0./a\0\0./a/x\0./no/x\0./"), 0xff, .. Encoding.UTF8.GetBytes(
            "\0\0./a/x\0\0\0./a/p\0\0")];

        GuestListing listing = GuestListing.TryRead(list)!;

        Assert.Equal(["a"], listing.Folders);
        Assert.Empty(listing.Links);
        Assert.Equal(["a/x"], listing.Small);
        Assert.Empty(listing.Large);
        Assert.Equal(["b/c", "a", "no/x", "\ufffd", "a/x", "a/p"], listing.Skipped);
    }

    [Fact]
    public async Task Of_an_archive_only_what_was_asked_for_is_taken()
    {
        using (TarWriter writer = new(_archive, TarEntryFormat.Gnu, leaveOpen: true))
        {
            Add(writer, "../outside");
            Add(writer, In("absolute"));
            Add(writer, "./not-asked");
            writer.WriteEntry(new GnuTarEntry(TarEntryType.SymbolicLink, "./a/x") { LinkName = In("elsewhere") });
            Add(writer, "./a/x");
            Add(writer, "./good");
            writer.WriteEntry(new GnuTarEntry(TarEntryType.HardLink, "./same") { LinkName = "../../../etc/passwd" });
        }

        Answers($".\0./a\0\0\0./a/x\0./good\0./same\0{Rest}", _archive.ToArray());
        GuestFolderCopy copied = await Fetch();

        // What came as something else was asked for by its name, which this guest does not have.
        Assert.Equal(["a/x", "same"], copied.Skipped);
        Assert.Equal(
            ["a", "good"],
            Directory.EnumerateFileSystemEntries(To, "*", SearchOption.AllDirectories).Select(path => Path.GetFileName(path)).Order());
        Assert.Equal(["to"], Directory.EnumerateFileSystemEntries(Path.GetDirectoryName(To)!).Select(path => Path.GetFileName(path)));
    }

    [Theory]
    [InlineData(124, "77777777777")] // a size behind its end
    [InlineData(124, "-1")]
    [InlineData(124, "\u00ff\u00ff\u00ff\u00ff")]
    [InlineData(0, "\u0001")]
    public void An_archive_that_makes_no_sense_ends_there(int offset, string text)
    {
        using (TarWriter writer = new(_archive, TarEntryFormat.Gnu, leaveOpen: true))
        {
            Add(writer, "one");
            Add(writer, "two");
        }

        byte[] bytes = _archive.ToArray();
        Encoding.Latin1.GetBytes(text).CopyTo(bytes, 1024 + offset);

        Assert.Equal("one", TarItem.Read(bytes).First().Name);
        Assert.DoesNotContain(TarItem.Read(bytes), item => item.Name == "two" && offset == 124);
        foreach (int end in Enumerable.Range(0, bytes.Length / 100))
        {
            Assert.InRange(TarItem.Read(bytes.AsMemory(0, end * 100)).Count(), 0, 2);
        }
    }

    [Fact]
    public async Task A_link_of_the_hosts_in_a_folders_place_is_not_followed()
    {
        string outside = Directory.CreateDirectory(In("outside")).FullName;
        Directory.CreateDirectory(To);
        File.CreateSymbolicLink(Path.Combine(To, "sub"), outside);
        Directory.CreateDirectory(Path.Combine(Guest, "sub"));
        await File.WriteAllTextAsync(Path.Combine(Guest, "sub/file"), "x");

        GuestException error = await Fails(null);
        Assert.Contains("remove it", error.RecommendedAction, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(outside));

        Directory.Delete(To, recursive: true);
        File.CreateSymbolicLink(To, outside);
        await Fails(null);
        Assert.Empty(Directory.EnumerateFileSystemEntries(outside));
    }

    [Fact]
    public async Task A_link_of_the_hosts_in_a_files_place_is_replaced()
    {
        string outside = In("outside");
        await File.WriteAllTextAsync(outside, "mine");
        Directory.CreateDirectory(To);
        Directory.CreateDirectory(Guest);
        foreach ((string name, int size) in new[] { ("small", 10), ("large", 100_000) })
        {
            File.CreateSymbolicLink(Path.Combine(To, name), outside);
            await File.WriteAllTextAsync(Path.Combine(Guest, name), new string('x', size));
        }

        File.CreateSymbolicLink(Path.Combine(To, "link"), outside);
        File.CreateSymbolicLink(Path.Combine(Guest, "link"), "new");

        await Fetch();

        Assert.Equal("mine", await File.ReadAllTextAsync(outside));
        Assert.Equal((10, 100_000), (new FileInfo(Path.Combine(To, "small")).Length, new FileInfo(Path.Combine(To, "large")).Length));
        Assert.Equal("new", new FileInfo(Path.Combine(To, "link")).LinkTarget);
    }

    [Fact]
    public async Task More_than_is_wanted_ends_the_copy()
    {
        Directory.CreateDirectory(Guest);
        foreach (int i in Enumerable.Range(0, 4))
        {
            await File.WriteAllTextAsync(Path.Combine(Guest, $"{i}"), new string('x', i < 3 ? 30_000 : 50_000));
        }

        Assert.Equal(140_000, (await Fetch(140_000)).Bytes);
        await Fails(null, 139_999);
        await Fails(null, 89_999);
    }

    private static void Add(TarWriter writer, string name)
    {
        using MemoryStream content = new("text"u8.ToArray());
        writer.WriteEntry(new GnuTarEntry(TarEntryType.RegularFile, name) { DataStream = content });
    }

    private void Answers(string? list, byte[] archive) =>
        Instead = path => path == "tar" ? archive : list is null ? null : Encoding.UTF8.GetBytes(list);

    private async Task<GuestException> Fails(string? list, long most = 1 << 30)
    {
        if (list is not null)
        {
            Answers(list, []);
        }

        GuestException error = await Assert.ThrowsAsync<GuestException>(() => Fetch(most));
        Assert.Equal(GuestErrorIds.GuestCopyFailed, error.ErrorId);
        return error;
    }
}
