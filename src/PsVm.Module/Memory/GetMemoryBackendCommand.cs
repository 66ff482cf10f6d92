using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Memory;

/// <summary>Gets live host.</summary>
[Cmdlet(VerbsCommon.Get, "MemoryBackend")]
[OutputType(typeof(MemoryBackendInfo))]
public sealed class GetMemoryBackendCommand : PsVmCmdlet
{
    /// <summary>Ids, or patterns with * and ?; none: every backend.</summary>
    [Parameter(Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [BackendIdentity]
    [ArgumentCompleter(typeof(BackendIdCompleter))]
    public BackendReference[] Id { get; set; } = ["*"];

    internal static void Run(IEnumerable<BackendReference> backends, IMemoryHost host, ICmdletOutput output, CancellationToken cancellation) =>
        CmdletWorks.ForEach(backends, output, backend =>
        {
            IEnumerable<MemoryBackendInfo> found = backend.InstanceId is null && NamePattern.IsPattern(backend.Id)
                ? host.List(cancellation).Where(info => NamePattern.Matches(backend.Id, info.Id))
                : [host.Get(backend, cancellation)];
            foreach (MemoryBackendInfo info in found)
            {
                output.WriteObject(info);
            }
        }, cancellation);

    private protected override CmdletWork Bind()
    {
        BackendReference[] backends = Id;
        return (output, cancellation) => Run(backends, ModuleServices.Memory, output, cancellation);
    }
}
