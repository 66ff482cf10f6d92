namespace PsVm;

/// <summary>What agents in guests do for the host: QEMU's, or the one that PsVm brings.</summary>
/// <remarks>
/// <para>
/// Nothing here believes a guest: answers are bounded, and one that does not answer in time, writes what makes no sense or too much ends
/// the session with an error (<c>GuestAgentSilent</c>, <c>GuestAgentGarbled</c>, <c>GuestAgentFlooded</c>); the next request begins another
/// one.
/// </para>
/// <para>
/// All methods throw <see cref="GuestException"/> where there is no agent (<c>GuestAgentMissing</c>), it goes meanwhile
/// (<c>GuestAgentGone</c>), or it refuses (<c>GuestAgentRefused</c>), and where the guest is suspended or has stopped
/// (<c>GuestSuspended</c>, <c>GuestStopped</c>).
/// </para>
/// </remarks>
public interface IGuestAgents
{
    /// <summary>Runs a program, and waits for its end.</summary>
    /// <param name="guest">The guest.</param>
    /// <param name="command">The program.</param>
    /// <param name="progress">
    /// Told of each piece of output as it comes, in order, where the agent gives it so; else at the end. Null: no one asks.
    /// </param>
    /// <param name="cancellation">Ends the program.</param>
    /// <exception cref="GuestException">
    /// It ran for too long and was ended (<c>GuestCommandTimeout</c>), or has too much input (<c>GuestCommandInputTooLong</c>).
    /// </exception>
    Task<GuestCommandResult> RunAsync(
        GuestReference guest, GuestCommand command, Action<GuestCommandOutput>? progress = null, CancellationToken cancellation = default);

    /// <summary>Copies a file of the host into a guest; an existing one is replaced.</summary>
    /// <param name="guest">The guest.</param>
    /// <param name="hostPath">The host's file.</param>
    /// <param name="guestPath">The guest's file.</param>
    /// <param name="cancellation">Gives up; the guest's file holds a part then.</param>
    /// <returns>Bytes that were copied.</returns>
    /// <exception cref="GuestException">The host's file cannot be read (<c>GuestCopyFailed</c>).</exception>
    Task<long> CopyToAsync(GuestReference guest, string hostPath, string guestPath, CancellationToken cancellation = default);

    /// <summary>Copies a file of a guest to the host; an existing one is replaced once all of it is there.</summary>
    /// <param name="guest">The guest.</param>
    /// <param name="guestPath">The guest's file.</param>
    /// <param name="hostPath">The host's file.</param>
    /// <param name="most">Most bytes of it: a guest may have files without end.</param>
    /// <param name="cancellation">Gives up; the host's file is as it was.</param>
    /// <returns>Bytes that were copied.</returns>
    /// <exception cref="GuestException">The host's file cannot be written, or the guest's is longer (<c>GuestCopyFailed</c>).</exception>
    Task<long> CopyFromAsync(GuestReference guest, string guestPath, string hostPath, long most, CancellationToken cancellation = default);

    /// <summary>
    /// Copies a folder of the host with all that is in it into a guest, beside what is in the guest's folder of that path.
    /// </summary>
    /// <param name="guest">The guest, which has tar.</param>
    /// <param name="hostPath">The host's folder. Links in it are copied as links.</param>
    /// <param name="guestPath">The guest's folder, which is made where it is not there.</param>
    /// <param name="cancellation">Gives up; a part is in the guest then.</param>
    /// <exception cref="GuestException">
    /// The host's folder cannot be read, or the guest cannot write it (<c>GuestCopyFailed</c>).
    /// </exception>
    Task<GuestFolderCopy> CopyFolderToAsync(
        GuestReference guest, string hostPath, string guestPath, CancellationToken cancellation = default);

    /// <summary>Copies a folder of a guest with all that is in it to the host; a file of the guest does as well.</summary>
    /// <param name="guest">The guest, which has find and, for links, tar.</param>
    /// <param name="guestPath">The guest's folder. Links in it are copied as links, wherever they lead.</param>
    /// <param name="hostPath">
    /// The host's folder, which is made where it is not there. Nothing is written outside of it, whatever is in it or the guest answers.
    /// </param>
    /// <param name="most">Most bytes of all files.</param>
    /// <param name="cancellation">Gives up; whole files are on the host then, but not all.</param>
    /// <exception cref="GuestException">
    /// The host's folder cannot be written, or the guest's is none, is too large, or lists what no folder has (<c>GuestCopyFailed</c>).
    /// </exception>
    Task<GuestFolderCopy> CopyFolderFromAsync(
        GuestReference guest, string guestPath, string hostPath, long most, CancellationToken cancellation = default);

    /// <summary>The guest's network interfaces, with their addresses.</summary>
    Task<IReadOnlyList<GuestNetworkInterface>> GetNetworkAsync(GuestReference guest, CancellationToken cancellation = default);

    /// <summary>
    /// Waits until a guest's agent answers. One that is not there, or is silent, may come yet; one that gives its guest an identity is
    /// waited for.
    /// </summary>
    /// <param name="guest">The guest; over its reboots.</param>
    /// <param name="timeout">How long at most, or <see cref="Timeout.InfiniteTimeSpan"/>.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>False: it has not, or the guest has ended.</returns>
    Task<bool> WaitAsync(GuestReference guest, TimeSpan timeout, CancellationToken cancellation = default);

    /// <summary>
    /// Waits until a guest has an address, by what its agent says: none of its loopback interface's, nor of a link alone.
    /// </summary>
    /// <inheritdoc cref="WaitAsync"/>
    /// <exception cref="GuestException">Its agent does not tell of addresses (<c>GuestAgentRefused</c>).</exception>
    Task<bool> WaitForAddressAsync(GuestReference guest, TimeSpan timeout, CancellationToken cancellation = default);

    /// <summary>Throws what would be wrong with asking a guest's agent now, as far as that can be known without asking it.</summary>
    void Check(GuestReference guest);
}
