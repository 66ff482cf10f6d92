using PsVm.Machine.State;

namespace PsVm.Machine.Devices.Folders;

/// <summary>
/// What a guest has open of a shared folder, as templates have it: what its driver agreed on, names, and fids of them. Where they lead is
/// looked up anew by whoever goes on with it.
/// </summary>
internal sealed class FolderState
{
    /// <summary>The most names and fids of a guest, and bytes of a name.</summary>
    public const int MostNames = 262_144, MostFids = 262_144, MostName = 255;

    private const int NameSize = 4 + 4 + 1 + 8 + 8, FidSize = 4 + 4 + 1 + 4;

    private uint _messageSize;

    /// <summary>Bytes of the longest message that driver and server agreed on; 0: they have not.</summary>
    public uint MessageSize
    {
        get => _messageSize;
        set => _messageSize = value;
    }

    /// <summary>Names below the folder, each behind the one of what it is in.</summary>
    public List<SavedName> Names { get; } = [];

    /// <summary>What is open.</summary>
    public List<SavedFid> Fids { get; } = [];

    /// <summary>Takes it to a template, or from it.</summary>
    /// <exception cref="InvalidDataException">The stream does not hold that.</exception>
    public void Transfer(StateStream state)
    {
        state.Transfer(ref _messageSize);
        Transfer(state, Names, NameSize, MostNames, "names", (name, place) => Transfer(state, name, place));
        Transfer(state, Fids, FidSize, MostFids, "fids", (fid, _) => Transfer(state, fid, Names.Count));
        if (Fids.DistinctBy(fid => fid.Number).Count() != Fids.Count)
        {
            throw new InvalidDataException("expected each fid of a folder once");
        }
    }

    private static void Transfer<T>(StateStream state, List<T> items, int size, int most, string what, Func<T, int, T> transfer)
        where T : struct
    {
        int count = state.TransferCount(items.Count, size);
        if (count > most)
        {
            throw new InvalidDataException($"expected at most {most} {what} of a folder, found {count}");
        }

        if (!state.IsReading)
        {
            for (int i = 0; i < count; i++)
            {
                transfer(items[i], i);
            }

            return;
        }

        items.Clear();
        for (int i = 0; i < count; i++)
        {
            items.Add(transfer(default, i));
        }
    }

    private static SavedName Transfer(StateStream state, SavedName name, int place)
    {
        (int parent, byte[]? bytes, byte type, ulong identity, long toldSize) = name;
        uint above = (uint)parent;
        bytes ??= [];
        state.Transfer(ref above);
        state.Transfer(ref bytes);
        state.Transfer(ref type);
        state.Transfer(ref identity);
        state.Transfer(ref toldSize);
        bool isName = bytes.Length is > 0 and <= MostName && !bytes.AsSpan().ContainsAny((byte)0, (byte)'/')
            && !bytes.AsSpan().SequenceEqual("."u8) && !bytes.AsSpan().SequenceEqual(".."u8);
        return isName && above <= (uint)place && toldSize >= 0
            ? new SavedName((int)above, bytes, type, identity, toldSize)
            : throw new InvalidDataException($"expected a name of a folder and what it is in, found something else as number {place + 1}");
    }

    private static SavedFid Transfer(StateStream state, SavedFid fid, int names)
    {
        (uint number, int place, bool isOpen, uint flags) = fid;
        uint of = (uint)place;
        state.Transfer(ref number);
        state.Transfer(ref of);
        state.Transfer(ref isOpen);
        state.Transfer(ref flags);
        return of <= (uint)names || (int)of == SavedFid.Gone
            ? new SavedFid(number, (int)of, isOpen, flags)
            : throw new InvalidDataException($"expected fid {number} of a folder to be one of {names} names, found {of}");
    }
}

/// <summary>A name that a guest knows of a shared folder.</summary>
/// <param name="Parent">What it is in: a number of <see cref="FolderState.Names"/> from 1 on; 0: the folder.</param>
/// <param name="Name">The name.</param>
/// <param name="Type">What it is (<c>qid.type</c>).</param>
/// <param name="Identity">Which object it is (<c>qid.path</c>).</param>
/// <param name="ToldSize">The size that the guest takes it to have.</param>
internal readonly record struct SavedName(int Parent, byte[] Name, byte Type, ulong Identity, long ToldSize);

/// <summary>Something that a guest has open of a shared folder.</summary>
/// <param name="Number">What the guest knows it by.</param>
/// <param name="Name">
/// Which name: a number of <see cref="FolderState.Names"/> from 1 on; 0: the folder; <see cref="Gone"/>: none any more.
/// </param>
/// <param name="IsOpen">It is open for input and output.</param>
/// <param name="Flags">How (<c>Tlopen</c>).</param>
internal readonly record struct SavedFid(uint Number, int Name, bool IsOpen, uint Flags)
{
    /// <summary>What it is of has no name any more.</summary>
    public const int Gone = -1;
}
