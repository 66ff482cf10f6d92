using System.Management.Automation;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests.Disks;

/// <summary>Takes disks from guests that have stopped; images and files of overlays stay.</summary>
[Cmdlet(VerbsCommon.Remove, "GuestDisk", SupportsShouldProcess = true)]
[OutputType(typeof(void))]
public sealed class RemoveGuestDiskCommand : GuestDiskCmdlet
{
    internal static void Run(
        IEnumerable<GuestReference> guests, string[] names, IGuestHost host, ICmdletOutput output, CancellationToken cancellation) =>
        Change(
            guests,
            names,
            disk => disk is { Overlay: PsVm.DiskOverlay.Memory, OverlayBytes: > 0 }
                ? $"Remove disk '{disk.Name}' from guest '{disk.Guest}', and {ByteSize.ToText(disk.OverlayBytes)} that it has "
                    + $"written over '{disk.Path}'"
                : $"Remove disk '{disk.Name}' from guest '{disk.Guest}'",
            (guest, disk) => host.Disks.CheckRemove(guest, disk, cancellation),
            (guest, disk) => host.Disks.Remove(guest, disk.Name, cancellation),
            host,
            output,
            cancellation);

    private protected override CmdletWork Bind()
    {
        string[] names = DiskName;
        return OnGuests((guests, host, output, cancellation) => Run(guests, names, host, output, cancellation));
    }
}
