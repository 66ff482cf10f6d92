using System.Text;
using PsVm.Machine.Devices.Folders;
using PsVm.Machine.State;
using PsVm.Memory.Tests.Support;

namespace PsVm.Machine.Tests.Devices.Folders;

/// <summary>What a guest's kernel knows by itself, and what may be written, holds for what comes from a template, too.</summary>
public sealed class FolderStateTests : IDisposable
{
    private const uint Root = 0;

    private readonly TestFolder _folder = new();

    public FolderStateTests()
    {
        Directory.CreateDirectory(_folder.In("sub"));
        File.WriteAllText(_folder.In("sub/file"), "content");
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void How_long_the_guest_takes_a_file_to_be_goes_along()
    {
        using FolderServer first = Open(isReadOnly: false), second = Open(isReadOnly: false);
        P9Client client = P9Client.Mount(first, Root);
        client.Walk(Root, 1, "sub", "file");
        client.GetAttributes(1);
        client.Open(1);
        Move(first, second);
        using (FileStream file = File.OpenWrite(_folder.In("sub/file")))
        {
            file.SetLength(2);
        }

        client = new P9Client(second);
        Assert.Equal("co", Encoding.UTF8.GetString(client.Read(1, 0, 100)));
        Assert.Equal(P9Error.Stale, P9Client.ErrorOf(() => client.Read(1, 2, 100)));
        Assert.Equal(2ul, client.GetAttributes(1).Size);
        Assert.Empty(client.Read(1, 2, 100));
    }

    [Fact]
    public void What_was_open_for_writing_is_not_written_in_a_folder_that_is_read_only()
    {
        using FolderServer first = Open(isReadOnly: false), second = Open(isReadOnly: true);
        P9Client client = P9Client.Mount(first, Root);
        client.Walk(Root, 1, "sub", "file");
        client.Open(1, P9.ReadWrite | P9.Truncate);
        client.Write(1, 0, "written"u8);
        Move(first, second);

        client = new P9Client(second);
        Assert.Equal(P9Error.ReadOnly, P9Client.ErrorOf(() => client.Write(1, 0, "again"u8)));
        Assert.Equal(P9Error.ReadOnly, P9Client.ErrorOf(() => client.SetAttributes(1, P9.SetSize)));
        Assert.Equal("written", File.ReadAllText(_folder.In("sub/file")));
    }

    [Fact]
    public void Folders_that_are_deeper_in_each_other_than_a_stack_are_written_down_and_read()
    {
        const int walks = 6000;
        FolderState state = new();
        FidTable table = new(new FolderLimits(), 1), other = new(new FolderLimits(), 1);
        byte[] names = [.. Enumerable.Repeat<byte[]>([1, 0, (byte)'n'], P9.MostWalkNames).SelectMany(name => name)];
        Qid[] found = new Qid[P9.MostWalkNames];
        table.Attach(1);
        for (int i = 0; i < walks; i++)
        {
            for (int at = 0; at < found.Length; at++)
            {
                found[at] = new Qid(P9.FolderQid, 0, (ulong)((i * found.Length) + at + 2));
            }

            P9Reader reader = new(names);
            Assert.True(table.TryUse(1, out Fid? fid));
            Assert.Equal(0, table.Walk(1, fid, found, in reader));
            table.Release(fid);
        }

        Thread small = new(
            () =>
            {
                table.Save(state);
                Assert.True(other.TryRestore(state));
                table.Clear();
                other.Clear();
            },
            maxStackSize: 128 << 10);
        small.Start();
        small.Join();
        Assert.Equal((walks * found.Length, 1), (state.Names.Count, state.Fids.Count));
        Assert.Equal((0, 0, 0), table.Counts);
        Assert.Equal((0, 0, 0), other.Counts);
    }

    private static void Move(FolderServer from, FolderServer to)
    {
        StateStream stream = new();
        from.Transfer(stream);
        to.Transfer(new StateStream(stream.ToArray()));
    }

    private FolderServer Open(bool isReadOnly) => FolderServer.Open(_folder.Path, isReadOnly, SharedFolderOwners.Root);
}
