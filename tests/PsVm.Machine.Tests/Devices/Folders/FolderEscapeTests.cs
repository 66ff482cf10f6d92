using System.Text;
using Mono.Unix.Native;
using PsVm.Machine.Devices.Folders;
using PsVm.Memory.Native;
using PsVm.Memory.Tests.Support;

namespace PsVm.Machine.Tests.Devices.Folders;

/// <summary>A guest gets nothing of the host but its folder, whatever that folder's owner does to it meanwhile.</summary>
public sealed class FolderEscapeTests : IDisposable
{
    private const uint Root = 0;
    private const int TooManyLinks = 40, OtherFileSystem = 18; // ELOOP, EXDEV
    private const string Secret = "secret of the host";

    private readonly TestFolder _folder = new();
    private readonly FolderServer _server;
    private readonly P9Client _client;

    public FolderEscapeTests()
    {
        Directory.CreateDirectory(In("share/sub"));
        Directory.CreateDirectory(In("outside"));
        File.WriteAllText(In("outside/file"), Secret);
        File.WriteAllText(In("share/sub/file"), "shared");
        File.CreateSymbolicLink(In("share/up"), "../outside");
        File.CreateSymbolicLink(In("share/absolute"), In("outside"));
        File.CreateSymbolicLink(In("share/inside"), "sub");
        _server = FolderServer.Open(In("share"), isReadOnly: false, SharedFolderOwners.Root);
        _client = P9Client.Mount(_server, Root);
    }

    public void Dispose()
    {
        _server.Dispose();
        Assert.Equal(Secret, File.ReadAllText(In("outside/file")));
        _folder.Dispose();
    }

    [Theory]
    [InlineData("up")]
    [InlineData("absolute")]
    [InlineData("inside")]
    public void A_link_is_not_gone_through_whatever_is_asked(string link)
    {
        Assert.Single(_client.Walk(Root, 1, link, "file"));
        _client.Walk(Root, 2, link);
        _client.Walk(Root, 3, "sub", "file");
        Assert.Equal(TooManyLinks, P9Client.ErrorOf(() => _client.Walk(2, 4, "file")));
        Assert.Equal(P9Error.NotAFolder, P9Client.ErrorOf(() => _client.Create(2, "made")));
        Assert.Equal(P9Error.NotAFolder, P9Client.ErrorOf(() => _client.MakeFolder(2, "made")));
        Assert.Equal(P9Error.NotAFolder, P9Client.ErrorOf(() => _client.MakeLink(2, "made", "x")));
        Assert.Equal(P9Error.NotAFolder, P9Client.ErrorOf(() => _client.AddName(2, 3, "made")));
        Assert.Equal(P9Error.NotAFolder, P9Client.ErrorOf(() => _client.RenameAt(2, "file", Root, "taken")));
        Assert.Equal(P9Error.NotAFolder, P9Client.ErrorOf(() => _client.RenameAt(Root, "sub", 2, "given")));
        Assert.Equal(P9Error.NotAFolder, P9Client.ErrorOf(() => _client.Unlink(2, "file")));
        Assert.Equal(P9Error.Invalid, P9Client.ErrorOf(() => _client.SetAttributes(2, P9.SetSize)));
        Assert.Equal(["file"], Names("outside"));
    }

    [Fact]
    public void A_folder_that_the_host_makes_a_link_is_not_gone_through()
    {
        _client.Walk(Root, 1, "sub");
        _client.Walk(Root, 2, "sub", "file");
        Directory.Move(In("share/sub"), In("share/was"));
        File.CreateSymbolicLink(In("share/sub"), In("outside"));

        Assert.Equal(TooManyLinks, P9Client.ErrorOf(() => _client.Walk(1, 3, "file")));
        Assert.Equal(TooManyLinks, P9Client.ErrorOf(() => _client.Open(2)));
        Assert.Equal(P9Error.Stale, P9Client.ErrorOf(() => _client.Unlink(1, "file")));
        Assert.Equal(P9Error.Stale, P9Client.ErrorOf(() => _client.Create(1, "made")));
        Assert.Equal(P9Error.NotFound, P9Client.ErrorOf(() => _client.GetAttributes(1)));
        Assert.Equal(["file"], Names("outside"));
    }

