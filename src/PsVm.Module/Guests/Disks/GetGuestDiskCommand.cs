using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests.Disks;

/// <summary>Gets disks of guests, by the slots of their boards.</summary>
[Cmdlet(VerbsCommon.Get, "GuestDisk")]
[OutputType(typeof(GuestDisk))]
public sealed class GetGuestDiskCommand : AnyGuestCmdlet
{
    /// <summary>Only disks of these names, or of patterns with *, ? and [ ].</summary>
    [Parameter(Position = 1)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(DiskNameCompleter))]
    public string[] DiskName { get; set; } = ["*"];

    internal static void Run(
        IEnumerable<GuestReference> guests, string[] names, IGuestHost host, ICmdletOutput output, CancellationToken cancellation) =>
        CmdletWorks.ForEach(guests, output, guest =>
        {
            foreach (GuestDisk disk in host.GetDisks(guest, cancellation))
            {
                if (names.Any(name => NamePattern.Matches(name, disk.Name)))
                {
                    output.WriteObject(disk);
                }
            }
        }, cancellation);

    private protected override CmdletWork Bind()
    {
        string[] names = DiskName;
        return OnGuests((guests, host, output, cancellation) => Run(guests, names, host, output, cancellation));
    }
}
