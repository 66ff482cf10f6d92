using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests;

/// <summary>Gets guests, in the order of their start.</summary>
[Cmdlet(VerbsCommon.Get, "Guest")]
[OutputType(typeof(Guest))]
public sealed class GetGuestCommand : PsVmCmdlet
{
    /// <summary>Names, or patterns with * and ?; none: every guest.</summary>
    [Parameter(Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [Identity("Name")]
    [ArgumentCompleter(typeof(GuestNameCompleter))]
    public string[] Name { get; set; } = ["*"];

    internal static void Run(IEnumerable<string> names, IGuestHost host, ICmdletOutput output, CancellationToken cancellation) =>
        CmdletWorks.ForEach(names, output, name =>
        {
            IEnumerable<GuestInfo> found = NamePattern.IsPattern(name)
                ? host.List().Where(guest => NamePattern.Matches(name, guest.Name))
                : [host.Get(name)];
            foreach (GuestInfo guest in found)
            {
                output.WriteObject(new Guest(host, guest));
            }
        }, cancellation);

    private protected override CmdletWork Bind()
    {
        string[] names = Name;
        return (output, cancellation) => Run(names, ModuleServices.Guests, output, cancellation);
    }
}
