using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests.Disks;

/// <summary>The base of cmdlets that do something with disks that guests have.</summary>
public abstract class GuestDiskCmdlet : GuestCmdlet
{
    /// <summary>Disks: names, or patterns with *, ? and [ ].</summary>
    [Parameter(Mandatory = true, Position = 1)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(DiskNameCompleter))]
    public string[] DiskName { get; set; } = [];

    /// <summary>Does something with each disk; a name that is no pattern is one of a disk.</summary>
    /// <param name="guests">The guests.</param>
    /// <param name="names">Names and patterns of disks.</param>
    /// <param name="describe">What would be done.</param>
    /// <param name="check">Throws where it could not be done.</param>
    /// <param name="change">Does it.</param>
    /// <param name="host">Where the guests are.</param>
    /// <param name="output">The output.</param>
    /// <param name="cancellation">Gives up.</param>
    internal static void Change(
        IEnumerable<GuestReference> guests,
        string[] names,
        Func<GuestDisk, string> describe,
        Action<GuestReference, string> check,
        Action<GuestReference, GuestDisk> change,
        IGuestHost host,
        ICmdletOutput output,
        CancellationToken cancellation) =>
        CmdletWorks.ForEach(guests, output, guest =>
        {
            IReadOnlyList<GuestDisk> disks = host.GetDisks(guest, cancellation);
            foreach (string missing in names.Where(
                name => !NamePattern.IsPattern(name) && !disks.Any(disk => NamePattern.Matches(name, disk.Name))))
            {
                check(guest, missing);
            }

            CmdletWorks.ForEach(disks.Where(disk => Array.Exists(names, name => NamePattern.Matches(name, disk.Name))), output, disk =>
            {
                if (output.ShouldProcess(() => describe(disk), () => check(guest, disk.Name)))
                {
                    change(guest, disk);
                }
            }, cancellation);
        }, cancellation);
}
