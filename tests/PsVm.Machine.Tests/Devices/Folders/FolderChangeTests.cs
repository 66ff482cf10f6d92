using System.Text;
using Mono.Unix.Native;
using PsVm.Machine.Devices.Folders;
using PsVm.Memory.Tests.Support;

namespace PsVm.Machine.Tests.Devices.Folders;

/// <summary>The host changes a folder that is shared, several guests' threads use it at once, and there is less than they want.</summary>
[Collection(HostCollection.Name)]
public sealed class FolderChangeTests : IDisposable
{
    private const uint Root = 0;
    private const int NoSpace = 28;

    private readonly TestFolder _folder = new();
    private readonly FolderServer _server;
    private readonly P9Client _client;

    public FolderChangeTests()
    {
        Directory.CreateDirectory(In("sub"));
        File.WriteAllText(In("sub/file"), "0123456789");
        _server = Open(new FolderLimits(MostFids: 64, MostNames: 100, MostDescriptors: 4));
        _client = P9Client.Mount(_server, Root);
    }

    public void Dispose()
    {
        _server.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void A_file_that_the_host_has_made_shorter_is_stale_until_the_guest_asks_how_long_it_is()
    {
        _client.Walk(Root, 1, "sub", "file");
        _client.Walk(Root, 2, "sub");
        _client.AddName(2, 1, "second");
        Assert.Equal(10ul, _client.GetAttributes(1).Size);
        _client.Walk(Root, 3, "sub", "second");
        _client.Open(3, P9.ReadWrite);
        Truncate("sub/file", 4);

        Assert.Equal("0123", Text(_client.Read(3, 0, 100)));
        Assert.Equal(P9Error.Stale, P9Client.ErrorOf(() => _client.Read(3, 4, 100)));
        Assert.Equal(P9Error.Stale, P9Client.ErrorOf(() => _client.Read(3, 9, 1)));
        Assert.Empty(_client.Read(3, 10, 1));
        Assert.Empty(_client.Read(3, 4, 0));
        Assert.Equal(4ul, _client.GetAttributes(1).Size);
        Assert.Empty(_client.Read(3, 4, 100));

        // What the guest itself does it knows.
        _client.Write(3, 4, "abcdef"u8);
        Truncate("sub/file", 0);
        Assert.Equal(P9Error.Stale, P9Client.ErrorOf(() => _client.Read(3, 0, 100)));
        _client.SetAttributes(3, P9.SetSize, size: 3);
        Assert.Equal(3, _client.Read(3, 0, 100).Length);
        Assert.Empty(_client.Read(3, 3, 100));
    }

    [Fact]
    public void Another_object_under_the_name_is_stale_and_a_new_look_finds_it()
    {
        _client.Walk(Root, 1, "sub", "file");
        _client.Walk(Root, 2, "sub");
        _client.Walk(Root, 3, "sub", "file");
        _client.Open(3);
        Directory.Move(In("sub"), In("was"));
        Directory.CreateDirectory(In("sub"));
        File.WriteAllText(In("sub/file"), "new");

        Assert.Equal("0123456789", Text(_client.Read(3, 0, 100)));
        Assert.Equal(10ul, _client.GetAttributes(1).Size); // by what is open
        _client.Clunk(3);
        Assert.Equal(P9Error.Stale, P9Client.ErrorOf(() => _client.Open(1)));
        Assert.Equal(P9Error.Stale, P9Client.ErrorOf(() => _client.SetAttributes(1, P9.SetSize)));
        Assert.Equal(P9Error.Stale, P9Client.ErrorOf(() => _client.Remove(1)));
        Assert.Equal(P9Error.Stale, P9Client.ErrorOf(() => _client.Open(2)));
        Assert.Equal(P9Error.Stale, P9Client.ErrorOf(() => _client.Unlink(2, "file")));
        Assert.Equal(P9Error.NotFound, P9Client.ErrorOf(() => _client.GetAttributes(2))); // which has Linux look it up anew
        Assert.Equal("new", _client.ReadText(Root, 4, "sub", "file"));
        Assert.Equal("0123456789", File.ReadAllText(In("was/file")));
    }

    [Fact]
    public void A_folder_that_is_removed_while_it_is_shared_has_nothing_in_it()
    {
        _client.Walk(Root, 1, "sub", "file");
        _client.Walk(1, 2);
        _client.Open(2);
        Directory.Delete(In("sub"), recursive: true);
        Directory.Delete(_folder.Path);

        Assert.Equal(P9Error.NotFound, P9Client.ErrorOf(() => _client.Walk(Root, 3, "sub")));
        Assert.Equal(P9Error.NotFound, P9Client.ErrorOf(() => _client.MakeFolder(Root, "sub")));
        Assert.Equal(P9.FolderQid, _client.GetAttributes(Root).Qid.Type);
        Assert.Equal("0123456789", Text(_client.Read(2, 0, 100)));
        _client.Open(Root);
        Assert.Equal(P9Error.NotFound, P9Client.ErrorOf(() => _client.ReadFolder(Root)));

        // Whoever has its name afterwards is not it.
        Directory.CreateDirectory(In("sub"));
        Assert.Equal(P9Error.NotFound, P9Client.ErrorOf(() => _client.Walk(Root, 3, "sub")));
    }

    [SkippableFact]
    public void A_full_file_system_is_an_error_of_the_guest()
    {
        using Mounted mount = Host.Mount(_folder, "tmpfs", "size=64k");
        using FolderServer server = FolderServer.Open(mount.Path, isReadOnly: false, SharedFolderOwners.Root);
        P9Client client = P9Client.Mount(server);
        client.Walk(0, 1);
        client.Create(1, "big");
        int written = (int)client.Write(1, 0, new byte[256 << 10]); // as much as there is room for
        Assert.InRange(written, 1, 64 << 10);
        Assert.Equal(NoSpace, P9Client.ErrorOf(() => client.Write(1, (ulong)written, new byte[4096])));
        client.Flush(1);
        Assert.Equal(written, client.Read(1, 0, 256 << 10).Length);
    }

    [Fact]
    public void Files_that_are_open_are_more_than_there_are_descriptors()
    {
        for (uint i = 1; i <= 20; i++)
        {
            _client.Walk(Root, i);
            _client.Create(i, $"file{i}");
            _client.Write(i, 0, Encoding.UTF8.GetBytes($"content of {i}"));
            Assert.InRange(_server.Counts.Descriptors, 1, 4);
        }

        // A name that is gone cannot be opened again, so its descriptor stays.
        _client.Unlink(Root, "file20");
        _client.Walk(Root, 21);
        _client.Open(21);
        for (uint i = 1; i <= 20; i++)
        {
            Assert.Equal($"content of {i}", Text(_client.Read(i, 0, 100)));
            Assert.InRange(_server.Counts.Descriptors, 1, 4);
        }

        Assert.Contains("file3", _client.ReadFolder(21).Select(entry => entry.Name));

        // What is another file by then, or none, is not read in its place.
        File.Move(In("file1"), In("other"));
        File.WriteAllText(In("file1"), "replaced");
        Assert.Equal(P9Error.Stale, P9Client.ErrorOf(() => _client.Read(1, 0, 100)));
        File.Delete(In("file2"));
        Assert.Equal(P9Error.Stale, P9Client.ErrorOf(() => _client.Read(2, 0, 100)));
        _client.Write(3, 0, "Content"u8);
        Assert.Equal("Content of 3", File.ReadAllText(In("file3")));
    }

    [SkippableFact]
    public void A_fifo_that_got_the_number_of_an_open_file_is_not_opened_in_its_place()
    {
        _client.Walk(Root, 1);
        ulong path = _client.Create(1, "first").Path;
        for (uint i = 2; i <= 6; i++)
        {
            _client.Walk(Root, i);
            _client.Create(i, $"file{i}"); // takes the first one's descriptor
        }

        File.Delete(In("first"));
        Assert.Equal(0, Syscall.mkfifo(In("first"), FilePermissions.DEFFILEMODE));
        _client.Walk(Root, 7, "first");
        Skip.IfNot(_client.GetAttributes(7).Qid.Path == path, "the file system gives numbers of removed files to no new ones");
        Assert.Equal(P9Error.NotPermitted, P9Client.ErrorOf(() => _client.Read(1, 0, 100)));
    }

    [Fact]
    public void There_are_no_more_descriptors_than_may_be_when_none_can_be_spared()
    {
        for (uint i = 1; i <= 4; i++)
        {
            _client.Walk(Root, i);
            _client.Create(i, "file");
            _client.Unlink(Root, "file");
        }

        _client.Walk(Root, 5);
        Assert.Equal(P9Error.TooManyFiles, P9Client.ErrorOf(() => _client.Open(5)));
        _client.Clunk(1);
        _client.Open(5);
    }

    [Fact]
    public void Fids_and_names_are_as_many_as_may_be()
    {
        uint fid = 1;
        for (; fid < 64; fid++)
        {
            _client.Walk(Root, fid);
        }

        Assert.Equal(P9Error.TooManyFiles, P9Client.ErrorOf(() => _client.Walk(Root, fid)));
        _client.Walk(1, 1, "sub"); // in place of another
        _client.Clunk(2);
        _client.Walk(Root, fid);
        for (uint i = 2; i < 64; i++)
        {
            P9Client.ErrorOf(() => _client.Clunk(i));
        }

        _client.Walk(Root, 2);
        for (int i = 0; i < 200 && _server.Counts.Names < 100; i++)
        {
            _client.MakeFolder(2, "n");
            _client.Walk(2, 2, "n");
        }

        _client.MakeFolder(2, "n");
        Assert.Equal(P9Error.NoMemory, P9Client.ErrorOf(() => _client.Walk(2, 3, "n")));
        Assert.Equal(100, _server.Counts.Names);
        _client.Clunk(2);
        _client.Clunk(1);
        Assert.Equal(0, _server.Counts.Names);
    }

    [Fact]
    public async Task Requests_on_the_same_fids_at_once_are_each_answered()
    {
        using FolderServer server = Open(new FolderLimits(MostDescriptors: 3));
        P9Client first = P9Client.Mount(server);
        await Task.WhenAll(Enumerable.Range(0, 4).Select(worker => Task.Run(() =>
        {
            P9Client client = new(server);
            Random random = new(worker);
            for (int i = 0; i < 1500; i++)
            {
                uint fid = (uint)random.Next(1, 8);
                switch (random.Next(7))
                {
                    case 0:
                        P9Client.ErrorOf(() => client.Walk(0, fid, "sub", "file"));
                        break;
                    case 1:
                        P9Client.ErrorOf(() => client.Open(fid));
                        break;
                    case 2 or 3:
                        P9Client.ErrorOf(() => Assert.Equal("0123456789", Text(client.Read(fid, 0, 100))));
                        break;
                    case 4:
                        P9Client.ErrorOf(() => client.RenameAt(0, "sub", 0, "sub"));
                        break;
                    case 5:
                        P9Client.ErrorOf(() => client.Walk(fid, fid, "..", "file"));
                        break;
                    default:
                        P9Client.ErrorOf(() => client.Clunk(fid));
                        break;
                }
            }
        })));

        Assert.InRange(server.Counts.Descriptors, 0, 3);
        first.Version();
        Assert.Equal((0, 0, 0), server.Counts);
    }

    private static string Text(byte[] bytes) => Encoding.UTF8.GetString(bytes);

    private FolderServer Open(FolderLimits limits) => FolderServer.Open(_folder.Path, isReadOnly: false, SharedFolderOwners.Root, limits);

    private void Truncate(string path, long size)
    {
        using FileStream file = File.OpenWrite(In(path));
        file.SetLength(size);
    }

    private string In(string path) => _folder.In(path);
}
