using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests.Disks;

/// <summary>Gives disks to guests that have stopped, for when they boot again.</summary>
[Cmdlet(VerbsCommon.Add, "GuestDisk", SupportsShouldProcess = true)]
[OutputType(typeof(GuestDisk))]
public sealed class AddGuestDiskCommand : GuestCmdlet
{
    /// <summary>Disks: paths of raw images, or dictionaries with Path, Name, ReadOnly, FileAccessMode and Overlay.</summary>
    [Parameter(Mandatory = true, Position = 1)]
    [ValidateNotNullOrEmpty]
    [Disks]
    public GuestDiskOptions[] Disk { get; set; } = [];

    internal static void Run(
        IEnumerable<GuestReference> guests, GuestDiskOptions[] disks, IGuestHost host,
        ICmdletOutput output, CancellationToken cancellation) =>
        CmdletWorks.ForEach(guests, output, guest => CmdletWorks.ForEach(disks, output, disk =>
        {
            if (output.ShouldProcess(
                () => $"Add disk '{disk.Path}' to guest '{guest}'", () => host.Disks.CheckAdd(guest, disk, cancellation)))
            {
                output.WriteObject(host.Disks.Add(guest, disk, cancellation));
            }
        }, cancellation), cancellation);

    private protected override CmdletWork Bind()
    {
        GuestDiskOptions[] disks = ResolvePaths(Disk);
        return OnGuests((guests, host, output, cancellation) => Run(guests, disks, host, output, cancellation));
    }
}
