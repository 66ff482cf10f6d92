using System.Management.Automation;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests.Disks;

/// <summary>Drops what guests that have stopped had written over images.</summary>
[Cmdlet(VerbsCommon.Reset, "GuestDisk", SupportsShouldProcess = true)]
[OutputType(typeof(GuestDisk))]
public sealed class ResetGuestDiskCommand : GuestDiskCmdlet
{
    internal static void Run(
        IEnumerable<GuestReference> guests, string[] names, IGuestHost host, ICmdletOutput output, CancellationToken cancellation) =>
        Change(
            guests,
            names,
            disk => $"Drop {ByteSize.ToText(disk.OverlayBytes)} that guest '{disk.Guest}' has written over disk '{disk.Name}'",
            (guest, disk) => host.Disks.CheckReset(guest, disk, cancellation),
            (guest, disk) => output.WriteObject(host.Disks.Reset(guest, disk.Name, cancellation)),
            host,
            output,
            cancellation);

    private protected override CmdletWork Bind()
    {
        string[] names = DiskName;
        return OnGuests((guests, host, output, cancellation) => Run(guests, names, host, output, cancellation));
    }
}
