using System.Globalization;
using System.Text;
using Mono.Unix.Native;

namespace PsVm.Machine.Tests.Agents;

/// <summary>Folders copied by an agent, there and back, by the tools of this machine.</summary>
public sealed class FolderCopyTests : FolderCopyTest
{
    private const UnixFileMode Program = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private static readonly string[] s_names =
    [
        "plain", "a b", "new\nline", "quote'\"`", "$(touch x)", "-rf", "*", "back\\slash", "ümläut", "%s", new string('n', 250),
        string.Join('/', Enumerable.Range(0, 12).Select(i => $"a-rather-long-name-{i}")) + "/leaf",
    ];

    [Fact]
    public async Task A_folder_goes_there_and_comes_back_with_all_that_is_in_it()
    {
        string from = Directory.CreateDirectory(In("from")).FullName;
        foreach (string name in s_names)
        {
            string path = Path.Combine(from, "names", name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            await File.WriteAllTextAsync(path, name);
        }

        foreach (int i in Enumerable.Range(0, 150))
        {
            Directory.CreateDirectory(Path.Combine(from, $"many/{i % 7}"));
            await File.WriteAllTextAsync(Path.Combine(from, $"many/{i % 7}/{i}"), new string('x', i * 10));
        }

        Directory.CreateDirectory(Path.Combine(from, "empty"));
        await File.WriteAllTextAsync(Path.Combine(from, "nothing"), "");
        foreach ((string name, int size) in new[] { ("small", 100), ("limit", 32768), ("over", 32769), ("large", 300_001) })
        {
            byte[] bytes = new byte[size];
            new Random(size).NextBytes(bytes);
            await File.WriteAllBytesAsync(Path.Combine(from, name), bytes);
            await File.WriteAllBytesAsync(Path.Combine(from, $"{name}.sh"), bytes);
            File.SetUnixFileMode(Path.Combine(from, $"{name}.sh"), Program);
        }

        File.CreateSymbolicLink(Path.Combine(from, "near"), "many/3/3");
        File.CreateSymbolicLink(Path.Combine(from, "far"), "/no/such");
        File.CreateSymbolicLink(Path.Combine(from, "folder"), "many");
        File.CreateSymbolicLink(Path.Combine(from, "long"), new string('l', 900));

        GuestFolderCopy sent = await Send(from);
        GuestFolderCopy fetched = await Fetch();

        string expected = Describe(from);
        Assert.Equal(expected, Describe(Guest));
        Assert.Equal(expected, Describe(To));
        Assert.Empty(sent.Skipped);
        Assert.Empty(fetched.Skipped);
        Assert.Equal((sent.Bytes, sent.Items), (fetched.Bytes, fetched.Items));
        Directory.Delete(Path.Combine(from, "folder")); // through which .NET would count
        Assert.Equal(2 + Directory.EnumerateFileSystemEntries(from, "*", SearchOption.AllDirectories).Count(), sent.Items);
        File.CreateSymbolicLink(Path.Combine(from, "folder"), "many");
        Assert.InRange(Ran.Count(path => path == "tar"), 8, 40);

        await File.WriteAllTextAsync(Path.Combine(To, "small"), "other");
        await Send(from);
        await Fetch();
        Assert.Equal(expected, Describe(To));
    }

    [Fact]
    public async Task Two_names_of_one_file_come_as_two_files()
    {
        Directory.CreateDirectory(Guest);
        await File.WriteAllTextAsync(Path.Combine(Guest, "one"), "text");
        Assert.Equal(0, Syscall.link(Path.Combine(Guest, "one"), Path.Combine(Guest, "two")));

        await Fetch();

        Assert.Equal("text", await File.ReadAllTextAsync(Path.Combine(To, "one")));
        Assert.Equal("text", await File.ReadAllTextAsync(Path.Combine(To, "two")));
    }

    [Fact]
    public async Task A_guests_file_comes_as_a_file()
    {
        await File.WriteAllTextAsync(Guest, "text");

        GuestFolderCopy fetched = await Fetch();
        Assert.Equal((4, 1, 0), (fetched.Bytes, fetched.Items, fetched.Skipped.Count));

        Assert.Equal("text", await File.ReadAllTextAsync(To));
    }

    [Fact]
    public async Task What_is_no_file_folder_or_link_is_left_out_and_told()
    {
        string from = Directory.CreateDirectory(In("from")).FullName;
        Assert.Equal(0, Syscall.mkfifo(Path.Combine(from, "pipe\u001b"), FilePermissions.ACCESSPERMS));
        await File.WriteAllTextAsync(Path.Combine(from, "file"), "x");

        GuestFolderCopy sent = await Send(from);
        Assert.Equal(["pipe\\x1b"], sent.Skipped);
        Assert.Equal(2, sent.Items);

        Assert.Equal(0, Syscall.mkfifo(Path.Combine(Guest, "pipe"), FilePermissions.ACCESSPERMS));
        GuestFolderCopy fetched = await Fetch();
        Assert.Equal(["pipe"], fetched.Skipped);
        Assert.Equal(["file"], Directory.EnumerateFileSystemEntries(To).Select(path => Path.GetFileName(path)));
    }

    [Fact]
    public async Task Without_tar_files_come_one_by_one_and_links_are_left_out()
    {
        Directory.CreateDirectory(Path.Combine(Guest, "sub"));
        await File.WriteAllTextAsync(Path.Combine(Guest, "sub/file"), "text");
        File.CreateSymbolicLink(Path.Combine(Guest, "link"), "sub");
        Instead = path => path == "tar" ? throw new IOException("no tar") : null;

        GuestFolderCopy fetched = await Fetch();

        Assert.Equal(["link"], fetched.Skipped);
        Assert.Equal("text", await File.ReadAllTextAsync(Path.Combine(To, "sub/file")));
    }

    [Fact]
    public async Task A_guest_that_cannot_write_says_why()
    {
        string from = Directory.CreateDirectory(In("from")).FullName;
        await File.WriteAllTextAsync(Guest, "in the way");

        GuestException error = await Assert.ThrowsAsync<GuestException>(() => Send(from));

        Assert.Equal(GuestErrorIds.GuestCopyFailed, error.ErrorId);
        Assert.Contains("File exists", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_folder_that_is_not_there_is_told_on_either_side()
    {
        Assert.Contains("there is none", (await Assert.ThrowsAsync<GuestException>(() => Fetch())).Message, StringComparison.Ordinal);
        Assert.Contains(
            "No such file", (await Assert.ThrowsAsync<GuestException>(() => Send(In("none")))).Message, StringComparison.Ordinal);
    }

    /// <summary>All that is in a folder: kind, whether it can be run, content.</summary>
    private static string Describe(string folder)
    {
        StringBuilder text = new();
        foreach (FileSystemInfo item in new DirectoryInfo(folder).EnumerateFileSystemInfos("*", SearchOption.AllDirectories)
            .OrderBy(item => item.FullName, StringComparer.Ordinal))
        {
            string what = item.LinkTarget ?? (item is FileInfo file ? Convert.ToHexString(File.ReadAllBytes(file.FullName)) : "folder");
            string runs = item is FileInfo { LinkTarget: null } && (item.UnixFileMode & UnixFileMode.UserExecute) != 0 ? "*" : "";
            text.AppendLine(CultureInfo.InvariantCulture, $"{Path.GetRelativePath(folder, item.FullName)}{runs}: {what}");
        }

        return $"{text}";
    }
}
