using PsVm.Machine.State;

namespace PsVm.Machine.Devices.Folders;

/// <content>What the guest has open, in templates.</content>
internal sealed partial class FolderServer
{
    /// <inheritdoc/>
    public void Transfer(StateStream state)
    {
        FolderState saved = new() { MessageSize = (uint)Volatile.Read(ref _messageSize) };
        if (!state.IsReading)
        {
            _table.Save(saved);
            saved.Transfer(state);
            return;
        }

        saved.Transfer(state);
        if (saved.MessageSize != 0 && (saved.MessageSize < LeastMessage || saved.MessageSize > MostMessage))
        {
            throw new InvalidDataException(
                $"expected messages of {LeastMessage} to {MostMessage} bytes for a shared folder, found {saved.MessageSize}");
        }

        Reset();
        if (!_table.TryRestore(saved))
        {
            throw new InvalidDataException("expected no more fids of a shared folder than a guest may have");
        }

        Volatile.Write(ref _messageSize, (int)saved.MessageSize);
    }
}
