using System.Management.Automation;
using PsVm.Memory;
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
        IEnumerable<Func<MemoryBackend>> selected,
        long offset,
        long length,
        DiscardPolicy? policy,
        ICmdletOutput output,
        CancellationToken cancellation) =>
        CmdletWorks.ForEach(selected, output, select =>
        {
            MemoryBackend backend = select();
            DiscardPolicy effective = policy ?? backend.Outcome.EffectiveDiscardPolicy;
            if (output.ShouldProcess($"Discard {length} bytes at offset {offset} of memory backend '{backend.Id}' by {effective}"))
            {
                DiscardOutcome outcome = backend.Discard(offset, length, policy);
                output.WriteWarnings(outcome.Warnings);
                output.WriteObject(outcome);
            }
        }, cancellation);

    private protected override CmdletWork Bind()
    {
        IEnumerable<Func<MemoryBackend>> selected = Selected();
        (long offset, long length, DiscardPolicy? policy) = (Offset, Length, DiscardPolicy);
        return (output, cancellation) => Run(selected, offset, length, policy, output, cancellation);
    }
}
