using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests;

/// <summary>The base of cmdlets that act on guests by name.</summary>
public abstract class GuestCmdlet : PsVmCmdlet
{
    /// <summary>Names of guests; a guest object does as well.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    [Identity("Name")]
    [ArgumentCompleter(typeof(GuestNameCompleter))]
    public string[] Name { get; set; } = [];

    /// <summary>Work on the guests that this input item names.</summary>
    private protected CmdletWork OnGuests(Action<IEnumerable<string>, IGuestHost, ICmdletOutput, CancellationToken> run)
    {
        string[] names = Name;
        return (output, cancellation) => run(names, ModuleServices.Guests, output, cancellation);
    }

    /// <summary>Changes guests one by one and sends each down the pipeline.</summary>
    internal static void Change(
        string verb,
        IEnumerable<string> names,
        Action<string> change,
        IGuestHost host,
        ICmdletOutput output,
        CancellationToken cancellation) =>
        CmdletWorks.ForEach(names, output, name =>
        {
            if (output.ShouldProcess($"{verb} guest '{name}'"))
            {
                change(name);
                output.WriteObject(new Guest(host, host.Get(name)));
            }
        }, cancellation);
}
