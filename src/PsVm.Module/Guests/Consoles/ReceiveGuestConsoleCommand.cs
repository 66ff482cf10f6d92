using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests.Consoles;

/// <summary>Receives what guests have written on their console.</summary>
[Cmdlet(VerbsCommunications.Receive, "GuestConsole")]
[OutputType(typeof(string), typeof(GuestConsoleLine))]
public sealed class ReceiveGuestConsoleCommand : GuestCmdlet
{
    // Short enough to look live, long enough to cost nothing.
    private static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(50);

    // All of them, to hear them at once.
    private readonly List<GuestReference> _guests = [];

    /// <summary>From the start, instead of from where the last receive ended.</summary>
    [Parameter]
    public SwitchParameter All { get; set; }

    /// <summary>The text as it came, control characters included, instead of lines in which they are shown as text.</summary>
    [Parameter]
    public SwitchParameter Raw { get; set; }

    /// <summary>Goes on until the guests stop.</summary>
    [Parameter]
    [Alias("Wait")]
    public SwitchParameter Follow { get; set; }

    /// <summary>The last lines of each guest only, received before or not.</summary>
    [Parameter]
    [ValidateRange(0, int.MaxValue)]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public int? Tail { get; set; }

    /// <summary>Only lines that came at that time or later, received before or not; a TimeSpan or seconds mean so long ago.</summary>
    [Parameter]
    [Moment]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public DateTimeOffset? Since { get; set; }

    /// <summary>Objects with Guest, Time and Text, instead of strings with properties.</summary>
    [Parameter]
    public SwitchParameter AsObject { get; set; }

    /// <summary>Receives what guests have written, from several in turn.</summary>
    /// <param name="guests">The guests.</param>
    /// <param name="options">What is received, and how.</param>
    /// <param name="show">Makes what goes down the pipeline of a line; true: several guests are heard.</param>
    /// <param name="host">Where the guests live.</param>
    /// <param name="readings">How far they have been received.</param>
    /// <param name="output">The output.</param>
    /// <param name="cancellation">Ends it.</param>
    internal static void Run(
        IReadOnlyList<GuestReference> guests,
        ReceiveOptions options,
        Func<GuestConsoleLine, bool, object> show,
        IGuestHost host,
        ConsoleReadings readings,
        ICmdletOutput output,
        CancellationToken cancellation)
    {
        List<ConsoleFeed> feeds = [];
        CmdletWorks.ForEach(
            guests,
            output,
            // The very guest that is there now: another may get the name meanwhile.
            guest => feeds.Add(new ConsoleFeed(host.Get(guest, cancellation), options, host, readings, cancellation)),
            cancellation);
        bool isLabelled = guests.Count > 1;
        while (feeds.Count > 0)
        {
            bool isQuiet = true;
            List<ConsoleFeed> going = [];
            CmdletWorks.ForEach(
                feeds,
                output,
                feed =>
                {
                    isQuiet &= !feed.Turn(line => output.WriteObject(show(line, isLabelled)), output, cancellation);
                    if (!feed.IsOver)
                    {
                        going.Add(feed);
                    }
                },
                cancellation);
            feeds = going;
            if (isQuiet && feeds.Count > 0)
            {
                cancellation.WaitHandle.WaitOne(s_poll);
                cancellation.ThrowIfCancellationRequested();
            }
        }
    }

    private protected override CmdletWork? Bind()
    {
        _guests.AddRange(Name);
        return null;
    }

    private protected override CmdletWork? BindEnd()
    {
        ReceiveOptions options = new() { All = All, Raw = Raw, Follow = Follow, Tail = Tail, Since = Since };
        Func<GuestConsoleLine, bool, object> show = AsObject ? (line, _) => line : ConsoleStrings.Of;
        return _guests.Count == 0 ? null : Selection.OnGuests(
            _guests,
            (guests, host, output, cancellation) =>
                Run(guests, options, show, host, ModuleServices.ConsoleReadings, output, cancellation));
    }
}
