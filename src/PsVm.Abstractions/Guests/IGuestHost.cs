namespace PsVm;

/// <summary>Owns guests: names, life cycle, consoles. Guests are spoken of by reference; nothing here is a pointer or a lock.</summary>
/// <remarks>
/// Methods that take a guest throw <see cref="GuestException"/> with id <c>GuestNotFound</c> when there is none of that name, or when the
/// reference means a certain guest that is no more. What may wait can be cancelled.
/// </remarks>
public interface IGuestHost
{
    /// <summary>Names of the machine types that guests can be of, an alias of the newest first.</summary>
    IReadOnlyList<string> MachineTypes { get; }

    /// <summary>Puts a guest together and starts it; returns once it runs.</summary>
    /// <exception cref="GuestException">The guest cannot be put together; nothing is left behind.</exception>
    /// <exception cref="MemoryBackendException">Its default RAM cannot be had.</exception>
    GuestInfo Start(GuestOptions options, CancellationToken cancellation);

    /// <summary>All guests, in the order of their start.</summary>
    IReadOnlyList<GuestInfo> List(CancellationToken cancellation = default);

    /// <summary>A guest as it is now.</summary>
    GuestInfo Get(GuestReference guest, CancellationToken cancellation = default);

    /// <summary>What a guest costs and does.</summary>
    /// <param name="guest">The guest.</param>
    /// <param name="detailed">
    /// Each backend's accounting too, which makes the kernel visit all mappings of the process: 0.1 s with 1,000 guests.
    /// </param>
    /// <param name="cancellation">Gives up.</param>
    GuestMeasurement Measure(GuestReference guest, bool detailed, CancellationToken cancellation = default);

    /// <summary>What several guests cost and do, in their order; the mappings of the process are visited once for all.</summary>
    /// <param name="guests">The guests.</param>
    /// <param name="detailed">See <see cref="Measure(GuestReference, bool, CancellationToken)"/>.</param>
    /// <param name="cancellation">Gives up.</param>
    IReadOnlyList<GuestMeasurement> Measure(IReadOnlyList<GuestReference> guests, bool detailed, CancellationToken cancellation = default);

    /// <summary>Holds the harts; returns once none runs. A guest that is being checkpointed stays held afterwards.</summary>
    /// <remarks>Given up, the guest is as it was.</remarks>
    void Suspend(GuestReference guest, CancellationToken cancellation = default);

    /// <summary>Lets the harts go on; after its checkpoint, when one is under way.</summary>
    void Resume(GuestReference guest, CancellationToken cancellation = default);

    /// <summary>Powers the guest off at once; returns once no hart runs. Does nothing when it is stopped.</summary>
    /// <remarks>
    /// A guest that has stopped or failed, for whatever reason, has released its backends. A checkpoint that is under way is given up. Who
    /// gives up waiting does not keep the guest from stopping.
    /// </remarks>
    void Stop(GuestReference guest, CancellationToken cancellation = default);

    /// <summary>Makes a template of a guest that runs or is suspended; it is held meanwhile, and then goes on as it was.</summary>
    /// <remarks>With <see cref="CheckpointOptions.UseRamFile"/> it is stopped instead.</remarks>
    /// <param name="guest">The guest.</param>
    /// <param name="options">What is asked for.</param>
    /// <param name="progress">Told how much of the RAM is written, from 0 to 1; null: no one asks. Called on any thread.</param>
    /// <param name="cancellation">Gives up and leaves no template.</param>
    /// <exception cref="GuestException">There is no template, or still the old one, and the guest is as it was.</exception>
    GuestTemplate Checkpoint(GuestReference guest, CheckpointOptions options, IProgress<double>? progress, CancellationToken cancellation);

    /// <summary>Forgets a stopped guest, its console included.</summary>
    void Remove(GuestReference guest, CancellationToken cancellation = default);

    /// <summary>Waits until the text appears on the console, in what its bounded buffer holds or in what follows.</summary>
    /// <returns>False when the time ran out or the guest stopped first.</returns>
    bool WaitForText(GuestReference guest, string text, TimeSpan timeout, CancellationToken cancellation);

    /// <summary>Waits for a state.</summary>
    /// <returns>False when the time ran out, or the guest ended in another state.</returns>
    bool WaitForState(GuestReference guest, GuestState state, TimeSpan timeout, CancellationToken cancellation);

    /// <summary>Console output from a position on (characters since the start).</summary>
    ConsoleText ReadConsole(GuestReference guest, long position, CancellationToken cancellation = default);

    /// <summary>Types text on the guest's console.</summary>
    void WriteConsole(GuestReference guest, string text, CancellationToken cancellation = default);

    /// <summary>What happened from a position on (events since the host began); the log is bounded.</summary>
    /// <param name="position">Where the last reading ended; <see cref="long.MaxValue"/>: from now on.</param>
    /// <param name="cancellation">Gives up.</param>
    HostEvents ReadEvents(long position, CancellationToken cancellation = default);
}

/// <summary>A piece of console output.</summary>
/// <param name="Text">The text.</param>
/// <param name="NextPosition">Where to go on reading.</param>
/// <param name="Lost">Characters between the asked position and the text that the bounded buffer no longer holds.</param>
public sealed record ConsoleText(string Text, long NextPosition, long Lost);
