using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Memory;

/// <summary>The base of cmdlets that act on live backends.</summary>
public abstract class BackendCmdlet : PsVmCmdlet
{
    /// <summary>
    /// Live backends: ids, ids with a guest's name before them (web/ram.default), patterns, or objects; an object means the very backend,
    /// and tells default RAMs of one id apart.
    /// </summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [BackendIdentity]
    [ArgumentCompleter(typeof(BackendIdCompleter))]
    [Alias("MemoryBackend")]
    public BackendReference[] Id { get; set; } = [];

    /// <summary>Work on the backends that this input item names.</summary>
    private protected CmdletWork OnBackends(Action<IEnumerable<BackendReference>, IMemoryHost, ICmdletOutput, CancellationToken> run)
    {
        BackendReference[] backends = Id;
        IMemoryHost host = ModuleServices.Memory;
        return (output, cancellation) =>
            run(Selection.References(backends, host, output, cancellation), host, output, cancellation);
    }
}
