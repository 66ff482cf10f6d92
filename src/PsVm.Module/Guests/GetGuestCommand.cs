using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests;

/// <summary>Gets guests, in the order of their start.</summary>
[Cmdlet(VerbsCommon.Get, "Guest")]
[OutputType(typeof(Guest))]
public sealed class GetGuestCommand : PsVmCmdlet
{
    /// <summary>Names, or patterns with * and ?; none: every guest.</summary>
    [Parameter(Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [GuestIdentity]
    [ArgumentCompleter(typeof(GuestNameCompleter))]
    public GuestReference[] Name { get; set; } = ["*"];

    internal static void Run(
        IEnumerable<GuestReference> guests, IGuestHost host, Session session, ICmdletOutput output, CancellationToken cancellation) =>
        CmdletWorks.ForEach(guests, output, guest =>
        {
            IReadOnlyList<GuestInfo> found = guest.Id is null && NamePattern.IsPattern(guest.Name)
                ? [.. host.List(cancellation).Where(info => NamePattern.Matches(guest.Name, info.Name))]
                : [host.Get(guest, cancellation)];
            session.WarnOfFailures(found, output);
            foreach (GuestInfo info in found)
            {
                output.WriteObject(new Guest(host, info));
            }
        }, cancellation);

    private protected override CmdletWork Bind()
    {
        GuestReference[] guests = Name;
        Session session = Session.Current;
        return (output, cancellation) => Run(guests, ModuleServices.Guests, session, output, cancellation);
    }
}
