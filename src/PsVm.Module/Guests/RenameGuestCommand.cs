using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests;

/// <summary>Gives a guest another name; it may run meanwhile.</summary>
[Cmdlet(VerbsCommon.Rename, "Guest", SupportsShouldProcess = true)]
[OutputType(typeof(Guest))]
public sealed class RenameGuestCommand : GuestAndArgumentCmdlet
{
    /// <summary>The new name: 1 to 63 letters, digits, -, . and _, unique among guests.</summary>
    [Parameter(Position = 1, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public string NewName { get; set; } = string.Empty;

    private protected override string ArgumentName => nameof(NewName);

    internal static void Run(
        IEnumerable<GuestReference> guests, string name, IGuestHost host, ICmdletOutput output, CancellationToken cancellation) =>
        CmdletWorks.ForEach(guests, output, guest =>
        {
            GuestChange change = new() { Name = name };
            if (output.ShouldProcess(() => $"Rename guest '{guest}' to '{name}'", () => host.CheckChange(guest, change)))
            {
                output.WriteObject(new Guest(host, host.Change(guest, change, cancellation)));
            }
        }, cancellation);

    private protected override CmdletWork Bind()
    {
        (GuestReference[] guests, string[] name) = Bind(NewName);
        return Selection.OnGuests(guests, (found, host, output, cancellation) => Run(found, name[0], host, output, cancellation));
    }
}
