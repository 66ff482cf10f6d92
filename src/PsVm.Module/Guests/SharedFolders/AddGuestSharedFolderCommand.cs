using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests.SharedFolders;

/// <summary>Shares folders with guests: in slots that have none, at any time, or in new ones of guests that have stopped.</summary>
[Cmdlet(VerbsCommon.Add, "GuestSharedFolder", SupportsShouldProcess = true)]
[OutputType(typeof(GuestSharedFolder))]
public sealed class AddGuestSharedFolderCommand : GuestCmdlet
{
    /// <summary>
    /// Folders: paths, with <c>:TAG</c> and <c>:ro</c> behind them where wanted, or dictionaries with Path, Tag and ReadOnly.
    /// </summary>
    [Parameter(Mandatory = true, Position = 1)]
    [ValidateNotNullOrEmpty]
    [SharedFolders]
    public GuestSharedFolderOptions[] SharedFolder { get; set; } = [];

    internal static void Run(
        IEnumerable<GuestReference> guests, GuestSharedFolderOptions[] folders, IGuestHost host,
        ICmdletOutput output, CancellationToken cancellation) =>
        CmdletWorks.ForEach(guests, output, guest => CmdletWorks.ForEach(folders, output, folder =>
        {
            string what =
                $"Share folder '{folder.Path}' with guest '{guest}'{(folder.ReadOnly ? ", which may not write it" : string.Empty)}";
            if (output.ShouldProcess(() => what, () => host.SharedFolders.CheckAdd(guest, folder, cancellation)))
            {
                output.WriteObject(host.SharedFolders.Add(guest, folder, cancellation));
            }
        }, cancellation), cancellation);

    private protected override CmdletWork Bind()
    {
        GuestSharedFolderOptions[] folders = ResolvePaths(SharedFolder);
        return OnGuests((guests, host, output, cancellation) => Run(guests, folders, host, output, cancellation));
    }
}
