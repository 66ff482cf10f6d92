using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests.SharedFolders;

/// <summary>Shares folders with guests no more; the folders stay as they are.</summary>
[Cmdlet(VerbsCommon.Remove, "GuestSharedFolder", SupportsShouldProcess = true)]
[OutputType(typeof(void))]
public sealed class RemoveGuestSharedFolderCommand : GuestCmdlet
{
    /// <summary>Folders: tags, or patterns with *, ? and [ ].</summary>
    [Parameter(Mandatory = true, Position = 1)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(FolderTagCompleter))]
    public string[] Tag { get; set; } = [];

    internal static void Run(
        IEnumerable<GuestReference> guests, string[] tags, IGuestHost host, ICmdletOutput output, CancellationToken cancellation) =>
        CmdletWorks.ForEach(guests, output, guest =>
        {
            IReadOnlyList<GuestSharedFolder> folders = host.SharedFolders.Get(guest, cancellation);
            foreach (string missing in tags.Where(
                tag => !NamePattern.IsPattern(tag) && !folders.Any(folder => NamePattern.Matches(tag, folder.Tag))))
            {
                host.SharedFolders.CheckRemove(guest, missing, cancellation);
            }

            CmdletWorks.ForEach(folders.Where(folder => Array.Exists(tags, tag => NamePattern.Matches(tag, folder.Tag))), output, folder =>
            {
                if (output.ShouldProcess(
                    () => $"Share folder '{folder.Tag}' ({folder.Path ?? "none"}) with guest '{guest}' no more",
                    () => host.SharedFolders.CheckRemove(guest, folder.Tag, cancellation)))
                {
                    host.SharedFolders.Remove(guest, folder.Tag, cancellation);
                }
            }, cancellation);
        }, cancellation);

    private protected override CmdletWork Bind()
    {
        string[] tags = Tag;
        return OnGuests((guests, host, output, cancellation) => Run(guests, tags, host, output, cancellation));
    }
}
