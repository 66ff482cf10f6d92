using System.Management.Automation;
using PsVm.Memory;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Memory;

/// <summary>The base of cmdlets that act on live backends, given as objects or by id.</summary>
public abstract class BackendCmdlet : PsVmCmdlet
{
    /// <summary>Ids of live backends.</summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = "Id", ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(BackendIdCompleter))]
    public string[] Id { get; set; } = [];

    /// <summary>Live backends. Several guests may each have a default RAM of the same id, so the object says more than the id.</summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = "MemoryBackend", ValueFromPipeline = true)]
    [ValidateNotNullOrEmpty]
    public MemoryBackend[] MemoryBackend { get; set; } = [];

    /// <summary>What the operator selected; looking one up may fail, and then fails for that one only.</summary>
    internal static IEnumerable<Func<MemoryBackend>> Select(string[] ids, MemoryBackend[] objects, MemoryBackends backends) =>
    [
        .. objects.Select(backend => (Func<MemoryBackend>)(() => backends.List().Contains(backend) ? backend : throw Removed(backend))),
        .. ids.Select(id => (Func<MemoryBackend>)(() => backends.Get(id))),
    ];

    /// <summary>The selection of this input item.</summary>
    private protected IEnumerable<Func<MemoryBackend>> Selected() =>
        ParameterSetName == "Id" ? Select(Id, [], ModuleServices.Backends) : Select([], MemoryBackend, ModuleServices.Backends);

    private static CmdletException Removed(MemoryBackend backend) =>
        new(MemoryErrorIds.BackendNotFound, $"Backend '{backend.Id}' was expected to be live, but it has been removed.", backend.Id);
}
