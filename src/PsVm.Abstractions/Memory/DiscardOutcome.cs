namespace PsVm;

/// <summary>What one discard did.</summary>
/// <remarks>Source: memory-backends rules, section 5. Sizes and offsets are bytes.</remarks>
/// <param name="BackendId">The backend.</param>
/// <param name="Offset">First byte of the range, from the start of the block.</param>
/// <param name="BytesAsked">Length of the range.</param>
/// <param name="BytesFreed">Bytes of memory or file blocks that the host got back.</param>
/// <param name="Policy">The policy that was applied.</param>
/// <param name="How">What was done, in a line.</param>
/// <param name="WhyNotFreed">Why not all was freed; null when everything that held memory was freed.</param>
/// <param name="Warnings">Warnings, each with a stable id.</param>
public sealed record DiscardOutcome(
    string BackendId,
    long Offset,
    long BytesAsked,
    long BytesFreed,
    DiscardPolicy Policy,
    string How,
    string? WhyNotFreed,
    IReadOnlyList<BackendWarning> Warnings)
{
    /// <summary>Warnings, each with a stable id.</summary>
    public IReadOnlyList<BackendWarning> Warnings { get; init => field = ValueList.Of(value); } = ValueList.Of(Warnings);
}
