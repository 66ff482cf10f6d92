using System.Diagnostics;
using System.Text.Json;
using PsVm.Machine.Devices;

namespace PsVm.Machine.Agents;

/// <summary>What the agent of one board's guest does for the host. Safe from any thread.</summary>
/// <param name="port">The agent's port.</param>
/// <param name="guest">The guest's name now.</param>
/// <param name="cpu">What the guest has had of the host's CPUs, and whether it wants more now; null: nobody knows.</param>
internal sealed class GuestAgent(ConsolePort port, Func<string> guest, Func<(TimeSpan Had, bool WantsMore)>? cpu = null)
{
    private const string SetTime = "guest-set-time", GetTime = "guest-get-time";

    // A guest that has to wait for the host's CPUs sets a time that is past, and answers late.
    private const int MostClockTries = 10;

    private static readonly TimeSpan s_killTimeout = TimeSpan.FromSeconds(2);

    // How long a program that has opened the port is left alone after the one before.
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(100);

    private readonly AgentSession _session = new(port, guest, cpu);
    private int _plainSession = -1; // that of an agent that does not know the requests of ours
    private int _opened; // 0: nobody looks; 1: somebody does; 2: and is to look again

    /// <summary>How long an agent has for an answer; tests are less patient.</summary>
    public TimeSpan Patience { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>The host's time: what clocks are set to, how long commands may take, and pauses; a test may set it.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <inheritdoc cref="AgentSession.State"/>
    public GuestAgentState State => _session.State;

    /// <summary>When it has set the guest's clock last (UTC); null: not in this life of the guest's.</summary>
    public DateTimeOffset? ClockSetAt { get; private set; }

    /// <summary>
    /// Sees to it that a program that opens the port is known by its first answer, and that the guest's clock is right then.
    /// </summary>
    /// <remarks>
    /// A guest may open its port over and over: one of ours at a time looks who is there, and ten times a second at most.
    /// </remarks>
    public void Watch() => port.Opened = () =>
    {
        if (Interlocked.Exchange(ref _opened, 2) == 0)
        {
            ThreadPool.QueueUserWorkItem(static agent => _ = agent.MeetAsync(), this, preferLocal: false);
        }
    };

    /// <summary>Whether it answers now.</summary>
    /// <param name="cancellation">Gives up.</param>
    public async Task<bool> AnswersAsync(CancellationToken cancellation)
    {
        if (State == GuestAgentState.Absent)
        {
            return false;
        }

        try
        {
            await AskAsync("guest-ping", null, cancellation).ConfigureAwait(false);
            return true;
        }
        catch (GuestException failure)
        {
            return failure.ErrorId == GuestErrorIds.GuestAgentRefused; // which is an answer
        }
    }

    /// <inheritdoc cref="IGuestAgents.RunAsync"/>
    public async Task<GuestCommandResult> RunAsync(
        GuestCommand command, Action<GuestCommandOutput>? progress, CancellationToken cancellation)
    {
        if (command.Input.Length > GuestCommand.MostInput)
        {
            throw new GuestException(
                GuestErrorIds.GuestCommandInputTooLong,
                $"Expected at most {GuestCommand.MostInput} bytes of input for a command in guest '{guest()}', found "
                    + $"{command.Input.Length}.",
                guest(),
                "Copy a file with Copy-GuestItem, and have the command read that.");
        }

        using CancellationTokenSource late = new(command.Timeout, Time);
        using CancellationTokenSource over = CancellationTokenSource.CreateLinkedTokenSource(cancellation, late.Token);

        try
        {
            // Nobody is asked what it knows: that would be a round trip, and the first command of a clone is waited for.
            int session = _session.Session;
            GuestCommandResult? result = session == Volatile.Read(ref _plainSession) ? null
                : await AgentCommand.RunQuicklyAsync(this, command, progress, over.Token).ConfigureAwait(false);
            if (result is null)
            {
                Volatile.Write(ref _plainSession, session);
                result = await AgentCommand.RunAsync(this, command, progress, over.Token).ConfigureAwait(false);
            }

            return result with { Guest = guest() };
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw AgentErrors.CommandTimeout(guest(), command.Timeout);
        }
    }

    /// <summary>The guest's network interfaces.</summary>
    public async Task<IReadOnlyList<GuestNetworkInterface>> GetNetworkAsync(CancellationToken cancellation) =>
        AgentNetwork.Read(guest(), await AskAsync("guest-network-get-interfaces", null, cancellation).ConfigureAwait(false));

    /// <summary>Whether it says now that the guest has an address that others can mean.</summary>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="GuestException">It does not tell of addresses.</exception>
    public async Task<bool> HasAddressAsync(CancellationToken cancellation)
    {
        if (State == GuestAgentState.Absent)
        {
            return false;
        }

        try
        {
            IReadOnlyList<GuestNetworkInterface> found = await GetNetworkAsync(cancellation).ConfigureAwait(false);
            return found.Any(one => one.Addresses.Any(address => AgentNetwork.IsReachable(address.Address)));
        }
        catch (GuestException failure) when (failure.ErrorId != GuestErrorIds.GuestAgentRefused)
        {
            return false;
        }
    }

    /// <summary>Gives an adapter's driver its address, by an agent that can do that at once.</summary>
    /// <returns>False: this one cannot, or there is none; commands may do it.</returns>
    public async Task<bool> TrySetAddressAsync(AdapterAddress adapter)
    {
        try
        {
            return await TryAskAsync("psvm-set-address", Write, CancellationToken.None).ConfigureAwait(false) is not null;
        }
        catch (GuestException)
        {
            return false; // commands say why
        }

        void Write(Utf8JsonWriter writer)
        {
            writer.WriteString("from", adapter.From.ToString());
            writer.WriteString("to", adapter.To.ToString());
        }
    }

    /// <inheritdoc cref="AgentSession.AskAsync"/>
    public Task<JsonElement> AskAsync(string request, Action<Utf8JsonWriter>? arguments, CancellationToken cancellation) =>
        _session.AskAsync(request, arguments, Patience, cancellation);

    /// <inheritdoc cref="AgentSession.TryAskAsync"/>
    public Task<JsonElement?> TryAskAsync(string request, Action<Utf8JsonWriter>? arguments, CancellationToken cancellation) =>
        _session.TryAskAsync(request, arguments, Patience, cancellation);

    /// <summary>Asks for something that ends what was asked for before, whatever comes of it.</summary>
    public async Task EndAsync(string request, Action<Utf8JsonWriter> arguments)
    {
        try
        {
            await _session.AskAsync(request, arguments, s_killTimeout).ConfigureAwait(false);
        }
        catch (GuestException)
        {
            // It has gone, or does not answer: there is nothing more that a host could do.
        }
    }

    /// <summary>An error about what an agent answered.</summary>
    public GuestException Garbled(string expected, JsonElement found) => AgentErrors.Garbled(guest(), expected, $"'{found}'");

    /// <summary>
    /// Sets the guest's clock to the host's, so that both differ by less than a quarter of a second; nothing, where no agent does it.
    /// </summary>
    /// <returns>It is so.</returns>
    public async Task<bool> SetClockAsync()
    {
        try
        {
            for (int tries = 0; tries < MostClockTries; tries++)
            {
                // At first in one round trip: what a clone is asked next waits for it.
                JsonElement found = tries == 0
                    ? await _session.AskBothAsync((SetTime, WriteNow), GetTime, Patience).ConfigureAwait(false)
                    : await SetThenGetClockAsync().ConfigureAwait(false);

                // All that the answer took counts as the guest's delay: a clock that is as late as the answer looks right otherwise.
                if (AgentNumbers.TryRead(found, out long time) && Math.Abs((decimal)time - Now) < 250_000_000)
                {
                    ClockSetAt = Time.GetUtcNow();
                    return true;
                }
            }
        }
        catch (GuestException)
        {
            // No agent, or one that cannot: the guest's state shows that.
        }

        return false;
    }

    private async Task<JsonElement> SetThenGetClockAsync()
    {
        try
        {
            await AskAsync(SetTime, WriteNow, CancellationToken.None).ConfigureAwait(false);
        }
        catch (GuestException refused) when (refused.ErrorId == GuestErrorIds.GuestAgentRefused)
        {
            // QEMU's agent sets the kernel's clock, and then may fail to take that into the hardware's.
        }

        return await AskAsync(GetTime, null, CancellationToken.None).ConfigureAwait(false);
    }

    private void WriteNow(Utf8JsonWriter writer) => writer.WriteNumber("time", Now);

    private async Task MeetAsync()
    {
        do
        {
            Volatile.Write(ref _opened, 1);
            await SetClockAsync().ConfigureAwait(false);
            await Task.Delay(s_pause, Time).ConfigureAwait(false);
        }
        while (Interlocked.CompareExchange(ref _opened, 0, 1) != 1);
    }

    private long Now => (Time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks * TimeSpan.NanosecondsPerTick;
}
