using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Guests.Consoles;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests;

/// <summary>Gives a script block a fresh clone, and removes it afterwards, however the block ends.</summary>
[Cmdlet(VerbsOther.Use, "Guest", SupportsShouldProcess = true, DefaultParameterSetName = FromTemplate)]
[OutputType(typeof(object))]
public sealed class UseGuestCommand : PsVmCmdlet
{
    private const string FromTemplate = "Template", FromPool = "Pool";

    // A pipeline of one command, as which a block can be stepped: what it gives goes down the pipeline as it comes.
    private static readonly ScriptBlock s_call = ScriptBlock.Create("param($block, $given) & $block @given");

    /// <summary>The folder of the template that the clone starts from; a template object does as well.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ParameterSetName = FromTemplate)]
    [ValidateNotNullOrEmpty]
    [TemplateIdentity]
    [ArgumentCompleter(typeof(TemplatePathCompleter))]
    public string? Template { get; set; }

    /// <summary>The pool that the clone is taken from; a pool object does as well.</summary>
    [Parameter(Mandatory = true, ParameterSetName = FromPool)]
    [ValidateNotNullOrEmpty]
    [PoolIdentity]
    [ArgumentCompleter(typeof(PoolNameCompleter))]
    public string? Pool { get; set; }

    /// <summary>What is done with the clone, which is its first argument.</summary>
    [Parameter(Mandatory = true, Position = 1)]
    [ValidateNotNull]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public ScriptBlock? ScriptBlock { get; set; }

    /// <summary>What the script block gets behind the clone.</summary>
    [Parameter]
    [Alias("Args")]
    [AllowNull]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public object?[]? ArgumentList { get; set; }

    /// <summary>Waits until the clone's agent answers, before the script block runs.</summary>
    [Parameter]
    public SwitchParameter ForAgent { get; set; }

    /// <summary>Seconds, or a TimeSpan, that the agent has; 60 s when not given.</summary>
    [Parameter]
    [Duration]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>Starts a clone.</summary>
    /// <returns>It; null: that was not agreed to.</returns>
    internal static GuestReference? Start(GuestOptions options, IGuestHost host, ICmdletOutput output, CancellationToken cancellation)
    {
        string from = options.Pool is null ? $"template '{options.Template}'" : $"pool '{options.Pool}'";
        if (!output.ShouldProcess(
            () => $"Run a script block with a clone of {from}, and remove the clone", () => host.CheckStart(options, cancellation)))
        {
            return null;
        }

        return host.Start(options, cancellation).Reference;
    }

    /// <summary>Ends a guest, and forgets it; one that has gone already is none of its business.</summary>
    internal static void End(GuestReference guest, IGuestHost host)
    {
        try
        {
            host.Stop(guest, CancellationToken.None);
            host.Remove(guest, CancellationToken.None);
        }
        catch (GuestException gone) when (gone.ErrorId == GuestErrorIds.GuestNotFound)
        {
            // The script block has removed it.
        }
    }

    private protected override CmdletWork? Bind()
    {
        GuestOptions options = new() { Template = ResolvePath(Template), Pool = Pool };
        (bool forAgent, TimeSpan timeout) = (ForAgent, Timeout);
        IGuestHost host = ModuleServices.Guests;
        GuestReference? guest = null;
        bool isDone = false;
        try
        {
            Perform((output, cancellation) =>
            {
                guest = Start(options, host, output, cancellation);
                if (guest is { } started && forAgent)
                {
                    WaitForAgent(started, timeout, host, output, cancellation);
                }

                isDone = true;
            });
            if (guest is { } there && isDone)
            {
                isDone = false;
                Call(new Guest(host, host.Get(there)));
                isDone = true;
            }
        }
        finally
        {
            // Also on Ctrl+C, on an error of the block's, and when nobody takes what it gives: nothing may be written then.
            if (guest is { } started)
            {
                EndAnyway(started, host, isDone);
            }
        }

        return null;
    }

    private static void EndAnyway(GuestReference guest, IGuestHost host, bool isDone)
    {
        try
        {
            End(guest, host);
        }
        catch (PsVmException) when (!isDone)
        {
            // What went wrong before says more.
        }
    }

    private static void WaitForAgent(
        GuestReference guest, TimeSpan timeout, IGuestHost host, ICmdletOutput output, CancellationToken cancellation)
    {
        const string expected = "to have an agent that answers";
        using ProgressTicker progress = new(output, $"Waiting for guest '{guest}' {expected}", timeout);
        if (!host.Agents.WaitAsync(guest, timeout, cancellation).GetAwaiter().GetResult())
        {
            throw ConsoleWait.NotReached(guest, expected, timeout, host, cancellation);
        }
    }

    private void Call(Guest guest)
    {
        using SteppablePipeline pipeline = s_call.GetSteppablePipeline(
            MyInvocation.CommandOrigin, [ScriptBlock!, (object?[])[guest, .. ArgumentList ?? []]]);
        pipeline.Begin(this);
        pipeline.Process();
        pipeline.End();
    }
}
