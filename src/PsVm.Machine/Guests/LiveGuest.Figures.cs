using PsVm.Memory;
using PsVm.Memory.Mapping;

namespace PsVm.Machine.Guests;

/// <content>What is measured of it.</content>
internal sealed partial class LiveGuest
{
    /// <summary>What it costs and does.</summary>
    /// <param name="mappings">A reading of the kernel's accounting, for that of each backend; null: without.</param>
    /// <param name="cancellation">Gives up.</param>
    public GuestMeasurement Measure(ProcessMappings? mappings, CancellationToken cancellation) =>
        _meter.Measure(() => Info, mappings, cancellation);

    /// <summary>Bytes of its RAM that only it has.</summary>
    public long MeasureOwn() => _ram.Measure(backend => backend.MeasureOwn()).Sum() + Devices.OwnBytes;

    /// <summary>What the pages of its RAM are now.</summary>
    /// <param name="cellSize">Bytes of a cell.</param>
    /// <param name="cancellation">Gives up.</param>
    public IReadOnlyList<RamMap> Map(long cellSize, CancellationToken cancellation) =>
        _ram.Measure(backend => backend.Map(cellSize, cancellation));

    /// <summary>What of its RAM has been touched, of each block; null: it has none any more.</summary>
    public IReadOnlyList<IReadOnlyList<PageRange>>? Touched(CancellationToken cancellation) =>
        _ram.Measure(backend => backend.TouchedRanges(cancellation)) is { Count: > 0 } touched ? touched : null;
}
