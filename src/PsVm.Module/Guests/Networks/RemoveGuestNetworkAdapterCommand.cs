using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests.Networks;

/// <summary>Takes network adapters from guests that have stopped.</summary>
[Cmdlet(VerbsCommon.Remove, "GuestNetworkAdapter", SupportsShouldProcess = true)]
[OutputType(typeof(void))]
public sealed class RemoveGuestNetworkAdapterCommand : GuestCmdlet
{
    /// <summary>Adapters: names, or patterns with *, ? and [ ].</summary>
    [Parameter(Mandatory = true, Position = 1)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(AdapterNameCompleter))]
    public string[] AdapterName { get; set; } = [];

    internal static void Run(
        IEnumerable<GuestReference> guests, string[] names, IGuestHost host, ICmdletOutput output, CancellationToken cancellation) =>
        CmdletWorks.ForEach(guests, output, guest =>
        {
            string[] adapters = [.. host.Get(guest, cancellation).Networks.Select(adapter => adapter.Name)];
            foreach (string missing in names.Where(
                name => !NamePattern.IsPattern(name) && !adapters.Any(adapter => NamePattern.Matches(name, adapter))))
            {
                host.Networks.CheckRemove(guest, missing, cancellation);
            }

            CmdletWorks.ForEach(
                adapters.Where(adapter => Array.Exists(names, name => NamePattern.Matches(name, adapter))), output, adapter =>
            {
                if (output.ShouldProcess(
                    () => $"Remove network adapter '{adapter}' from guest '{guest}'",
                    () => host.Networks.CheckRemove(guest, adapter, cancellation)))
                {
                    host.Networks.Remove(guest, adapter, cancellation);
                }
            }, cancellation);
        }, cancellation);

    private protected override CmdletWork Bind()
    {
        string[] names = AdapterName;
        return OnGuests((guests, host, output, cancellation) => Run(guests, names, host, output, cancellation));
    }
}
