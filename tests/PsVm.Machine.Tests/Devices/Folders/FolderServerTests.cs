using System.Text;
using PsVm.Machine.Devices.Folders;
using PsVm.Memory.Tests.Support;

namespace PsVm.Machine.Tests.Devices.Folders;

/// <summary>Each request of 9P2000.L does what a guest's kernel makes of it, to a folder of the host.</summary>
public sealed class FolderServerTests : IDisposable
{
    private const uint Root = 0, Folder = 0x4000, Regular = 0x8000;

    private readonly TestFolder _folder = new();
    private readonly FolderServer _server;
    private readonly P9Client _client;

    public FolderServerTests()
    {
        Directory.CreateDirectory(In("sub/deep"));
        File.WriteAllText(In("sub/hello"), "hello");
        File.CreateSymbolicLink(In("link"), "sub/hello");
        _server = FolderServer.Open(_folder.Path, isReadOnly: false, SharedFolderOwners.Root);
        _client = P9Client.Mount(_server, Root);
    }

    public void Dispose()
    {
        _server.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void A_version_is_agreed_on_by_the_smaller_size_and_takes_all_fids_away()
    {
        Assert.Equal(8192u, _client.Version(8192));
        Assert.Equal(P9Error.BadDescriptor, P9Client.ErrorOf(() => _client.GetAttributes(Root)));
        Assert.Equal((uint)_server.MostMessage, _client.Version(uint.MaxValue));
        Assert.Equal(P9Error.MessageSize, P9Client.ErrorOf(() => _client.Version(4095)));
        _client.Version(8192, "9P2000.u");
        Assert.Equal(P9Error.Protocol, P9Client.ErrorOf(() => _client.Attach(Root)));
        _client.Version();
        Assert.Equal(P9.FolderQid, _client.Attach(Root, "/").Type);
        Assert.Equal(P9Error.NotFound, P9Client.ErrorOf(() => _client.Attach(1, "/etc")));
        Assert.Equal(P9Error.BadDescriptor, P9Client.ErrorOf(() => _client.Attach(Root)));
    }

    [Fact]
    public void A_walk_gives_what_each_name_is_and_goes_as_far_as_there_are_names()
    {
        Qid[] found = _client.Walk(Root, 1, "sub", "hello");
        Assert.Equal([P9.FolderQid, P9.FileQid], found.Select(qid => qid.Type));
        Assert.Equal(found[1], _client.GetAttributes(1).Qid);
        Assert.Equal(P9.LinkQid, Assert.Single(_client.Walk(Root, 2, "link")).Type);
        Assert.Empty(_client.Walk(1, 3));
        Assert.Equal(found[1], _client.GetAttributes(3).Qid);

        Assert.Equal(P9Error.NotFound, P9Client.ErrorOf(() => _client.Walk(Root, 4, "nothing")));
        Assert.Single(_client.Walk(Root, 4, "sub", "nothing"));
        Assert.Equal(P9Error.BadDescriptor, P9Client.ErrorOf(() => _client.GetAttributes(4)));
        Assert.Equal(P9Error.BadDescriptor, P9Client.ErrorOf(() => _client.Walk(Root, 1, "sub")));
        Assert.Equal(P9Error.BadDescriptor, P9Client.ErrorOf(() => _client.Walk(99, 5)));
        _client.Walk(3, 3);
        _client.Walk(Root, Root, "sub");
        Assert.Equal(found[0].Path, _client.GetAttributes(Root).Qid.Path);
    }

    [Fact]
    public void Up_from_the_folder_itself_is_the_folder_itself()
    {
        Qid root = _client.GetAttributes(Root).Qid;
        Assert.Equal(root, Assert.Single(_client.Walk(Root, 1, "..")));
        Assert.Equal(root, _client.GetAttributes(1).Qid);
        Qid[] found = _client.Walk(Root, 2, "sub", "..", "..", "..", "sub", "deep", "..", "hello");
        Assert.Equal([root, root, root], found[1..4]);
        Assert.Equal("hello", Encoding.UTF8.GetString(OpenAndRead(2)));
        Assert.Equal(root.Path, _client.Walk(2, 3, "..", "..", "..")[^1].Path);
    }

    [Theory]
    [InlineData("", P9Error.Invalid)]
    [InlineData(".", P9Error.Invalid)]
    [InlineData("sub/hello", P9Error.Invalid)]
    [InlineData("/", P9Error.Invalid)]
    [InlineData("sub\0", P9Error.Invalid)]
    [InlineData("..", P9Error.Invalid)]
    public void What_is_no_name_is_refused_whatever_is_asked(string name, int error)
    {
        if (name != "..")
        {
            Assert.Equal(error, P9Client.ErrorOf(() => _client.Walk(Root, 1, name)));
        }

        _client.Walk(Root, 2, "sub", "hello");
        _client.Walk(Root, 3, "sub");
        Assert.Equal(error, P9Client.ErrorOf(() => _client.MakeFolder(Root, name)));
        Assert.Equal(error, P9Client.ErrorOf(() => _client.MakeNode(Root, name, Regular | 0x1a4)));
        Assert.Equal(error, P9Client.ErrorOf(() => _client.MakeLink(Root, name, "sub")));
        Assert.Equal(error, P9Client.ErrorOf(() => _client.AddName(Root, 2, name)));
        Assert.Equal(error, P9Client.ErrorOf(() => _client.Rename(2, Root, name)));
        Assert.Equal(error, P9Client.ErrorOf(() => _client.RenameAt(Root, "sub", Root, name)));
        Assert.Equal(error, P9Client.ErrorOf(() => _client.RenameAt(Root, name, Root, "new")));
        Assert.Equal(error, P9Client.ErrorOf(() => _client.Unlink(Root, name)));
        Assert.Equal(error, P9Client.ErrorOf(() => _client.Create(3, name)));
        Assert.Equal(["link", "sub", "sub/deep", "sub/hello"], AllNames());
    }

    [Fact]
    public void A_name_of_more_than_255_bytes_and_a_path_of_more_than_the_kernel_takes_are_too_long()
    {
        string name = new('n', 255);
        Assert.Equal(P9Error.NameTooLong, P9Client.ErrorOf(() => _client.Walk(Root, 1, name + "n")));
        Assert.Equal(P9Error.NameTooLong, P9Client.ErrorOf(() => _client.MakeFolder(Root, name + "n")));
        _client.Walk(Root, 1);
        for (int i = 0; i < 15; i++)
        {
            _client.MakeFolder(1, name);
            _client.Walk(1, 1, name);
        }

        _client.MakeFolder(1, name);
        _client.Walk(1, 2, name);
        Assert.Equal(Folder, _client.GetAttributes(2).Mode & Folder);
        Assert.Equal(P9Error.NameTooLong, P9Client.ErrorOf(() => _client.Walk(2, 3, "n")));
        _client.Remove(2);
    }

    [Fact]
    public void A_file_is_read_written_extended_and_made_shorter()
    {
        _client.Walk(Root, 1, "sub", "hello");
        _client.Open(1, P9.ReadWrite);
        Assert.Equal("ell", Encoding.UTF8.GetString(_client.Read(1, 1, 3)));
        Assert.Empty(_client.Read(1, 5, 10));
        Assert.Empty(_client.Read(1, 1 << 20, 10));
        Assert.Equal(5u, _client.Write(1, 3, "world"u8));
        Assert.Equal("helworld", File.ReadAllText(In("sub/hello")));
        Assert.Equal(8ul, _client.GetAttributes(1).Size);
        _client.SetAttributes(1, P9.SetSize, size: 2);
        Assert.Equal("he", File.ReadAllText(In("sub/hello")));
        _client.Flush(1);
        Assert.Equal(P9Error.Invalid, P9Client.ErrorOf(() => _client.Read(1, ulong.MaxValue, 1)));
        Assert.Equal(P9Error.Invalid, P9Client.ErrorOf(() => _client.Write(1, ulong.MaxValue, "x"u8)));
        Assert.Equal(P9Error.Invalid, P9Client.ErrorOf(() => _client.SetAttributes(1, P9.SetSize, size: ulong.MaxValue)));
        _client.Clunk(1);
        Assert.Equal((1, 0), (_server.Counts.Fids, _server.Counts.Descriptors));
    }

    [Fact]
    public void No_answer_is_longer_than_was_agreed_or_there_is_room_for()
    {
        File.WriteAllBytes(In("big"), new byte[100_000]);
        _client.Version(8192);
        _client.Attach(Root);
        _client.Walk(Root, 1, "big");
        _client.Open(1);
        Assert.Equal(8192 - P9.ReadHeaderSize, _client.Read(1, 0, 100_000).Length);
        Assert.Equal(P9Error.MessageSize, P9Client.ErrorOf(() => _client.Write(1, 0, new byte[8192])));

        byte[] request = new P9Message().Int(1).Long(0).Int(100_000).Finish((byte)P9Request.Read, 1);
        Assert.Equal(100, _server.Answer(request, new byte[100]));
        Assert.Equal(P9.ErrorSize, _server.Answer(request, new byte[P9.ErrorSize]));
        Assert.Equal(0, _server.Answer(request, new byte[P9.ErrorSize - 1]));
        Assert.Equal(0, _server.Answer(request.AsSpan(0, P9.HeaderSize - 1), new byte[100]));
        byte[] answer = new byte[P9.ErrorSize];
        Assert.Equal(P9.ErrorSize, _server.Answer(new P9Message().Int(1).Long(1).Finish((byte)P9Request.GetAttributes, 1), answer));
        Assert.Equal(P9Error.MessageSize, answer[P9.HeaderSize]);
    }

    [Fact]
    public void Files_and_folders_are_made_renamed_and_removed()
    {
        _client.Walk(Root, 1);
        Assert.Equal(P9.FileQid, _client.Create(1, "new", mode: Convert.ToUInt32("6666", 8)).Type);
        _client.Write(1, 0, "made"u8);
        Assert.Equal("made", File.ReadAllText(In("new")));
        Assert.Equal(Regular | Convert.ToUInt32("666", 8), _client.GetAttributes(1).Mode); // no mask, and neither set-user nor set-group
        Assert.Equal(P9.FolderQid, _client.MakeFolder(Root, "folder", Convert.ToUInt32("1777", 8)).Type);
        _client.Walk(Root, 2, "folder");
        Assert.Equal(Folder | Convert.ToUInt32("1777", 8), _client.GetAttributes(2).Mode);

        _client.RenameAt(Root, "new", 2, "moved");
        Assert.Equal("made", File.ReadAllText(In("folder/moved")));
        _client.Walk(2, 3, "moved");
        _client.Rename(3, Root, "back");
        Assert.Equal("made", File.ReadAllText(In("back")));
        Assert.Equal(4ul, _client.GetAttributes(3).Size);
        Assert.Equal(P9Error.IsAFolder, P9Client.ErrorOf(() => _client.Unlink(Root, "folder")));
        Assert.Equal(P9Error.NotAFolder, P9Client.ErrorOf(() => _client.Unlink(Root, "back", P9.RemoveFolder)));
        _client.Unlink(Root, "folder", P9.RemoveFolder);
        _client.Remove(3);
        Assert.Equal(P9Error.BadDescriptor, P9Client.ErrorOf(() => _client.GetAttributes(3)));
        Assert.Equal(P9Error.NotFound, P9Client.ErrorOf(() => _client.GetAttributes(2)));
        Assert.Equal(4ul, _client.GetAttributes(1).Size); // it is open, and has no name any more
        Assert.Equal("made", Encoding.UTF8.GetString(_client.Read(1, 0, 10)));
        Assert.Equal(["link", "sub"], Names());
    }

    [Fact]
    public void A_file_is_made_only_where_none_is_if_that_was_asked()
    {
        _client.Walk(Root, 1, "sub");
        Assert.Equal(P9Error.Exists, P9Client.ErrorOf(() => _client.Create(1, "hello", P9.ReadWrite | P9.Exclusive)));
        _client.Create(1, "hello", P9.ReadWrite);
        Assert.Equal("hello", Encoding.UTF8.GetString(_client.Read(1, 0, 10)));
        _client.Walk(Root, 2, "sub");
        _client.Create(2, "hello", P9.ReadWrite | P9.Truncate);
        Assert.Empty(_client.Read(2, 0, 10));
        _client.Walk(Root, 3);
        Assert.Equal(P9Error.IsAFolder, P9Client.ErrorOf(() => _client.Create(3, "sub")));
        Assert.Equal(P9Error.NotPermitted, P9Client.ErrorOf(() => _client.Create(3, "link")));
        Assert.Equal(P9Error.BadDescriptor, P9Client.ErrorOf(() => _client.Create(1, "other")));
    }

    [Fact]
    public void What_a_guest_renames_takes_along_what_is_below()
    {
        _client.Walk(Root, 1, "sub", "deep");
        _client.MakeFolder(1, "deeper");
        _client.Walk(Root, 2, "sub", "deep", "deeper");
        _client.RenameAt(Root, "sub", Root, "other");
        _client.MakeFolder(2, "deepest");
        Assert.True(Directory.Exists(In("other/deep/deeper/deepest")));
        _client.Walk(Root, 3, "other", "hello");
        Assert.Equal("hello", Encoding.UTF8.GetString(OpenAndRead(3)));

        // What comes to lie over something else hides that.
        _client.MakeFolder(Root, "empty");
        _client.Walk(Root, 4, "empty");
        _client.RenameAt(Root, "other", Root, "empty");
        Assert.Equal(P9Error.NotFound, P9Client.ErrorOf(() => _client.GetAttributes(4)));
        Assert.Equal(P9.FolderQid, _client.GetAttributes(2).Qid.Type);
    }

    [Fact]
    public void Links_are_made_and_read_and_never_followed()
    {
        _client.Walk(Root, 1, "link");
        Assert.Equal("sub/hello", _client.ReadLink(1));
        Assert.Equal(P9Error.NotPermitted, P9Client.ErrorOf(() => _client.Open(1)));
        Assert.Equal(P9Error.NotSupported, P9Client.ErrorOf(() => _client.SetAttributes(1, P9.SetMode, mode: 0x1ff)));
        Assert.Equal(P9.LinkQid, _client.MakeLink(Root, "out", "/etc/passwd").Type);
        _client.Walk(Root, 2, "out");
        Assert.Equal("/etc/passwd", _client.ReadLink(2));
        Assert.Single(_client.Walk(Root, 3, "out", "x")); // which goes no further than the link
        _client.Walk(Root, 4, "sub", "hello");
        Assert.Equal(P9Error.Invalid, P9Client.ErrorOf(() => _client.ReadLink(4)));
        _client.AddName(Root, 4, "second");
        Assert.Equal(2ul, _client.GetAttributes(4).Links);
        _client.Walk(Root, 5, "second");
        Assert.Equal(_client.GetAttributes(4).Qid, _client.GetAttributes(5).Qid);
        Assert.Equal(P9Error.NotPermitted, P9Client.ErrorOf(() => _client.AddName(Root, Root, "root")));
    }

    [Fact]
    public void Fifos_and_sockets_are_made_devices_are_not_and_none_is_opened()
    {
        _client.MakeNode(Root, "fifo", 0x1000 | 0x1a4);
        _client.MakeNode(Root, "socket", 0xc000 | 0x1a4);
        Assert.Equal(P9Error.NotPermitted, P9Client.ErrorOf(() => _client.MakeNode(Root, "device", 0x2000 | 0x1a4)));
        Assert.Equal(P9Error.NotPermitted, P9Client.ErrorOf(() => _client.MakeNode(Root, "device", 0x6000 | 0x1a4)));
        foreach (string name in (string[])["fifo", "socket"])
        {
            _client.Walk(Root, 1, name);
            Assert.Equal(P9Error.NotPermitted, P9Client.ErrorOf(() => _client.Open(1)));
            Assert.Equal(P9Error.NotPermitted, P9Client.ErrorOf(() => _client.Open(1, P9.ReadWrite)));
            _client.Clunk(1);
            _client.Walk(Root, 1);
            Assert.Equal(P9Error.NotPermitted, P9Client.ErrorOf(() => _client.Create(1, name)));
            _client.Clunk(1);
        }
    }

    [Theory]
    [InlineData(64 << 10)]
    [InlineData(600)]
    [InlineData(300)]
    public void A_folder_is_listed_whole_in_pieces_of_any_size(uint count)
    {
        string[] names = [.. Enumerable.Range(0, 500).Select(i => $"{new string('f', i % 200)}{i}")];
        foreach (string name in names)
        {
            File.WriteAllText(In($"sub/deep/{name}"), "");
        }

        _client.Walk(Root, 1, "sub", "deep");
        _client.Open(1);
        List<P9Entry> entries = _client.ReadFolder(1, count);
        Assert.Equal(names.Concat([".", ".."]).Order(), entries.Select(entry => entry.Name).Order());
        P9Entry first = entries.First(entry => entry.Name == names[0]);
        _client.Walk(1, 2, names[0]);
        Assert.Equal((_client.GetAttributes(2).Qid.Path, P9.FileQid), (first.Qid.Path, first.Qid.Type));
        Assert.Equal(entries.Count, _client.ReadFolder(1, count).Count);
        Assert.Equal(P9Error.Invalid, P9Client.ErrorOf(() => _client.ReadFolder(1, 10)));
        Assert.Equal(P9Error.IsAFolder, P9Client.ErrorOf(() => _client.Read(1, 0, 10)));
    }

    [Fact]
    public void What_the_folder_is_in_is_not_told()
    {
        _client.Walk(Root, 1);
        _client.Open(1);
        ulong root = _client.GetAttributes(Root).Qid.Path;
        Assert.All(_client.ReadFolder(1).Where(entry => entry.Name.StartsWith('.')), entry => Assert.Equal(root, entry.Qid.Path));
    }

    [Fact]
    public void Attributes_are_told_and_set()
    {
        _client.Walk(Root, 1, "sub", "hello");
        _client.SetAttributes(1, P9.SetMode, mode: Convert.ToUInt32("6750", 8));
        P9Attributes now = _client.GetAttributes(1);
        Assert.Equal((Regular | Convert.ToUInt32("750", 8), 0u, 0u, 5ul), (now.Mode, now.User, now.Group, now.Size));
        Assert.Equal(P9.BasicAttributes, now.Valid);
        _client.SetAttributes(
            1,
            P9.SetAccessed | P9.SetAccessedTo | P9.SetModified | P9.SetModifiedTo,
            accessed: 1_000_000_000,
            modified: 1_100_000_000);
        now = _client.GetAttributes(1);
        Assert.Equal((1_000_000_000ul, 1_100_000_000ul), (now.Accessed, now.Modified));
        _client.SetAttributes(1, P9.SetModified);
        Assert.True(_client.GetAttributes(1).Modified > 1_600_000_000);
        Assert.Equal(1_000_000_000ul, _client.GetAttributes(1).Accessed);
        Assert.NotEqual(now.Qid.Version, _client.GetAttributes(1).Qid.Version);
        Assert.Equal(P9Error.IsAFolder, P9Client.ErrorOf(() => _client.SetAttributes(Root, P9.SetSize)));
    }

    [Fact]
    public void All_is_the_guests_roots_and_nobody_elses()
    {
        _client.Walk(Root, 1, "sub", "hello");
        _client.SetAttributes(1, P9.SetUser | P9.SetGroup, user: 0, group: 0);
        Assert.Equal(P9Error.NotPermitted, P9Client.ErrorOf(() => _client.SetAttributes(1, P9.SetUser, user: 1000)));
        Assert.Equal(P9Error.NotPermitted, P9Client.ErrorOf(() => _client.SetAttributes(1, P9.SetGroup, group: 1000)));

        using FolderServer server = FolderServer.Open(_folder.Path, isReadOnly: false, SharedFolderOwners.Host);
        P9Client client = P9Client.Mount(server);
        client.Walk(0, 1, "sub", "hello");
        (uint user, uint group) = (client.GetAttributes(1).User, client.GetAttributes(1).Group);
        client.SetAttributes(1, P9.SetUser | P9.SetGroup, user: user, group: group);
        int error = P9Client.ErrorOf(() => client.SetAttributes(1, P9.SetUser, user: 12_345));
        Assert.Equal(error == 0 ? 12_345 : user, client.GetAttributes(1).User);
        Assert.True(error is 0 or P9Error.NotPermitted);
        Assert.Equal(0u, _client.GetAttributes(1).User);
    }

    [Fact]
    public void The_file_system_locks_and_what_is_not_supported_have_their_answers()
    {
        P9Reader reader = new(_client.Ask(P9Request.StatFs, new P9Message().Int(Root)));
        Assert.Equal(P9.FileSystemType, reader.Int());
        Assert.True(reader.Int() > 0 && reader.Long() > 0);

        _client.Walk(Root, 1, "sub", "hello");
        P9Message mine = new P9Message().Int(1).Byte(1).Int(0).Long(0).Long(0).Int(1).Text("guest");
        Assert.Equal(P9Error.BadDescriptor, P9Client.ErrorOf(() => _client.Ask(P9Request.Lock, mine)));
        _client.Open(1);
        Assert.Equal([P9.LockSuccess], _client.Ask(P9Request.Lock, mine).ToArray());
        Assert.Equal(
            P9.Unlocked,
            _client.Ask(P9Request.GetLock, new P9Message().Int(1).Byte(1).Long(3).Long(4).Int(1).Text("guest"))[0]);

        Assert.Empty(_client.Ask(P9Request.FlushRequest, new P9Message().Short(3)).ToArray());
        foreach (P9Request kind in (P9Request[])[P9Request.XattrWalk, P9Request.XattrCreate, P9Request.Authenticate, 0, (P9Request)255])
        {
            Assert.Equal(P9Error.NotSupported, P9Client.ErrorOf(() => _client.Ask(kind, new P9Message())));
        }
    }

    [Fact]
    public void A_message_that_is_too_short_too_long_or_says_so_is_refused()
    {
        foreach (P9Request kind in Enum.GetValues<P9Request>().Where(kind => kind is not (P9Request.ErrorAnswer or P9Request.Authenticate)))
        {
            int error = kind is P9Request.XattrWalk or P9Request.XattrCreate ? P9Error.NotSupported : P9Error.Protocol;
            Assert.Equal(error, P9Client.ErrorOf(() => _client.Ask(kind, new P9Message().Byte(1))));
            Assert.Equal(error, P9Client.ErrorOf(() => _client.Ask(kind, new P9Message().Bytes(new byte[4000]).Text("much"))));
        }

        byte[] message = new P9Message().Int(Root).Finish((byte)P9Request.StatFs, 1);
        message[0]++;
        Assert.Equal(P9Error.Protocol, P9Client.ErrorOf(() => _client.Ask(message)));
        Assert.Equal(P9Error.Protocol, P9Client.ErrorOf(() => _client.Walk(Root, 1, [.. Enumerable.Repeat("sub", 17)])));
        foreach (ushort count in (ushort[])[17, ushort.MaxValue])
        {
            Assert.Equal(
                P9Error.Protocol,
                P9Client.ErrorOf(() => _client.Ask(P9Request.Walk, new P9Message().Int(Root).Int(1).Short(count))));
        }
    }

    [Fact]
    public void A_reset_takes_all_away_and_what_was_disposed_of_answers_stale()
    {
        _client.Walk(Root, 1, "sub", "hello");
        _client.Open(1);
        _server.Reset();
        Assert.Equal((0, 0, 0), _server.Counts);
        Assert.Equal(P9Error.Protocol, P9Client.ErrorOf(() => _client.Attach(Root)));
        _client.Version();
        _client.Attach(Root);
        _server.Dispose();
        Assert.Equal(P9Error.Stale, P9Client.ErrorOf(() => _client.Attach(2)));
    }

    [Theory]
    [InlineData("nothing")]
    [InlineData("sub/hello")]
    public void What_is_no_folder_cannot_be_shared(string path) =>
        Assert.Throws<IOException>(() => FolderServer.Open(In(path), isReadOnly: false, SharedFolderOwners.Root));

    private byte[] OpenAndRead(uint fid)
    {
        _client.Open(fid);
        return _client.Read(fid, 0, 1 << 16);
    }

    private string In(string path) => _folder.In(path);

    private string[] Names() => [.. AllNames().Where(name => !name.Contains('/', StringComparison.Ordinal))];

    private string[] AllNames() =>
        [.. Directory.EnumerateFileSystemEntries(_folder.Path, "*", SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(_folder.Path, path)).Order(StringComparer.Ordinal)];
}
