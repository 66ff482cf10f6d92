using System.Management.Automation;
using System.Text;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests.Agents;

/// <summary>Runs a command in guests, in all of them at once, by their agents.</summary>
[Cmdlet(VerbsLifecycle.Invoke, "GuestCommand", SupportsShouldProcess = true, DefaultParameterSetName = "Command")]
[OutputType(typeof(GuestCommandResult), typeof(string))]
public sealed class InvokeGuestCommandCommand : PsVmCmdlet
{
    private readonly List<GuestReference> _guests = [];

    /// <summary>Guests: names, patterns with *, ? and [ ], or objects; an object means the very guest, whoever has its name now.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [GuestIdentity]
    [Alias("Guest")]
    [ArgumentCompleter(typeof(GuestNameCompleter))]
    public GuestReference[] Name { get; set; } = [];

    /// <summary>What the guest's shell runs.</summary>
    [Parameter(Mandatory = true, Position = 1, ParameterSetName = "Command")]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public string? Command { get; set; }

    /// <summary>What the guest's shell runs, in braces: its text, which PowerShell does not run.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "ScriptBlock")]
    [ValidateNotNull]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public ScriptBlock? ScriptBlock { get; set; }

    /// <summary>A script of the host's that the guest's shell runs.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "FilePath")]
    [ValidateNotNullOrEmpty]
    public string? FilePath { get; set; }

    /// <summary>What the command finds as $1, $2 and so on.</summary>
    [Parameter]
    [Alias("Args")]
    [AllowEmptyString]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public string[] ArgumentList { get; set; } = [];

    /// <summary>What the command reads, an object a line.</summary>
    [Parameter]
    public object?[]? InputObject { get; set; }

    /// <summary>Gives the lines that the command writes, as they come.</summary>
    [Parameter]
    public SwitchParameter Stream { get; set; }

    /// <summary>A command that does not end with 0 is an error, too.</summary>
    [Parameter]
    public SwitchParameter FailOnExitCode { get; set; }

    /// <summary>Seconds, or a TimeSpan, that the command has in each guest; without it, as long as it wants.</summary>
    [Parameter]
    [Duration]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public TimeSpan? Timeout { get; set; }

    /// <summary>Guests in which the command runs at once.</summary>
    [Parameter]
    [ValidateRange(1, 1024)]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public int ThrottleLimit { get; set; } = AgentWorks.Throttle;

    /// <summary>Does it in the background, by a job: Receive-Job gives what came of it, Stop-Job ends the commands.</summary>
    [Parameter]
    [NotUnset]
    public SwitchParameter AsJob { get; set; }

    internal static void Run(
        IReadOnlyList<GuestReference> guests,
        GuestCommand command,
        string shown,
        bool streams,
        bool failsOnExitCode,
        int throttle,
        Func<GuestConsoleLine, bool, object> show,
        IGuestHost host,
        ICmdletOutput output,
        CancellationToken cancellation)
    {
        GuestReference[] agreed =
        [
            .. guests.Where(guest => output.ShouldProcess(() => $"Run '{shown}' in guest '{guest}'", () => host.Agents.Check(guest))),
        ];
        AgentWorks.ForEach(agreed, throttle, Ask, Tell, output, cancellation);

        async Task<GuestCommandResult> Ask(GuestReference guest)
        {
            if (!streams)
            {
                return await host.Agents.RunAsync(guest, command, null, cancellation).ConfigureAwait(false);
            }

            CommandLines lines = new(guest.Name, line => output.WriteObject(show(line, agreed.Length > 1)));
            GuestCommandResult result = await host.Agents.RunAsync(guest, command, lines.Add, cancellation).ConfigureAwait(false);
            lines.End();
            return result;
        }

        void Tell(GuestReference guest, GuestCommandResult result)
        {
            if (!streams)
            {
                output.WriteObject(result);
            }

            if (failsOnExitCode && !result.Succeeded)
            {
                throw Failed(result);
            }
        }
    }

    private static CmdletException Failed(GuestCommandResult result)
    {
        string found = result.Signal is { } signal ? $"signal {signal}" : $"exit code {result.ExitCode}";
        string said = result.StdErr.Split('\n', StringSplitOptions.RemoveEmptyEntries) is [.., string last]
            ? $": {(last.Length > 200 ? last[..200] : last)}"
            : "";
        return new CmdletException(
            ModuleErrorIds.GuestCommandFailed,
            $"Expected the command in guest '{result.Guest}' to end with exit code 0, found {found}{said}.",
            result.Guest);
    }

    private protected override bool IsAsJob => AsJob;

    private protected override CmdletWork? Bind()
    {
        _guests.AddRange(Name);
        return null;
    }

    private protected override CmdletWork? BindEnd()
    {
        if (_guests.Count == 0)
        {
            return null;
        }

        string text = Command ?? ScriptBlock?.ToString() ?? ReadScript(ResolvePath(FilePath)!);
        string shown = FilePath ?? (text.Trim().ReplaceLineEndings("; ") is var line && line.Length > 60 ? $"{line[..60]}..." : line);
        GuestCommand command = GuestCommand.Shell(text.ReplaceLineEndings("\n"), ArgumentList) with
        {
            Timeout = Timeout ?? System.Threading.Timeout.InfiniteTimeSpan,
            Input = InputObject is null
                ? default
                : Encoding.UTF8.GetBytes(string.Concat(InputObject.Select(item => $"{LanguagePrimitives.ConvertTo<string>(item)}\n"))),
        };
        (bool streams, bool fails, int throttle) = (Stream, FailOnExitCode, ThrottleLimit);
        return Selection.OnGuests(_guests, (guests, host, output, cancellation) => Run(
            guests, command, shown, streams, fails, throttle, Consoles.ConsoleStrings.Of, host, output, cancellation));
    }

    private static string ReadScript(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new CmdletException(
                ModuleErrorIds.FileReadFailed,
                $"Expected to read the script '{path}', found: {failure.Message}",
                path,
                "Give a file that is there and can be read.");
        }
    }
}
