using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Memory;

/// <summary>Discards a range of guest memory and tells what the host got back.</summary>
/// <remarks>
/// Both <c>Clear-MemoryBackend ram0 0 4MB</c> and <c>$ram | Clear-MemoryBackend 0 4MB</c> are what people write. PowerShell gives the first
/// position to Id before it knows of a pipeline, so what stands there moves on to the range when backends come through the pipeline.
/// </remarks>
[Cmdlet(VerbsCommon.Clear, "MemoryBackend", SupportsShouldProcess = true)]
[OutputType(typeof(DiscardOutcome))]
public sealed class ClearMemoryBackendCommand : PsVmCmdlet
{
    /// <summary>Live backends: ids, patterns or objects. When backends are piped in, the first position is the range's.</summary>
    [Parameter(Position = 0)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [BackendIdentity]
    [ArgumentCompleter(typeof(BackendIdCompleter))]
    [Alias("MemoryBackend")]
    public BackendReference[] Id { get; set; } = [];

    /// <summary>Backends from the pipeline: objects, ids or patterns; an object means the very backend.</summary>
    [Parameter(ValueFromPipeline = true)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [BackendIdentity]
    public BackendReference[] InputObject { get; set; } = [];

    /// <summary>Offset and length, as they stand by position; whichever of the two has no parameter of its own.</summary>
    /// <remarks>Not two positions: what was given by position and what by name could not be told apart when the positions move.</remarks>
    [Parameter(Position = 1, ValueFromRemainingArguments = true)]
    [Size]
    public long[] Range { get; set; } = [];

    /// <summary>First byte of the range, from the start of the block; a multiple of the backing page size.</summary>
    [Parameter]
    [Size]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public long Offset { get; set; }

    /// <summary>Bytes to discard; a multiple of the backing page size.</summary>
    [Parameter]
    [Size]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public long Length { get; set; }

    /// <summary>Overrides the backend's policy for this discard.</summary>
    [Parameter]
    [ArgumentCompleter(typeof(EnumCompleter<DiscardPolicy>))]
    public Arguments.DiscardPolicy? DiscardPolicy { get; set; }

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
            if (output.ShouldProcess(
                () => $"Discard {ByteSize.ToExactText(length)} at offset {ByteSize.ToExactText(offset)} of memory backend "
                    + $"'{found}' by {effective}",
                () => host.CheckDiscard(found.Reference, offset, length, policy)))
            {
                DiscardOutcome outcome = host.Discard(found.Reference, offset, length, policy, cancellation);
                output.WriteWarnings(outcome.Warnings);
                output.WriteObject(outcome);
            }
        }, cancellation);

    private protected override CmdletWork Bind()
    {
        bool isPiped = InputObject.Length > 0;
        bool isNamed = IsOnCommandLine(nameof(Id));
        Queue<long> range = new(Range);
        if (isPiped && isNamed)
        {
            range = new(Id.Select(moved => ToSize(moved, InputObject[0])).Concat(Range));
        }
        else if (!isPiped && !isNamed)
        {
            throw Missing($"a memory backend for {MyInvocation.MyCommand.Name}, found no -{nameof(Id)}");
        }

        long offset = IsOnCommandLine(nameof(Offset)) ? Offset : Next(nameof(Offset));
        long length = IsOnCommandLine(nameof(Length)) ? Length : Next(nameof(Length));
        if (range.TryDequeue(out long more))
        {
            throw Missing($"an offset and a length, found '{more}' beside them");
        }

        BackendReference[] backends = isPiped ? InputObject : Id;
        DiscardPolicy? policy = DiscardPolicy?.Value;
        IMemoryHost host = ModuleServices.Memory;
        return (output, cancellation) =>
            Run(Selection.References(backends, host, output, cancellation), offset, length, policy, host, output, cancellation);

        long Next(string parameter) =>
            range.TryDequeue(out long value) ? value : throw Missing($"-{nameof(Offset)} and -{nameof(Length)}, found no -{parameter}");
    }

    private static long ToSize(BackendReference moved, BackendReference piped) => ByteSize.TryParse(moved.Id, out long size)
        ? size
        : throw new CmdletException(
            ModuleErrorIds.BackendGivenTwice,
            $"Expected memory backends from the pipeline or by -{nameof(Id)}, found both: '{piped}' and '{moved}'.",
            $"{piped}",
            "Leave one out.");

    private CmdletException Missing(string expected) => new(
        ModuleErrorIds.ArgumentMissing,
        $"Expected {expected}.",
        null,
        $"Write {MyInvocation.MyCommand.Name} ID OFFSET LENGTH, or pipe memory backends into it.");
}
