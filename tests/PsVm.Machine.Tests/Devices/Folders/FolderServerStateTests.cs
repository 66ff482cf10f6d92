using PsVm.Machine.Devices.Folders;
using PsVm.Machine.State;
using PsVm.Memory.Tests.Support;

namespace PsVm.Machine.Tests.Devices.Folders;

/// <summary>What a guest has open of a folder goes on in a clone: the same objects, and nothing else.</summary>
public sealed class FolderServerStateTests : IDisposable
{
    private const uint Root = 0;

    private readonly TestFolder _folder = new();
    private readonly TestFolder _other = new();
    private readonly FolderServer _server;
    private readonly P9Client _client;

    public FolderServerStateTests()
    {
        Directory.CreateDirectory(In("sub/deep"));
        File.WriteAllText(In("sub/deep/f"), "content");
        File.WriteAllText(In("gone"), "gone");
        _server = FolderServer.Open(_folder.Path, isReadOnly: false, SharedFolderOwners.Host);
        _client = P9Client.Mount(_server, Root, messageSize: 8192);
        _client.Walk(Root, 1, "sub", "deep", "f");
        _client.Open(1, P9.ReadWrite);
        _client.Walk(Root, 2, "sub");
        _client.Walk(Root, 3, "gone");
        _client.Open(3);
        _client.Unlink(Root, "gone");
    }

    public void Dispose()
    {
        _server.Dispose();
        _folder.Dispose();
        _other.Dispose();
    }

    [Fact]
    public void What_is_open_goes_on_and_what_has_no_name_is_stale()
    {
        using FolderServer clone = Restored(_folder.Path);
        P9Client client = new(clone);

        Assert.Equal("content"u8.ToArray(), client.Read(1, 0, 100));
        client.Write(1, 7, "!"u8);
        Assert.Equal("content!", File.ReadAllText(In("sub/deep/f")));
        Assert.Equal(P9Error.Stale, P9Client.ErrorOf(() => client.Read(3, 0, 100)));
        Assert.Single(client.Walk(2, 4, "deep"));
        Assert.Equal(P9Error.MessageSize, P9Client.ErrorOf(() => client.Write(1, 0, new byte[9000]))); // as was agreed on
        client.Clunk(3);
        client.Clunk(1);
        client.Walk(Root, 1, "sub");

        // Who was written down goes on as before.
        Assert.Equal("content!"u8.ToArray(), _client.Read(1, 0, 100));
        Assert.Equal("gone"u8.ToArray(), _client.Read(3, 0, 100));
    }

    [Fact]
    public void It_is_the_same_when_it_is_written_down_again()
    {
        using FolderServer clone = Restored(_folder.Path);
        Assert.Equal(Saved(_server), Saved(clone));
        clone.Transfer(new StateStream(Saved(_server)));
        Assert.Equal(Saved(_server), Saved(clone));
        clone.Transfer(new StateStream(Saved(new AbsentFolder())));
        Assert.Equal((0, 0, 0), clone.Counts);
    }

    [Fact]
    public void In_another_folder_the_folder_itself_goes_on_and_all_else_is_stale()
    {
        Directory.CreateDirectory(Path.Combine(_other.Path, "sub/deep"));
        File.WriteAllText(Path.Combine(_other.Path, "sub/deep/f"), "another");
        using FolderServer clone = Restored(_other.Path);
        P9Client client = new(clone);

        Assert.Equal(P9Error.Stale, P9Client.ErrorOf(() => client.Read(1, 0, 100)));
        Assert.NotEqual(0, P9Client.ErrorOf(() => client.GetAttributes(2)));
        Assert.Equal(P9.FolderQid, client.GetAttributes(Root).Qid.Type);
        client.Walk(Root, 5, "sub", "deep", "f");
        client.Open(5);
        Assert.Equal("another"u8.ToArray(), client.Read(5, 0, 100));
        Assert.Equal(P9Error.Stale, P9Client.ErrorOf(() => client.Read(1, 0, 100)));
    }

    [Fact]
    public void More_than_a_guest_may_have_and_messages_that_none_agrees_to_are_refused()
    {
        using FolderServer small = FolderServer.Open(
            _folder.Path, isReadOnly: false, SharedFolderOwners.Host, new FolderLimits(MostFids: 3));
        Assert.Throws<InvalidDataException>(() => small.Transfer(new StateStream(Saved(_server))));
        Assert.Equal((0, 0, 0), small.Counts);
        using FolderServer narrow = FolderServer.Open(
            _folder.Path, isReadOnly: false, SharedFolderOwners.Host, new FolderLimits(MostNames: 2));
        Assert.Throws<InvalidDataException>(() => narrow.Transfer(new StateStream(Saved(_server))));
        Assert.Equal((0, 0, 0), narrow.Counts);

        byte[] state = Saved(_server);
        BitConverter.TryWriteBytes(state, 100);
        Assert.Throws<InvalidDataException>(() => _server.Transfer(new StateStream(state)));
        Assert.Equal("content"u8.ToArray(), _client.Read(1, 0, 100));
    }

    private string In(string name) => Path.Combine(_folder.Path, name);

    private FolderServer Restored(string path)
    {
        FolderServer clone = FolderServer.Open(path, isReadOnly: false, SharedFolderOwners.Host);
        StateStream state = new(Saved(_server));
        clone.Transfer(state);
        state.End();
        return clone;
    }

    private static byte[] Saved(IFolderServer server)
    {
        StateStream stream = new();
        server.Transfer(stream);
        return stream.ToArray();
    }
}