    [Fact]
    public void A_folder_that_the_host_moves_out_is_gone_and_what_is_open_of_it_stays_open()
    {
        _client.Walk(Root, 1, "sub");
        _client.Walk(Root, 2, "sub", "file");
        _client.Open(2);
        Directory.Move(In("share/sub"), In("outside/sub"));

        Assert.Equal(P9Error.NotFound, P9Client.ErrorOf(() => _client.Walk(1, 3, "file")));
        Assert.Single(_client.Walk(1, 3, "..", "sub", "file"));
        Assert.Equal(P9Error.NotFound, P9Client.ErrorOf(() => _client.MakeFolder(1, "made")));
        Assert.Equal("shared", Encoding.UTF8.GetString(_client.Read(2, 0, 100)));
        Assert.Equal(["file"], Names("outside/sub"));
    }

    [Fact]
    public async Task No_request_gets_out_while_folders_are_links_and_are_moved_out_and_back()
    {
        Directory.CreateDirectory(In("share/sub/below"));
        File.WriteAllText(In("share/sub/below/file"), "shared");
        Directory.CreateDirectory(In("outside/below"));
        File.WriteAllText(In("outside/below/file"), Secret);
        File.CreateSymbolicLink(In("share/other"), In("outside"));
        bool isDone = false;
        Task host = Task.Run(() =>
        {
            for (int i = 0; i < 3000; i++)
            {
                Assert.Equal(0, KernelCalls.Swap(In("share/sub"), In("share/other"))); // a link is where the folder was, and back
                Assert.Equal(0, KernelCalls.Swap(In("share/sub"), In("share/other")));
                Assert.Equal(0, KernelCalls.RenameNew(In("share/sub"), In("moved")));
                Assert.Equal(0, KernelCalls.RenameNew(In("moved"), In("share/sub")));
            }

            Volatile.Write(ref isDone, true);
        });

        int read = 0;
        for (int i = 0; i < 200 || !Volatile.Read(ref isDone); i++)
        {
            // Whatever fails, nothing is read of what is not the guest's.
            P9Client.ErrorOf(() => read += Check(_client.ReadText(Root, 1, "sub", "below", "file")));
            P9Client.ErrorOf(() => _client.Clunk(1));
            P9Client.ErrorOf(() => _client.Walk(Root, 2, "sub", "below", "..", "below"));
            P9Client.ErrorOf(() => read += Check(_client.ReadText(2, 1, "file")));
            P9Client.ErrorOf(() => _client.Clunk(1));
            P9Client.ErrorOf(() => _client.MakeFolder(2, "made"));
            P9Client.ErrorOf(() => _client.Unlink(2, "made", P9.RemoveFolder));
            P9Client.ErrorOf(() => _client.Create(2, "new"));
            P9Client.ErrorOf(() => _client.Write(2, 0, "written"u8));
            P9Client.ErrorOf(() => _client.Clunk(2));
            P9Client.ErrorOf(() => _client.Walk(Root, 2, "sub", "below"));
            P9Client.ErrorOf(() => _client.Unlink(2, "new"));
            P9Client.ErrorOf(() => _client.Clunk(2));
        }

        await host;
        Assert.True(read > 0, "nothing was ever read");
        Assert.Equal(["below", "below/file", "file"], Names("outside"));
        Assert.Equal(Secret, File.ReadAllText(In("outside/below/file")));
        Assert.Equal((1, 0, 0), _server.Counts);
    }

