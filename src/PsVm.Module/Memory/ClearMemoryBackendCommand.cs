using System.Management.Automation;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Memory;

/// <summary>Discards a range of guest memory and tells what the host got back.</summary>
[Cmdlet(VerbsCommon.Clear, "MemoryBackend", SupportsShouldProcess = true)]
[OutputType(typeof(DiscardOutcome))]
public sealed class ClearMemoryBackendCommand : BackendCmdlet
{
    /// <summary>First byte of the range, from the start of the block; a multiple of the backing page size.</summary>
    [Parameter(Mandatory = true, Position = 1)]
    public long Offset { get; set; }

    /// <summary>Bytes to discard; a multiple of the backing page size.</summary>
    [Parameter(Mandatory = true, Position = 2)]
    public long Length { get; set; }

    /// <summary>Overrides the backend's policy for this discard.</summary>
    [Parameter]
    public DiscardPolicy? DiscardPolicy { get; set; }

    internal static void Run(
        IEnumerable<BackendReference> backends,
        long offset,
        long length,
        DiscardPolicy? policy,
        IMemoryHost host,
        ICmdletOutput output,
        CancellationToken cancellation) =>
        CmdletWorks.ForEach(backends, output, backend =>
        {
            MemoryBackendInfo found = host.Get(backend, cancellation);
            DiscardPolicy effective = policy ?? found.Outcome.EffectiveDiscardPolicy;
            if (output.ShouldProcess($"Discard {length} bytes at offset {offset} of memory backend '{found}' by {effective}"))
            {
                DiscardOutcome outcome = host.Discard(found.Reference, offset, length, policy, cancellation);
                output.WriteWarnings(outcome.Warnings);
                output.WriteObject(outcome);
            }
        }, cancellation);

    private protected override CmdletWork Bind()
    {
        (long offset, long length, DiscardPolicy? policy) = (Offset, Length, DiscardPolicy);
        return OnBackends((backends, host, output, cancellation) =>
            Run(backends, offset, length, policy, host, output, cancellation));
    }
}
