using PsVm.Machine.State;

namespace PsVm.Machine.Devices.Folders;

/// <summary>
/// Answers what a guest asks of a shared folder, in the words of 9P2000.L. Safe from any thread: requests of one guest are answered side by
/// side, each on a thread that may wait for the host's file system.
/// </summary>
internal interface IFolderServer : IDisposable
{
    /// <summary>Bytes of the longest message that it agrees to.</summary>
    int MostMessage { get; }

    /// <summary>Answers a request. It believes nothing of it, and throws nothing.</summary>
    /// <param name="request">The whole message, as the guest gave it.</param>
    /// <param name="answer">Takes the answer; the request says how much it may be.</param>
    /// <returns>Bytes of the answer; at least those of an error, where there is room for one.</returns>
    int Answer(ReadOnlySpan<byte> request, Span<byte> answer);

    /// <summary>Forgets all that the guest has open: its driver was reset, or the guest goes on elsewhere.</summary>
    void Reset();

    /// <summary>
    /// Takes what the guest has open to a template, or from it in place of what it had (<see cref="FolderState"/>). Nothing of it is looked
    /// up by more than its path: what is another object there, or none, is stale to the guest.
    /// </summary>
    /// <exception cref="InvalidDataException">The stream does not hold that.</exception>
    void Transfer(StateStream state);
}