    [Fact]
    public void Devices_of_the_host_are_not_opened()
    {
        using FolderServer server = FolderServer.Open("/dev", isReadOnly: true, SharedFolderOwners.Root);
        P9Client client = P9Client.Mount(server);
        client.Walk(0, 1, "null");
        Assert.Equal((uint)FilePermissions.S_IFCHR, client.GetAttributes(1).Mode & (uint)FilePermissions.S_IFMT);
        Assert.Equal(0x103ul, client.GetAttributes(1).OfDevice);
        Assert.Equal(P9Error.NotPermitted, P9Client.ErrorOf(() => client.Open(1)));
    }

    [Fact]
    public void What_is_mounted_below_is_not_shared()
    {
        using FolderServer server = FolderServer.Open("/", isReadOnly: true, SharedFolderOwners.Root);
        P9Client client = P9Client.Mount(server);
        Assert.Equal(OtherFileSystem, P9Client.ErrorOf(() => client.Walk(0, 1, "proc")));
        Assert.Equal(OtherFileSystem, P9Client.ErrorOf(() => client.Walk(0, 1, "proc", "self", "root")));
    }

    [Fact]
    public void A_read_only_folder_is_not_changed()
    {
        using FolderServer server = FolderServer.Open(In("share"), isReadOnly: true, SharedFolderOwners.Root);
        P9Client client = P9Client.Mount(server);
        client.Walk(0, 1, "sub", "file");
        client.Walk(0, 2, "sub");
        string[] before = Names("share");
        DateTime changed = Directory.GetLastWriteTimeUtc(In("share/sub"));
        (string What, Action Request)[] requests =
        [
            ("write", () => client.Open(1, P9.WriteOnly)),
            ("read and write", () => client.Open(1, P9.ReadWrite)),
            ("truncate", () => client.Open(1, P9.Truncate)),
            ("create", () => client.Create(2, "made")),
            ("create what is there", () => client.Create(2, "file", 0)),
            ("folder", () => client.MakeFolder(2, "made")),
            ("node", () => client.MakeNode(2, "made", 0x81a4)),
            ("link", () => client.MakeLink(2, "made", "x")),
            ("name", () => client.AddName(2, 1, "made")),
            ("rename", () => client.Rename(1, 2, "made")),
            ("rename at", () => client.RenameAt(2, "file", 2, "made")),
            ("unlink", () => client.Unlink(2, "file")),
            ("mode", () => client.SetAttributes(1, P9.SetMode, mode: 0x1ff)),
            ("size", () => client.SetAttributes(1, P9.SetSize)),
            ("times", () => client.SetAttributes(1, P9.SetModified)),
            ("owner", () => client.SetAttributes(1, P9.SetUser)),
            ("remove", () => client.Remove(1)),
        ];
        Assert.All(requests, request => Assert.Equal((request.What, P9Error.ReadOnly), (request.What, P9Client.ErrorOf(request.Request))));
        Assert.Equal("shared", client.ReadText(0, 3, "sub", "file"));
        Assert.Equal(before, Names("share"));
        Assert.Equal(changed, Directory.GetLastWriteTimeUtc(In("share/sub")));
    }

    [Fact]
    public void A_program_that_runs_as_its_owner_is_one_no_more_once_a_guest_may_write_it()
    {
        const UnixFileMode mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        File.SetUnixFileMode(In("share/sub/file"), mode | UnixFileMode.SetUser);
        _client.Walk(Root, 1, "sub", "file");
        _client.Walk(1, 2);
        _client.Open(1);
        Assert.Equal(mode | UnixFileMode.SetUser, File.GetUnixFileMode(In("share/sub/file")));
        _client.Open(2, P9.WriteOnly);
        Assert.Equal(mode, File.GetUnixFileMode(In("share/sub/file")));
    }

    private static int Check(string text)
    {
        Assert.Contains(text, (string[])["shared", "", "written"]);
        return text.Length;
    }

    private string In(string path) => _folder.In(path);

    private string[] Names(string path) =>
        [.. Directory.EnumerateFileSystemEntries(In(path), "*", SearchOption.AllDirectories)
            .Select(found => Path.GetRelativePath(In(path), found)).Order(StringComparer.Ordinal)];
}
