using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests.Consoles;

/// <summary>Types on the console of guests, and waits for what they answer.</summary>
[Cmdlet(VerbsCommunications.Send, "GuestConsole", SupportsShouldProcess = true)]
[OutputType(typeof(string))]
public sealed class SendGuestConsoleCommand : GuestAndArgumentCmdlet
{
    /// <summary>The text to type, line by line.</summary>
    [Parameter(Position = 1, ValueFromPipelineByPropertyName = true)]
    [AllowEmptyString]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public string[] Text { get; set; } = [];

    /// <summary>Does not end the text with a line feed.</summary>
    [Parameter]
    public SwitchParameter NoNewline { get; set; }

    /// <summary>Waits for the pattern, and gives what was written until then.</summary>
    [Parameter]
    public SwitchParameter Wait { get; set; }

    /// <summary>The regular expression to wait for behind the echo of the text; case counts.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public string? Pattern { get; set; }

    /// <summary>Seconds, or a TimeSpan, to wait for the pattern on each guest; without it, for ever.</summary>
    [Parameter]
    [Duration]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public TimeSpan? Timeout { get; set; }

    /// <summary>Types on each guest, and waits for a pattern if there is one.</summary>
    internal static void Run(
        IReadOnlyList<GuestReference> guests,
        string text,
        string? pattern,
        TimeSpan timeout,
        Func<GuestConsoleLine, bool, object> show,
        IGuestHost host,
        ConsoleReadings readings,
        ICmdletOutput output,
        CancellationToken cancellation) =>
        CmdletWorks.ForEach(guests, output, guest =>
        {
            if (!output.ShouldProcess(
                () => $"Type '{text.TrimEnd('\n')}' on the console of guest '{guest}'", () => host.CheckNotStopped(guest)))
            {
                return;
            }

            GuestInfo info = host.Get(guest, cancellation);
            long position = host.WriteConsole(info.Reference, text, cancellation);
            readings.Type(info.Id, position, text);
            if (pattern is null)
            {
                return;
            }

            ConsoleExpectation expected = new() { Pattern = pattern, IsRegex = true, From = position, Typed = text };
            ConsoleMatch match = ConsoleWait.Run(info, expected, timeout, host, readings, output, cancellation);
            int length = (int)Math.Clamp(match.End - match.From, 2, int.MaxValue);
            ConsoleText answer = host.ReadConsole(info.Reference, match.From, length, cancellation);
            ConsoleFeed.WarnOfLoss(info.Name, answer, output);
            foreach (GuestConsoleLine line in ConsoleLines.Of(info.Name, AnswerIn(answer, match.End)))
            {
                output.WriteObject(show(line, guests.Count > 1));
            }
        }, cancellation);

    /// <summary>Lines as they are typed.</summary>
    internal static string ToType(IEnumerable<string> lines, bool noNewline) =>
        string.Join('\n', lines) + (noNewline ? string.Empty : "\n");

    /// <summary>What stands up to a position, without the end of the line that the echo stands in.</summary>
    private static ConsoleText AnswerIn(ConsoleText text, long end)
    {
        string answer = text.Text[..(int)Math.Clamp(end - text.Position, 0, text.Text.Length)];
        int start = answer.StartsWith("\r\n", StringComparison.Ordinal) ? 2 : answer.StartsWith('\n') ? 1 : 0;
        return text with { Text = answer[start..], NextPosition = end };
    }

    private protected override string ArgumentName => nameof(Text);

    private protected override CmdletWork Bind()
    {
        if (Pattern is null && (Wait || Timeout is not null))
        {
            throw new CmdletException(
                ModuleErrorIds.PatternMissing,
                "Expected -Pattern with -Wait or -Timeout, found none.",
                recommendedAction: "Say with -Pattern what the guest writes when it is done, such as how its prompt begins: "
                    + "-Pattern '^~ # '.");
        }

        (GuestReference[] guests, string[] typed) = Bind(Text);
        string text = ToType(typed, NoNewline);
        string? pattern = Pattern;
        TimeSpan timeout = Timeout ?? System.Threading.Timeout.InfiniteTimeSpan;
        return Selection.OnGuests(guests, (found, host, output, cancellation) => Run(
            found, text, pattern, timeout, ConsoleStrings.Of, host, ModuleServices.ConsoleReadings, output, cancellation));
    }
}
