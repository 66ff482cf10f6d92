using System.Management.Automation;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests.Disks;

/// <summary>Writes into images what guests have written over them, and begins new overlays.</summary>
[Cmdlet(VerbsData.Save, "GuestDisk", SupportsShouldProcess = true)]
[OutputType(typeof(GuestDisk))]
public sealed class SaveGuestDiskCommand : GuestDiskCmdlet
{
    internal static void Run(
        IEnumerable<GuestReference> guests, string[] names, IGuestHost host, ICmdletOutput output, CancellationToken cancellation) =>
        Change(
            guests,
            names,
            disk => $"Save {ByteSize.ToText(disk.OverlayBytes)} of disk '{disk.Name}' of guest '{disk.Guest}' to '{disk.Path}'",
            (guest, disk) => host.Disks.CheckSave(guest, disk, cancellation),
            (guest, disk) =>
            {
                LatestStep step = new();
                using ProgressTicker progress = new(
                    output, elapsed => step.At($"Saving disk '{disk.Name}' of guest '{disk.Guest}'", elapsed));
                output.WriteObject(host.Disks.Save(guest, disk.Name, step, cancellation));
            },
            host,
            output,
            cancellation);

    private protected override CmdletWork Bind()
    {
        string[] names = DiskName;
        return OnGuests((guests, host, output, cancellation) => Run(guests, names, host, output, cancellation));
    }
}
