using System.Management.Automation;
using PsVm.Memory;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Memory;

/// <summary>Gets live backends.</summary>
[Cmdlet(VerbsCommon.Get, "MemoryBackend")]
[OutputType(typeof(MemoryBackend))]
public sealed class GetMemoryBackendCommand : PsVmCmdlet
{
    /// <summary>Ids, or patterns with * and ?; none: every backend.</summary>
    [Parameter(Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [Identity("Id")]
    [ArgumentCompleter(typeof(BackendIdCompleter))]
    public string[] Id { get; set; } = ["*"];

    internal static void Run(IEnumerable<string> ids, MemoryBackends backends, ICmdletOutput output, CancellationToken cancellation) =>
        CmdletWorks.ForEach(ids, output, id =>
        {
            IEnumerable<MemoryBackend> found = NamePattern.IsPattern(id)
                ? backends.List().Where(backend => NamePattern.Matches(id, backend.Id))
                : [backends.Get(id)];
            foreach (MemoryBackend backend in found)
            {
                output.WriteObject(backend);
            }
        }, cancellation);

    private protected override CmdletWork Bind()
    {
        string[] ids = Id;
        return (output, cancellation) => Run(ids, ModuleServices.Backends, output, cancellation);
    }
}
