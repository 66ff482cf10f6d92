using PsVm.Machine.Devices.Folders;
using PsVm.Machine.State;

namespace PsVm.Machine.Tests.Devices.Folders;

/// <summary>What a guest is answered of a folder that it was not given, and how what is open is written down.</summary>
public sealed class AbsentFolderTests
{
    [Fact]
    public void It_agrees_on_a_version_refuses_to_be_mounted_and_is_stale()
    {
        using AbsentFolder folder = new();
        Assert.Equal(
            [21, 0, 0, 0, 101, 1, 0, 0, 16, 0, 0, 8, 0, .. "9P2000.L"u8],
            Ask(folder, [21, 0, 0, 0, 100, 1, 0, 0, 16, 0, 0, 8, 0, .. "9P2000.L"u8]));
        Assert.Equal([11, 0, 0, 0, 7, 2, 0, 5, 0, 0, 0], Ask(folder, [7, 0, 0, 0, 104, 2, 0]));
        Assert.Equal([11, 0, 0, 0, 7, 3, 0, 116, 0, 0, 0], Ask(folder, [7, 0, 0, 0, 110, 3, 0]));
        Assert.Equal([7, 0, 0, 0, 109, 4, 0], Ask(folder, [9, 0, 0, 0, 108, 4, 0, 9, 0]));
        Assert.Equal([7, 0, 0, 0, 121, 5, 0], Ask(folder, [11, 0, 0, 0, 120, 5, 0, 9, 0, 0, 0]));
        Assert.Equal([11, 0, 0, 0, 7, 6, 0, 116, 0, 0, 0], Ask(folder, [7, 0, 0, 0, 120, 6, 0])); // cut short
        Assert.Equal([11, 0, 0, 0, 7, 7, 0, 116, 0, 0, 0], Ask(folder, [7, 0, 0, 0, 100, 7, 0]));
        Assert.Equal(0, folder.Answer([1, 2], new byte[64]));
        Assert.Equal(0, folder.Answer(new byte[64], new byte[10]));
    }

    [Fact]
    public void What_is_open_stays_for_a_folder_that_is_given_later()
    {
        FolderState saved = new() { MessageSize = 8192 };
        saved.Names.Add(new SavedName(0, [.. "a"u8], 0x80, 17, 0));
        saved.Names.Add(new SavedName(1, [.. "b"u8], 0, 18, 400));
        saved.Fids.Add(new SavedFid(1, 0, false, 0));
        saved.Fids.Add(new SavedFid(2, 2, true, 0x8002));
        saved.Fids.Add(new SavedFid(3, SavedFid.Gone, true, 0));
        byte[] bytes = Write(saved);

        using AbsentFolder folder = new();
        folder.Transfer(new StateStream(bytes));
        Assert.Equal(bytes, Written(folder));
        Ask(folder, [11, 0, 0, 0, 120, 5, 0, 2, 0, 0, 0]);
        FolderState found = new();
        found.Transfer(new StateStream(Written(folder)));
        Assert.Equal([1u, 3u], found.Fids.Select(fid => fid.Number));
        Assert.Equal(8192u, found.MessageSize);
        folder.Reset();
        Assert.Equal(Write(new FolderState()), Written(folder));
    }

    public static TheoryData<string> BadNames => ["", ".", "..", "a/b", "a\0", new string('x', 256)];

    [Theory]
    [MemberData(nameof(BadNames))]
    public void A_name_that_is_none_is_refused(string name) =>
        Refused(state => state.Names.Add(new SavedName(0, [.. System.Text.Encoding.UTF8.GetBytes(name)], 0, 1, 0)));

    [Fact]
    public void A_state_that_contradicts_itself_is_refused()
    {
        Refused(state => state.Names.Add(new SavedName(1, [.. "a"u8], 0, 1, 0))); // in itself
        Refused(state => state.Names.Add(new SavedName(-1, [.. "a"u8], 0, 1, 0)));
        Refused(state => state.Names.Add(new SavedName(0, [.. "a"u8], 0, 1, -1)));
        Refused(state => state.Fids.Add(new SavedFid(1, 1, false, 0)));
        Refused(state => state.Fids.AddRange([new SavedFid(1, 0, false, 0), new SavedFid(1, 0, false, 0)]));
        Assert.Throws<InvalidDataException>(
            () => new FolderState().Transfer(new StateStream(new byte[] { 0, 0, 0, 0, 255, 255, 255, 255 })));
    }

    private static void Refused(Action<FolderState> spoil)
    {
        FolderState state = new();
        spoil(state);
        Assert.Throws<InvalidDataException>(() => new FolderState().Transfer(new StateStream(Write(state))));
    }

    // As it stands, which what reads it back may refuse.
    private static byte[] Write(FolderState state)
    {
        StateStream stream = new();
        uint size = state.MessageSize;
        stream.Transfer(ref size);
        stream.TransferCount(state.Names.Count, 1);
        foreach (SavedName name in state.Names)
        {
            (uint parent, byte[] bytes, byte type, ulong identity, long told) =
                ((uint)name.Parent, name.Name, name.Type, name.Identity, name.ToldSize);
            stream.Transfer(ref parent);
            stream.Transfer(ref bytes);
            stream.Transfer(ref type);
            stream.Transfer(ref identity);
            stream.Transfer(ref told);
        }

        stream.TransferCount(state.Fids.Count, 1);
        foreach (SavedFid fid in state.Fids)
        {
            (uint number, uint name, bool isOpen, uint flags) = (fid.Number, (uint)fid.Name, fid.IsOpen, fid.Flags);
            stream.Transfer(ref number);
            stream.Transfer(ref name);
            stream.Transfer(ref isOpen);
            stream.Transfer(ref flags);
        }

        return stream.ToArray();
    }

    private static byte[] Written(AbsentFolder folder)
    {
        StateStream stream = new();
        folder.Transfer(stream);
        return stream.ToArray();
    }

    private static byte[] Ask(AbsentFolder folder, byte[] request)
    {
        byte[] answer = new byte[64];
        return answer[..folder.Answer(request, answer)];
    }
}
