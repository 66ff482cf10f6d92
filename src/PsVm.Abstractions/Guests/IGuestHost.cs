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

    /// <summary>What a guest of a machine type has, in a line.</summary>
    /// <param name="machineType">One of <see cref="MachineTypes"/>; the text is empty for others.</param>
    string DescribeMachineType(string machineType);

    /// <summary>Pools of clones that wait to be taken.</summary>
    IGuestPools Pools { get; }

    /// <summary>What agents in guests do for the host.</summary>
    IGuestAgents Agents { get; }

    /// <inheritdoc cref="Start(GuestOptions, IProgress{StepProgress}?, CancellationToken)"/>
    GuestInfo Start(GuestOptions options, CancellationToken cancellation) => Start(options, null, cancellation);

    /// <summary>Puts a guest together and starts it; returns once it runs.</summary>
    /// <param name="options">What is asked for.</param>
    /// <param name="progress">
    /// Told of what is loaded, whenever some more of it is; null: no one asks. Called on any thread, by one at a time.
    /// </param>
    /// <param name="cancellation">Gives up; nothing is left behind.</param>
    /// <exception cref="GuestException">The guest cannot be put together; nothing is left behind.</exception>
    /// <exception cref="MemoryBackendException">Its default RAM cannot be had.</exception>
    GuestInfo Start(GuestOptions options, IProgress<StepProgress>? progress, CancellationToken cancellation);

    /// <summary>Finds out what would be wrong with a start, as far as that can be known without mapping RAM; nothing changes.</summary>
    /// <exception cref="GuestException">The guest could not be put together.</exception>
    /// <exception cref="MemoryBackendException">Its RAM could not be had.</exception>
    void CheckStart(GuestOptions options, CancellationToken cancellation = default);

    /// <summary>
    /// Finds out whether the host has, for several clones of a template at once, what the RAM of each takes from the start: huge pages.
    /// </summary>
    /// <param name="options">What each clone is.</param>
    /// <param name="count">How many.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="GuestException">The template, or what it needs, is not there.</exception>
    /// <exception cref="MemoryBackendException">The host has not (<c>NotEnoughHugePages</c>).</exception>
    void CheckRoom(GuestOptions options, int count, CancellationToken cancellation = default);

    /// <inheritdoc cref="StartAgain(GuestReference, IProgress{StepProgress}?, CancellationToken)"/>
    GuestInfo StartAgain(GuestReference guest, CancellationToken cancellation) => StartAgain(guest, null, cancellation);

    /// <summary>Finds out whether a new guest could have a name; nothing changes.</summary>
    /// <exception cref="GuestException">Another guest has it, or it is none (<c>GuestNameInUse</c>, <c>GuestNameInvalid</c>).</exception>
    void CheckNewName(string name);

    /// <summary>Finds out whether a clone could have an identity, as far as that can be known without it; nothing changes.</summary>
    /// <param name="identity">The identity; null: none.</param>
    /// <param name="guest">The clone's name, for the error; null: it has none yet.</param>
    /// <exception cref="GuestException">Its host name is none (<c>GuestIdentityInvalid</c>).</exception>
    void CheckIdentity(CloneIdentity? identity, string? guest);

    /// <summary>Starts a guest that has stopped or failed once more, with what it was made of; returns once it runs.</summary>
    /// <remarks>
    /// Name, id and UUID stay, and its console goes on. It boots anew, or begins again where its template ends; default RAM is made anew,
    /// while backends that an operator made keep their content.
    /// </remarks>
    /// <param name="guest">The guest.</param>
    /// <param name="progress">As of <see cref="Start(GuestOptions, IProgress{StepProgress}?, CancellationToken)"/>.</param>
    /// <param name="cancellation">Gives up; it stays stopped.</param>
    /// <exception cref="GuestException">
    /// It has not stopped (<c>GuestNotStopped</c>), or cannot be put together: it stays stopped.
    /// </exception>
    /// <exception cref="MemoryBackendException">Its RAM cannot be had: it stays stopped.</exception>
    GuestInfo StartAgain(GuestReference guest, IProgress<StepProgress>? progress, CancellationToken cancellation);

    /// <summary>Finds out what would be wrong with starting a guest once more; nothing changes.</summary>
    /// <exception cref="GuestException">As of <see cref="StartAgain(GuestReference, CancellationToken)"/>.</exception>
    /// <exception cref="MemoryBackendException">Its RAM could not be had.</exception>
    void CheckStartAgain(GuestReference guest, CancellationToken cancellation = default);

    /// <summary>
    /// Finds out what would be wrong with starting a guest once more after it has stopped, whether it has or not; nothing changes.
    /// </summary>
    /// <exception cref="GuestException">It could not be put together again.</exception>
    /// <exception cref="MemoryBackendException">Its RAM could not be had.</exception>
    void CheckRestart(GuestReference guest, CancellationToken cancellation = default);

    /// <summary>Puts a clone back to where its template ends; it goes on from there, running or suspended as it was.</summary>
    /// <remarks>
    /// It stays the same guest: name, id, UUID, notes, labels and CPU account stay. What it had written to its RAM and on its console is
    /// gone, and what waited for it there. A clone of a template that was removed or replaced since goes back to the one that it began
    /// from; one that has ended is started again, from the template that is there now.
    /// </remarks>
    /// <param name="guest">The guest.</param>
    /// <param name="keepIdentity">It has the generation id of its template; else it gets a new one, and is told.</param>
    /// <param name="cancellation">Gives up; the guest is as it was.</param>
    /// <exception cref="GuestException">
    /// It booted (<c>ResetNotClone</c>), is being checkpointed (<c>CheckpointInProgress</c>), or a file of the template has been written to
    /// (<c>TemplateRamChanged</c>): it is as it was. One that has ended cannot be put together: it stays as it is.
    /// </exception>
    GuestInfo Reset(GuestReference guest, bool keepIdentity = false, CancellationToken cancellation = default);

    /// <summary>Finds out whether a guest could be reset now; nothing changes.</summary>
    /// <exception cref="GuestException">As of <see cref="Reset"/>.</exception>
    void CheckReset(GuestReference guest, CancellationToken cancellation = default);

    /// <summary>
    /// Changes what operators say of a guest, and what it may have of the CPU and of memory; running guests notice at once.
    /// </summary>
    /// <exception cref="GuestException">
    /// Another guest has the name, or it is none (<c>GuestNameInUse</c>, <c>GuestNameInvalid</c>); there is no such share of the CPU
    /// (<c>CpuWeightInvalid</c>, <c>CpuLimitInvalid</c>) or of memory (<c>OwnMemoryLimitInvalid</c>). Nothing has changed.
    /// </exception>
    GuestInfo Change(GuestReference guest, GuestChange change, CancellationToken cancellation = default);

    /// <summary>Finds out what would be wrong with changing a guest.</summary>
    /// <exception cref="GuestException">As of <see cref="Change"/>.</exception>
    void CheckChange(GuestReference guest, GuestChange change);

    /// <summary>Has a guest give RAM up to its balloon, or take it back, until it has so much for itself; returns at once.</summary>
    /// <param name="guest">The guest.</param>
    /// <param name="target">Bytes; whole pages of 4096 bytes count, rounded up.</param>
    /// <param name="cancellation">Gives up before anything is asked.</param>
    /// <exception cref="GuestException">
    /// It has stopped, has no balloon (<c>GuestBalloonMissing</c>) or no driver for it (<c>GuestBalloonUnused</c>), has less RAM than that,
    /// or needs more (<c>GuestMemoryTargetInvalid</c>).
    /// </exception>
    void SetMemoryTarget(GuestReference guest, long target, CancellationToken cancellation = default);

    /// <summary>Finds out what would be wrong with a target; nothing changes.</summary>
    /// <exception cref="GuestException">As of <see cref="SetMemoryTarget"/>.</exception>
    void CheckMemoryTarget(GuestReference guest, long target, CancellationToken cancellation = default);

    /// <summary>All guests, in the order of their start.</summary>
    IReadOnlyList<GuestInfo> List(CancellationToken cancellation = default);

    /// <summary>A guest as it is now.</summary>
    GuestInfo Get(GuestReference guest, CancellationToken cancellation = default);

    /// <summary>The disks of a guest as they are now.</summary>
    IReadOnlyList<GuestDisk> GetDisks(GuestReference guest, CancellationToken cancellation = default);

    /// <summary>What changes disks of guests.</summary>
    IGuestDisks Disks { get; }

    /// <summary>Folders that guests share with the host.</summary>
    IGuestSharedFolders SharedFolders { get; }

    /// <summary>Changes network adapters of guests.</summary>
    IGuestNetworks Networks { get; }

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

    /// <summary>What the pages of a guest's RAM are now, a map for each backend in address order; empty once it has stopped.</summary>
    /// <param name="guest">The guest.</param>
    /// <param name="cellSize">Bytes of a cell; a multiple of the system's page size.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="ArgumentOutOfRangeException">The size is no multiple of the page size.</exception>
    IReadOnlyList<RamMap> Map(GuestReference guest, long cellSize, CancellationToken cancellation = default);

    /// <summary>Holds the harts; returns once none runs.</summary>
    /// <remarks>Given up, the guest is as it was.</remarks>
    void Suspend(GuestReference guest, CancellationToken cancellation = default);

    /// <summary>Lets the harts go on; after a checkpoint that takes over RAM files, when one is under way.</summary>
    /// <exception cref="GuestException">
    /// It was suspended for the memory that it has for itself, and still has more than its limit (<c>OwnMemoryLimitPassed</c>), or the host
    /// still has no more than the reserve (<c>MemoryReserveReached</c>).
    /// </exception>
    void Resume(GuestReference guest, CancellationToken cancellation = default);

    /// <summary>Finds out whether a guest could go on now; nothing changes.</summary>
    /// <exception cref="GuestException">As of <see cref="Resume"/>.</exception>
    void CheckResume(GuestReference guest);

    /// <summary>Finds out whether a guest could be held now; nothing changes.</summary>
    /// <exception cref="GuestException">It has stopped.</exception>
    void CheckNotStopped(GuestReference guest);

    /// <summary>Powers the guest off at once; returns once no hart runs. Does nothing when it is stopped.</summary>
    /// <remarks>
    /// A guest that has stopped or failed, for whatever reason, has released its backends. A checkpoint that is under way is given up. Who
    /// gives up waiting does not keep the guest from stopping.
    /// </remarks>
    void Stop(GuestReference guest, CancellationToken cancellation = default);

    /// <summary>Asks the guest to power off, and waits until it has; it may refuse.</summary>
    /// <remarks>
    /// It is asked on its serial console, by breaks with Linux's magic SysRq keys: s (sync), u (remount read-only), o (power off), over and
    /// over until the time has run out; what it has not received by then is taken back. A suspended guest is resumed for that. Source:
    /// Linux, Documentation/admin-guide/sysrq.rst.
    /// </remarks>
    /// <param name="guest">The guest.</param>
    /// <param name="timeout">How long it has.</param>
    /// <param name="cancellation">Gives up; the guest may power off nevertheless.</param>
    /// <returns>True: it has stopped, or failed. False: it runs on.</returns>
    Task<bool> ShutDownAsync(GuestReference guest, TimeSpan timeout, CancellationToken cancellation = default);

    /// <summary>
    /// Makes a template of a guest that runs or is suspended; it stands still for a moment, and is copied while it goes on.
    /// </summary>
    /// <remarks>
    /// With <see cref="CheckpointOptions.UseRamFile"/> it is held and stopped instead. A guest that ends by itself once it has gone on
    /// leaves its template, and has ended when that is complete.
    /// </remarks>
    /// <param name="guest">The guest.</param>
    /// <param name="options">What is asked for.</param>
    /// <param name="progress">Told how much of the RAM is written; null: no one asks. Called on any thread.</param>
    /// <param name="cancellation">Gives up and leaves no template.</param>
    /// <exception cref="GuestException">There is no template, or still the old one, and the guest is as it was.</exception>
    GuestTemplate Checkpoint(
        GuestReference guest, CheckpointOptions options, IProgress<StepProgress>? progress, CancellationToken cancellation);

    /// <summary>
    /// As <see cref="Checkpoint"/>, into a hidden folder beside the guest's RAM file or template, or for temporary files: for guests that
    /// are started at once. The template goes when it was released and the last guest that was started from it is removed, or this host
    /// closed.
    /// </summary>
    /// <param name="guest">The guest.</param>
    /// <param name="progress">Told how much of the RAM is written; null: no one asks. Called on any thread.</param>
    /// <param name="cancellation">Gives up and leaves no template.</param>
    /// <exception cref="GuestException">There is no template, and the guest is as it was.</exception>
    GuestTemplate CheckpointHidden(GuestReference guest, IProgress<StepProgress>? progress, CancellationToken cancellation);

    /// <summary>No more guests are started from a hidden template.</summary>
    /// <param name="path">Its path; nothing happens when there is none.</param>
    void ReleaseHidden(string path);

    /// <summary>Finds out what would be wrong with a checkpoint, as far as that can be known without writing anything.</summary>
    /// <exception cref="GuestException">There could be none.</exception>
    void CheckCheckpoint(GuestReference guest, CheckpointOptions options, CancellationToken cancellation = default);

    /// <summary>
    /// Records which pages of its template a clone has touched by now, beside the template, for all clones that start from it after that:
    /// what of them is not in memory is read ahead.
    /// </summary>
    /// <param name="guest">The clone.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="GuestException">
    /// It is no clone (<c>WorkingSetNotClone</c>), has stopped, or the file cannot be written (<c>WorkingSetUnwritable</c>).
    /// </exception>
    TemplateWorkingSet RecordWorkingSet(GuestReference guest, CancellationToken cancellation = default);

    /// <summary>Records what a new clone of a template touches first, and in which order; the clone is there for that time only.</summary>
    /// <param name="template">The template's folder.</param>
    /// <param name="duration">How long the clone runs.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="GuestException">No clone can start, or the file cannot be written (<c>WorkingSetUnwritable</c>).</exception>
    TemplateWorkingSet RecordWorkingSet(string template, TimeSpan duration, CancellationToken cancellation = default);

    /// <summary>Finds out whether a guest could be removed now; nothing changes.</summary>
    /// <exception cref="GuestException">It has not stopped.</exception>
    void CheckRemove(GuestReference guest);

    /// <summary>Forgets a stopped guest, its console included.</summary>
    void Remove(GuestReference guest, CancellationToken cancellation = default);

    /// <summary>Waits until the text appears on the console, in what its bounded buffer holds or in what follows.</summary>
    /// <returns>False when the time ran out or the guest stopped first.</returns>
    bool WaitForText(GuestReference guest, string text, TimeSpan timeout, CancellationToken cancellation);

    /// <summary>Waits for a state.</summary>
    /// <returns>False when the time ran out, or the guest ended in another state.</returns>
    bool WaitForState(GuestReference guest, GuestState state, TimeSpan timeout, CancellationToken cancellation);

    /// <summary>Waits until something appears on the console, in what its bounded buffer holds or in what follows.</summary>
    /// <returns>Where it is; null when the time ran out or the guest stopped first.</returns>
    /// <exception cref="GuestException">
    /// The pattern is no regular expression (<see cref="GuestErrorIds.ConsolePatternInvalid"/>), or looking for it takes seconds
    /// (<see cref="GuestErrorIds.ConsolePatternTooSlow"/>).
    /// </exception>
    ConsoleMatch? WaitForOutput(
        GuestReference guest, ConsoleExpectation expected, TimeSpan timeout, CancellationToken cancellation);

    /// <summary>Console output from a position on (characters since the start).</summary>
    ConsoleText ReadConsole(GuestReference guest, long position, CancellationToken cancellation = default);

    /// <summary>A piece of console output.</summary>
    /// <param name="guest">The guest.</param>
    /// <param name="position">Where the piece begins: characters since the start. <see cref="long.MaxValue"/> is the end.</param>
    /// <param name="limit">The most characters, at least 2.</param>
    /// <param name="cancellation">Gives up.</param>
    ConsoleText ReadConsole(GuestReference guest, long position, int limit, CancellationToken cancellation = default);

    /// <summary>Types text on the guest's console.</summary>
    /// <returns>The position of the console's output where what the guest writes in answer begins, the echo first.</returns>
    long WriteConsole(GuestReference guest, string text, CancellationToken cancellation = default);

    /// <summary>What happened from a position on (events since the host began); the log is bounded.</summary>
    /// <param name="position">Where the last reading ended; <see cref="long.MaxValue"/>: from now on.</param>
    /// <param name="cancellation">Gives up.</param>
    HostEvents ReadEvents(long position, CancellationToken cancellation = default);
}
