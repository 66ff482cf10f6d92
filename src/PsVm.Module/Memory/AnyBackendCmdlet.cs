using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;

namespace PsVm.Module.Memory;

/// <summary>The base of cmdlets that do backends no harm, and so mean every backend when none is named.</summary>
public abstract class AnyBackendCmdlet : PsVmCmdlet
{
    /// <summary>Ids, ids with a guest's name before them (web/ram.default), patterns, or objects; none: every backend.</summary>
    [Parameter(Position = 0, ValueFromPipeline = true)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [BackendIdentity]
    [ArgumentCompleter(typeof(BackendIdCompleter))]
    [Alias("MemoryBackend")]
    public BackendReference[] Id { get; set; } = ["*"];
}
