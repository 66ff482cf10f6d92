using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests;

/// <summary>Has guests give RAM up to their balloons, or take it back, and waits until they have.</summary>
[Cmdlet(VerbsCommon.Set, "GuestMemory", SupportsShouldProcess = true)]
[OutputType(typeof(Guest))]
public sealed class SetGuestMemoryCommand : GuestCmdlet
{
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(20);

    /// <summary>
    /// RAM that each guest is to have for itself, such as 128MB: at most what it has, and at least what its kernel needs.
    /// </summary>
    [Parameter(Mandatory = true, Position = 1)]
    [Size]
    [Within(1, long.MaxValue)]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public long Target { get; set; }

    /// <summary>Seconds, or a TimeSpan, that each guest has; 30 s when not given. 0 asks and does not wait.</summary>
    [Parameter]
    [Duration]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Gives the guests.</summary>
    [Parameter]
    public SwitchParameter PassThru { get; set; }

    internal static void Run(
        IEnumerable<GuestReference> guests,
        long target,
        TimeSpan timeout,
        bool passThru,
        IGuestHost host,
        ICmdletOutput output,
        CancellationToken cancellation)
    {
        // All are asked before the first is waited for: they work at the same time.
        List<GuestReference> asked = [];
        CmdletWorks.ForEach(guests, output, guest =>
        {
            if (output.ShouldProcess(
                () => $"Change the memory of guest '{guest}' to {ByteSize.ToText(target)}",
                () => host.CheckMemoryTarget(guest, target, cancellation)))
            {
                host.SetMemoryTarget(guest, target, cancellation);
                asked.Add(guest);
            }
        }, cancellation);
        CmdletWorks.ForEach(asked, output, guest =>
        {
            if (timeout > TimeSpan.Zero || timeout == System.Threading.Timeout.InfiniteTimeSpan)
            {
                Await(guest, target, timeout, host, output, cancellation);
            }

            if (passThru)
            {
                output.WriteObject(new Guest(host, host.Get(guest, cancellation)));
            }
        }, cancellation);
    }

    private protected override CmdletWork Bind()
    {
        (long target, TimeSpan timeout, bool passThru) = (Target, Timeout, PassThru);
        return OnGuests((guests, host, output, cancellation) => Run(guests, target, timeout, passThru, host, output, cancellation));
    }

    private static void Await(
        GuestReference guest, long target, TimeSpan timeout, IGuestHost host, ICmdletOutput output, CancellationToken cancellation)
    {
        long began = System.Diagnostics.Stopwatch.GetTimestamp();
        GuestInfo info = host.Get(guest, cancellation);
        long start = OwnOf(info);
        using ProgressTicker progress = new(output, _ => Progress(info, target, start));
        while (OwnOf(info) - target is < 0 or >= GuestBalloon.PageSize)
        {
            if (info.State.IsOver())
            {
                throw NotReached(info, target, "it has stopped", "Start it again.");
            }

            if (timeout != System.Threading.Timeout.InfiniteTimeSpan && System.Diagnostics.Stopwatch.GetElapsedTime(began) >= timeout)
            {
                string why = info.State == GuestState.Suspended ? "it is suspended" : "it goes on trying";
                throw NotReached(
                    info, target, why, "Wait longer, give another target, or look at what the guest uses: Measure-Guest, Available.");
            }

            cancellation.WaitHandle.WaitOne(s_look);
            cancellation.ThrowIfCancellationRequested();
            info = host.Get(guest, cancellation);
        }
    }

    private static CmdletProgress Progress(GuestInfo info, long target, long start)
    {
        double done = start == target ? 1 : (double)(OwnOf(info) - start) / (target - start);
        return new CmdletProgress(
            $"Changing the memory of guest '{info.Name}'",
            $"{ByteSize.ToText(OwnOf(info))} of {ByteSize.ToText(info.Memory)}, to be {ByteSize.ToText(target)}",
            (int)Math.Clamp(done * 100, 0, 100));
    }

    private static long OwnOf(GuestInfo info) => info.Memory - (info.Balloon?.Size ?? 0);

    private static GuestException NotReached(GuestInfo info, long target, string why, string action) => new(
        GuestErrorIds.GuestMemoryTargetNotReached,
        $"Expected {ByteSize.ToText(target)} of RAM for guest '{info.Name}', found {ByteSize.ToText(OwnOf(info))}; {why}.",
        info.Name,
        action);
}
