using System.Buffers.Binary;
using PsVm.Machine.State;

namespace PsVm.Machine.Devices.Folders;

/// <summary>
/// Stands for a folder that a template's guest had and nobody has given its clone: mounting it is an I/O error, and what was open is stale.
/// It keeps what was open, for a folder that is given later.
/// </summary>
internal sealed class AbsentFolder : IFolderServer
{
    private readonly Lock _gate = new();
    private FolderState _state = new();

    /// <inheritdoc/>
    public int MostMessage => 512 << 10;

    private static int VersionSize => P9.HeaderSize + 4 + 2;

    /// <inheritdoc/>
    public int Answer(ReadOnlySpan<byte> request, Span<byte> answer)
    {
        if (request.Length < P9.HeaderSize || answer.Length < P9.ErrorSize)
        {
            return 0;
        }

        ushort tag = BinaryPrimitives.ReadUInt16LittleEndian(request[5..]);
        switch ((P9Request)request[4])
        {
            case P9Request.Version when request.Length >= VersionSize && answer.Length >= VersionSize + P9.Version.Length:
                return AgreeOn(BinaryPrimitives.ReadUInt32LittleEndian(request[P9.HeaderSize..]), tag, answer);
            case P9Request.FlushRequest:
                return Finish(answer, P9.HeaderSize, P9Request.FlushRequest + 1, tag);
            case P9Request.Clunk when request.Length >= P9.HeaderSize + 4:
                uint number = BinaryPrimitives.ReadUInt32LittleEndian(request[P9.HeaderSize..]);
                lock (_gate)
                {
                    _state.Fids.RemoveAll(fid => fid.Number == number);
                }

                return Finish(answer, P9.HeaderSize, P9Request.Clunk + 1, tag);
            default:
                BinaryPrimitives.WriteUInt32LittleEndian(
                    answer[P9.HeaderSize..], (P9Request)request[4] == P9Request.Attach ? (uint)P9Error.InputOutput : (uint)P9Error.Stale);
                return Finish(answer, P9.HeaderSize + 4, P9Request.ErrorAnswer, tag);
        }
    }

    /// <inheritdoc/>
    public void Reset()
    {
        lock (_gate)
        {
            _state = new FolderState();
        }
    }

    /// <inheritdoc/>
    public void Transfer(StateStream state)
    {
        lock (_gate)
        {
            _state.Transfer(state);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private int AgreeOn(uint messageSize, ushort tag, Span<byte> answer)
    {
        lock (_gate)
        {
            _state = new FolderState { MessageSize = Math.Min(messageSize, (uint)MostMessage) };
            BinaryPrimitives.WriteUInt32LittleEndian(answer[P9.HeaderSize..], _state.MessageSize);
        }

        BinaryPrimitives.WriteUInt16LittleEndian(answer[(P9.HeaderSize + 4)..], (ushort)P9.Version.Length);
        P9.Version.CopyTo(answer[VersionSize..]);
        return Finish(answer, VersionSize + P9.Version.Length, P9Request.Version + 1, tag);
    }

    private static int Finish(Span<byte> answer, int length, P9Request type, ushort tag)
    {
        BinaryPrimitives.WriteInt32LittleEndian(answer, length);
        answer[4] = (byte)type;
        BinaryPrimitives.WriteUInt16LittleEndian(answer[5..], tag);
        return length;
    }
}
