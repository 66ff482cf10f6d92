using System.Diagnostics;
using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Guests.Consoles;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests;

/// <summary>Waits until guests are in a state, have written a text on the console, or have an agent that answers, or an address.</summary>
[Cmdlet(VerbsLifecycle.Wait, "Guest", DefaultParameterSetName = "State")]
[OutputType(typeof(Guest), typeof(GuestJob))]
public sealed class WaitGuestCommand : AnyGuestCmdlet
{
    /// <summary>The text to wait for on the console; case counts.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "Text")]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public string? ForText { get; set; }

    /// <summary>The regular expression to wait for on the console; case counts.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "Pattern")]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public string? ForPattern { get; set; }

    /// <summary>Waits until the guest's agent answers.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "Agent")]
    [NotUnset]
    public SwitchParameter ForAgent { get; set; }

    /// <summary>Waits until the guest's agent says that the guest has an address.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "Address")]
    [NotUnset]
    public SwitchParameter ForIPAddress { get; set; }

    /// <summary>
    /// Looks only at what has not been looked at: after the echo of what was typed, what was found, or what was received last.
    /// </summary>
    [Parameter(ParameterSetName = "Text")]
    [Parameter(ParameterSetName = "Pattern")]
    public SwitchParameter New { get; set; }

    /// <summary>The state to wait for.</summary>
    [Parameter(ParameterSetName = "State")]
    public GuestState State { get; set; } = GuestState.Stopped;

    /// <summary>Seconds, or a TimeSpan, that the guests have, all that are named at once; without it, for ever.</summary>
    [Parameter]
    [Duration]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public TimeSpan? Timeout { get; set; }

    /// <summary>Does it in the background, by a job: Receive-Job gives what it found, Stop-Job gives it up.</summary>
    [Parameter]
    [NotUnset]
    public SwitchParameter AsJob { get; set; }

    /// <summary>Waits for each guest to be in a state.</summary>
    internal static void Run(
        IEnumerable<GuestReference> guests,
        GuestState state,
        TimeSpan timeout,
        IGuestHost host,
        ICmdletOutput output,
        CancellationToken cancellation)
    {
        string expected = $"to be {state}";
        Func<TimeSpan> rest = Rest(timeout);
        CmdletWorks.ForEach(guests, output, guest =>
        {
            using ProgressTicker progress = new(output, $"Waiting for guest '{guest}' {expected}", timeout);
            if (!host.WaitForState(guest, state, rest(), cancellation))
            {
                throw ConsoleWait.NotReached(guest, expected, timeout, host, cancellation);
            }

            output.WriteObject(new Guest(host, host.Get(guest, cancellation)));
        }, cancellation);
    }

    /// <summary>Waits for each guest to write something.</summary>
    internal static void Run(
        IEnumerable<GuestReference> guests,
        ConsoleExpectation expected,
        bool isNew,
        TimeSpan timeout,
        IGuestHost host,
        ConsoleReadings readings,
        ICmdletOutput output,
        CancellationToken cancellation)
    {
        Func<TimeSpan> rest = Rest(timeout);
        CmdletWorks.ForEach(guests, output, guest =>
        {
            GuestInfo info = host.Get(guest, cancellation);
            ConsoleMark from = !isNew ? default : readings.Seen(info.Id)
                ?? new ConsoleMark(host.ReadConsole(info.Reference, long.MaxValue, cancellation).NextPosition, null);
            ConsoleWait.Run(
                info, expected with { From = from.Position, Typed = from.Typed }, timeout, host, readings, output, cancellation, rest());
            output.WriteObject(new Guest(host, host.Get(info.Reference, cancellation)));
        }, cancellation);
    }

    /// <summary>Waits until each guest's agent answers, or says that the guest has an address.</summary>
    internal static void RunForAgent(
        IEnumerable<GuestReference> guests,
        bool forAddress,
        TimeSpan timeout,
        IGuestHost host,
        ICmdletOutput output,
        CancellationToken cancellation)
    {
        string expected = forAddress ? "to have an address, by its agent" : "to have an agent that answers";
        Func<TimeSpan> rest = Rest(timeout, TimeSpan.FromSeconds(1));
        CmdletWorks.ForEach(guests, output, guest =>
        {
            using ProgressTicker progress = new(output, $"Waiting for guest '{guest}' {expected}", timeout);
            Task<bool> wait = forAddress
                ? host.Agents.WaitForAddressAsync(guest, rest(), cancellation)
                : host.Agents.WaitAsync(guest, rest(), cancellation);
            if (!wait.GetAwaiter().GetResult())
            {
                throw ConsoleWait.NotReached(guest, expected, timeout, host, cancellation);
            }

            output.WriteObject(new Guest(host, host.Get(guest, cancellation)));
        }, cancellation);
    }

    /// <summary>
    /// What of the time is left for the next guest: all that are named wait at once, though they are looked at one after the other.
    /// </summary>
    /// <param name="timeout">The time that all have.</param>
    /// <param name="least">What whoever is looked at has at least: an agent that lives answers in that.</param>
    private static Func<TimeSpan> Rest(TimeSpan timeout, TimeSpan least = default)
    {
        long? began = null;
        return () =>
        {
            TimeSpan passed = began is { } from ? Stopwatch.GetElapsedTime(from) : default;
            began ??= Stopwatch.GetTimestamp();
            return timeout == System.Threading.Timeout.InfiniteTimeSpan
                ? timeout
                : new TimeSpan(Math.Max((timeout - passed).Ticks, Math.Min(least.Ticks, timeout.Ticks)));
        };
    }

    private protected override bool IsAsJob => AsJob;

    private protected override CmdletWork Bind()
    {
        (GuestState state, bool isNew, bool forAddress) = (State, New, ForIPAddress);
        TimeSpan timeout = Timeout ?? System.Threading.Timeout.InfiniteTimeSpan;
        if (ForAgent || forAddress)
        {
            return OnGuests((guests, host, output, cancellation) => RunForAgent(guests, forAddress, timeout, host, output, cancellation));
        }

        if ((ForText ?? ForPattern) is not { } pattern)
        {
            return OnGuests((guests, host, output, cancellation) => Run(guests, state, timeout, host, output, cancellation));
        }

        ConsoleExpectation expected = new() { Pattern = pattern, IsRegex = ForPattern is not null };
        return OnGuests((guests, host, output, cancellation) =>
            Run(guests, expected, isNew, timeout, host, ModuleServices.ConsoleReadings, output, cancellation));
    }
}
