using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests.SharedFolders;

/// <summary>Gets shared folders of guests, by the slots of their boards.</summary>
[Cmdlet(VerbsCommon.Get, "GuestSharedFolder")]
[OutputType(typeof(GuestSharedFolder))]
public sealed class GetGuestSharedFolderCommand : AnyGuestCmdlet
{
    /// <summary>Only folders of these tags, or of patterns with *, ? and [ ].</summary>
    [Parameter(Position = 1)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(FolderTagCompleter))]
    public string[] Tag { get; set; } = ["*"];

    internal static void Run(
        IEnumerable<GuestReference> guests, string[] tags, IGuestHost host, ICmdletOutput output, CancellationToken cancellation) =>
        CmdletWorks.ForEach(guests, output, guest =>
        {
            foreach (GuestSharedFolder folder in host.SharedFolders.Get(guest, cancellation))
            {
                if (tags.Any(tag => NamePattern.Matches(tag, folder.Tag)))
                {
                    output.WriteObject(folder);
                }
            }
        }, cancellation);

    private protected override CmdletWork Bind()
    {
        string[] tags = Tag;
        return OnGuests((guests, host, output, cancellation) => Run(guests, tags, host, output, cancellation));
    }
}
